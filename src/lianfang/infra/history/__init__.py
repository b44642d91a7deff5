"""Files of past payments: read by a mapping into ready columns, written in the native layout."""

from lianfang.infra.history.alliance import Written, write_day, write_outcomes, write_population
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
from lianfang.infra.history.writer import (
    StoryStep,
    arrow_table,
    outcomes_of,
    payments_of,
    stories_of,
    write_history,
)

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
    "StoryStep",
    "Written",
    "arrow_table",
    "history_files",
    "history_rows",
    "mapping_of",
    "native_mapping",
    "outcomes_of",
    "payments_of",
    "read_history",
    "read_mapping",
    "stories_of",
    "write_day",
    "write_history",
    "write_outcomes",
    "write_population",
]
