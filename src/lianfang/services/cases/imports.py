"""Files of outcomes: `payment_id,label,kind,known_at,note` as CSV. Each bad line is told with its number and why. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.kernel.instant import Instant, instant
from lianfang.wire import Outcome

IMPORT_ROWS_MAX: Final = 2_000
IMPORT_CHARACTERS_MAX: Final = 400_000
COLUMNS: Final = ("payment_id", "label", "kind", "known_at", "note")
NEEDED: Final = frozenset({"payment_id", "label"})
Make = Callable[[str, str, int, str, str], Outcome]
"""(payment id, label, known at (us), kind, note) to an outcome. Raises `InputError`."""


class Refused(NamedTuple):
    """A line that is not taken: its number (the head is line 1), the payment it names, and why."""

    line: int
    payment_id: str
    why: str


class Sheet(NamedTuple):
    """A file as read: what is good, and what is refused."""

    good: list[Outcome]
    refused: list[Refused]


def read_sheet(text: str, zone: ZoneInfo, now: Instant, make: Make, known: Callable[[str], bool]) -> Sheet:
    """Reads a whole file. An empty `known_at` is now; one without a zone is in `zone`; none lies after now.

    `known`: whether a payment is on record. Raises `InputError` for what is no such file, `TooLargeError` for too long a one.
    """
    if len(text) > IMPORT_CHARACTERS_MAX:
        raise TooLargeError(
            f"a file of outcomes has at most {IMPORT_CHARACTERS_MAX} characters: send it in parts", "file"
        )
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    good: list[Outcome] = []
    refused: list[Refused] = []
    seen: set[tuple[str, str]] = set()
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(head)
        for number, cells in enumerate(reader):
            if number == IMPORT_ROWS_MAX:
                raise TooLargeError(f"a file of outcomes has at most {IMPORT_ROWS_MAX} rows: send it in parts", "file")
            if not any(cell.strip() for cell in cells):
                continue
            row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
            try:
                one = _outcome(row, len(cells) == len(head), zone, now, make)
                _once_and_known(one, seen, known)
            except InputError as why:
                refused.append(Refused(reader.line_num, row.get("payment_id", "")[:64], str(why)))
            else:
                good.append(one)
    except csv.Error as why:
        raise InputError(f"this is not CSV: {why}", f"line {reader.line_num}") from why
    return Sheet(good, refused)


def _check_head(head: list[str]) -> None:
    unknown = sorted(set(head) - set(COLUMNS))
    if unknown or not set(head) >= NEEDED or len(set(head)) != len(head):
        raise InputError(
            f"the first line names the columns: {','.join(COLUMNS)}; payment_id and label are needed", "line 1"
        )


def _outcome(row: dict[str, str], whole: bool, zone: ZoneInfo, now: Instant, make: Make) -> Outcome:
    if not whole:
        raise InputError("it has more or fewer cells than the first line")
    said = row.get("known_at", "")
    at = int(now)
    if said:
        try:
            when = datetime.fromisoformat(said)
        except ValueError as why:
            raise InputError(f"{said!r} is not a time: write it as 2026-11-24T15:30:00+08:00", "known_at") from why
        at = instant(when if when.tzinfo else when.replace(tzinfo=zone))
        if at > now:
            raise InputError("it was not known yet: this is after now", "known_at")
    return make(row["payment_id"], row["label"], at, row.get("kind", ""), row.get("note", ""))


def _once_and_known(one: Outcome, seen: set[tuple[str, str]], known: Callable[[str], bool]) -> None:
    key = (one.payment_id, one.label)
    if key in seen:
        raise InputError("the same payment has the same label in an earlier line")
    if not known(one.payment_id):
        raise InputError("no decision of this payment is on record here", "payment_id")
    seen.add(key)
