"""Files of list entries: CSV, Parquet, JSON lines, or a value a line. Every line is read; each refused one says why.

Refuses to guess: a column nobody knows, a time without its zone, one subject twice with different content.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, Literal, NamedTuple

from lianfang.kernel.errors import InputError, LianfangError, TooLargeError
from lianfang.wire import ListEntry, read_list_entry, write
from lianfang.wire.strict import refuse_ambiguous

ENTRIES_MAX: Final = 10_000_000
BATCH_ROWS: Final = 8_192
BOM: Final = b"\xef\xbb\xbf"
LINES: Final = frozenset({".jsonl", ".ndjson", ".json"})
Line = tuple[str, dict[str, Any] | InputError]
"""Where it stands, and what it says or why it cannot be read."""


class Refused(NamedTuple):
    """A line that was not taken: `mules.csv, line 3`, and why."""

    where: str
    what: str


class ListFile(NamedTuple):
    """What a file holds. `repeated`: lines that say again what an earlier one said."""

    entries: list[ListEntry]
    refused: list[Refused]
    repeated: int


def read_list_file(file: Path, defaults: Mapping[str, Any]) -> ListFile:
    """All of a file, gaps filled from `defaults`. Raises `InputError` only for a file that cannot be read at all."""
    taken = _Taken()
    refused: list[Refused] = []
    try:
        for where, row in _lines(file):
            try:
                taken.add(_entry(row, defaults), where)
            except InputError as why:
                refused.append(Refused(where, why.what))
            if len(taken.places) + len(refused) > ENTRIES_MAX:
                break
    except (OSError, UnicodeDecodeError, csv.Error) as why:
        raise InputError(f"cannot read the list: {why}", str(file)) from why
    if len(taken.places) + len(refused) > ENTRIES_MAX:
        raise TooLargeError(f"more than {ENTRIES_MAX:,} list entries", str(file))
    return ListFile([entry for entry, _ in taken.places.values()], refused, taken.repeated)


def read_list_text(raw: bytes, kind: Literal["csv", "jsonl", "txt"], defaults: Mapping[str, Any]) -> ListFile:
    """As `read_list_file`, of a text that was pasted or uploaded."""
    with NamedTemporaryFile(suffix=f".{kind}", prefix="list-") as file:
        path = Path(file.name)
        path.write_bytes(raw)
        try:
            found = read_list_file(path, defaults)
        except LianfangError as why:
            raise InputError(str(why).replace(str(path), kind), "file") from why
    refused = [Refused(one.where.removeprefix(f"{path}, "), one.what) for one in found.refused]
    return found._replace(refused=refused)


class _Taken:
    """Entries taken so far, and what they forbid to those that come."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str, str], tuple[ListEntry, str]] = {}
        self.repeated = 0
        self._effects: dict[str, str] = {}

    def add(self, entry: ListEntry, where: str) -> None:
        """Take it. Raises `InputError` where it contradicts an earlier one."""
        before = self.places.get((entry.list, entry.subject, entry.value))
        if before is not None:
            if before[0] != entry:
                raise InputError(f"the same subject stands otherwise at {before[1]}")
            self.repeated += 1
            return
        if self._effects.setdefault(entry.list, entry.effect) != entry.effect:
            raise InputError(f"the list has the effect {self._effects[entry.list]}; this says {entry.effect}")
        self.places[entry.list, entry.subject, entry.value] = (entry, where)


def _entry(row: dict[str, Any] | InputError, defaults: Mapping[str, Any]) -> ListEntry:
    if isinstance(row, InputError):
        raise row
    given = {key: value for key, value in row.items() if value not in (None, "")}
    if "list" in defaults and given.get("list", defaults["list"]) != defaults["list"]:
        raise InputError(f"the entry is of the list {given['list']!r}")
    try:
        entry = read_list_entry(write({**defaults, **given}))
    except (TypeError, ValueError) as why:  # a Parquet value that JSON has no word for
        raise InputError(f"not a list entry: {why}") from why
    if entry.valid_from and entry.valid_until and entry.valid_until <= entry.valid_from:
        raise InputError("this entry ends before it begins")
    for said, what in ((entry.purpose, "purpose"), (entry.source, "source")):
        if not said.strip():
            raise InputError(f"an entry says its {what}: every hit repeats it")
    return entry


def _lines(file: Path) -> Iterator[Line]:
    if file.suffix == ".parquet":
        yield from _parquet(file)
    elif file.suffix == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, restkey="", strict=True)
            for row in reader:
                where = f"{file}, line {reader.line_num}"
                yield where, InputError("more values than the header has columns") if "" in row else dict(row)
    else:
        with file.open("rb") as raw:
            read = _object if file.suffix in LINES else _value
            for number, line in enumerate(raw, 1):
                if line.strip():
                    yield f"{file}, line {number}", read(line.removeprefix(BOM) if number == 1 else line)


def _object(line: bytes) -> dict[str, Any] | InputError:
    import msgspec

    try:
        refuse_ambiguous(line)
        found = msgspec.json.decode(line)
    except InputError as why:
        return why
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        return InputError(f"not JSON: {why}")
    return found if isinstance(found, dict) else InputError("an entry is an object")


def _value(line: bytes) -> dict[str, Any] | InputError:
    try:
        return {"value": line.decode("utf-8").strip()}
    except UnicodeDecodeError:
        return InputError("the text is not valid UTF-8")


def _parquet(file: Path) -> Iterator[Line]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file, pre_buffer=False) as table:
            for batch in table.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file}, row {number}", row
    except pa.ArrowException as why:
        raise InputError(f"cannot read the list: {why}", str(file)) from why
