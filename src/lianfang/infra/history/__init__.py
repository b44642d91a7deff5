"""Files of past payments: read by a mapping into ready columns, written in the native layout."""

from lianfang.infra.history.mapping import (
    LabelSource,
    Mapping,
    Source,
    mapping_of,
    native_mapping,
    read_mapping,
)
from lianfang.infra.history.reader import (
    BAD_ROWS_MAX,
    BATCH_ROWS,
    FRAUD,
    GENUINE,
    NEVER,
    UNKNOWN,
    HistoryBatch,
    HistoryReport,
    Problem,
    read_history,
)
from lianfang.infra.history.table import history_files, history_rows

__all__ = [
    "BAD_ROWS_MAX",
    "BATCH_ROWS",
    "FRAUD",
    "GENUINE",
    "NEVER",
    "UNKNOWN",
    "HistoryBatch",
    "HistoryReport",
    "LabelSource",
    "Mapping",
    "Problem",
    "Source",
    "history_files",
    "history_rows",
    "mapping_of",
    "native_mapping",
    "read_history",
    "read_mapping",
]
