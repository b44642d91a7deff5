"""The same declarations over stored history: Ibis expressions that give, for each payment, the decider's values before it.

Imported where histories are computed, not with `features`: the decider has no use for Ibis.
"""

from lianfang.engines.features.offline.compute import DOUBTFUL, FRAUD_COLUMNS, columns_needed, feature_table
from lianfang.engines.features.offline.parts import SEQ

__all__ = ["DOUBTFUL", "FRAUD_COLUMNS", "SEQ", "columns_needed", "feature_table"]
