"""Truth kept apart from the payments: a file that says which of them were fraud, and of which kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from lianfang.infra.history import FRAUD
from lianfang.kernel.errors import InputError

ID: Final = "id"
KIND: Final = "label_kind"
LABEL: Final = "label"
ROWS_MAX: Final = 20_000_000


def read_truth(path: Path) -> dict[str, str]:
    """Payment id to the kind of fraud, of a Parquet or CSV file with the columns `id`, `label_kind` and perhaps `label`.

    Rows whose `label` is there and not 1 are genuine and left out. Raises `InputError`.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    try:
        table: Any = pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path)
    except (OSError, pa.ArrowException) as why:
        raise InputError(f"cannot read the truth: {why}", str(path)) from why
    if missing := [name for name in (ID, KIND) if name not in table.column_names]:
        raise InputError(f"the truth has no column {missing[0]!r}; it has {', '.join(table.column_names)}", str(path))
    if table.num_rows > ROWS_MAX:
        raise InputError(f"more than {ROWS_MAX:,} rows", str(path))
    labels = table[LABEL].to_pylist() if LABEL in table.column_names else [FRAUD] * table.num_rows
    rows = zip(table[ID].to_pylist(), table[KIND].to_pylist(), labels, strict=True)
    return {str(one): str(kind or "?") for one, kind, label in rows if label == FRAUD}
