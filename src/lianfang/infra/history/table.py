"""Opens a history: one Parquet or CSV file, a folder of Parquet files, or a node's lake, read a batch at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from lianfang.infra.history.lake import is_lake, lake_batches, lake_columns, lake_rows
from lianfang.kernel.errors import DependencyError, InputError

FILES_MAX: Final = 10_000
"""Files in one history folder."""
_CSV_BLOCK: Final = 1 << 20
_READ_AT_ONCE: Final = 1 << 20
"""Bytes of one column of a Parquet file."""
_CSV_NULLS: Final = ["", "NULL", "null", "NaN", "nan", "None", "NA"]


class Slice(NamedTuple):
    """Some rows of one file. `first` is the number of the first of them, counting from 1."""

    file: Path
    first: int
    rows: pa.RecordBatch


def history_files(path: Path) -> list[Path]:
    """The files of a history in the order they are read: by name. Raises `InputError` where there is none.

    A lake is one: its manifest says which files are in it, and its rows come by time.
    """
    if path.is_file() or is_lake(path):
        return [path]
    if not path.is_dir():
        raise InputError("no such file or folder", str(path))
    files = sorted(path.glob("*.parquet")) or sorted(path.glob("*/*.parquet"))  # days in folders of their own
    if not files:
        raise InputError("no .parquet file in this folder", str(path))
    if len(files) > FILES_MAX:
        raise InputError(f"more than {FILES_MAX} files in this folder", str(path))
    return files


def columns_of(file: Path) -> dict[str, pa.DataType]:
    """Names and types of the columns. CSV columns are all text: guessing would eat the zeros of an account number."""
    if is_lake(file):
        return lake_columns(file)
    if _is_parquet(file):
        schema = _open_parquet(file).schema_arrow
        found = list(zip(schema.names, schema.types, strict=True))
    else:
        with _open_csv(file, None) as reader:
            found = [(name, pa.string()) for name in reader.schema.names]
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"the column {twice[0]!r} stands twice", str(file))
    return dict(found)


def history_rows(path: Path) -> int:
    """Rows of a history. Parquet knows; CSV is counted, once through."""
    total = 0
    for file in history_files(path):
        if is_lake(file):
            total += lake_rows(file)
        elif _is_parquet(file):
            total += _open_parquet(file).metadata.num_rows
        else:
            total += sum(part.rows.num_rows for part in slices(file, None, _CSV_BLOCK))
    return total


def slices(file: Path, columns: Sequence[str] | None, batch_rows: int) -> Iterator[Slice]:
    """Batches of at most `batch_rows` rows with only the columns asked for. Raises `InputError` for a broken file."""
    first = 1
    try:
        for batch in _batches(file, columns, batch_rows):
            for start in range(0, batch.num_rows, batch_rows):
                part = batch.slice(start, batch_rows)
                yield Slice(file, first, part)
                first += part.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as why:
        raise InputError(f"the file breaks after row {first - 1}: {why}", str(file)) from why
    except OSError as why:
        raise DependencyError(f"reading {file} failed: {why}") from why


def _batches(file: Path, columns: Sequence[str] | None, batch_rows: int) -> Iterator[pa.RecordBatch]:
    if is_lake(file):
        yield from lake_batches(file, columns, batch_rows)
        return
    if _is_parquet(file):
        names = None if columns is None else list(columns)
        yield from _open_parquet(file).iter_batches(batch_size=batch_rows, columns=names, use_threads=False)
        return
    with _open_csv(file, columns) as reader:
        yield from reader


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() not in {".csv", ".tsv", ".txt"}


def _open_parquet(file: Path) -> pq.ParquetFile:
    try:
        # Buffering ahead would keep all that was read until the file ends; unbuffered, a column's whole row group comes at once.
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=_READ_AT_ONCE)
    except pa.ArrowInvalid as why:
        raise InputError(f"not a Parquet file: {why}", str(file)) from why
    except OSError as why:
        raise InputError(f"cannot be opened: {why}", str(file)) from why


def _open_csv(file: Path, columns: Sequence[str] | None) -> pa_csv.CSVStreamingReader:
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    try:
        with file.open("rb") as head:
            header = head.readline(_CSV_BLOCK).decode("utf-8-sig").rstrip("\r\n")
        names = pa_csv.read_csv(
            io.BytesIO((header + "\n").encode()), parse_options=pa_csv.ParseOptions(delimiter=delimiter)
        ).column_names
        return pa_csv.open_csv(
            file,
            read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=list(columns) if columns else None,
                null_values=_CSV_NULLS,
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as why:
        raise InputError(f"not a CSV file we can read: {why}", str(file)) from why
    except OSError as why:
        raise InputError(f"cannot be opened: {why}", str(file)) from why
