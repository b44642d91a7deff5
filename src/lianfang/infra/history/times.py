"""A column of times to instants: timestamps with or without a zone, whole numbers with a unit, or ISO 8601 text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from lianfang.infra.history.arrow import ArrowColumn, compute
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant

TIME_MOST: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999: what a datetime can hold."""
_PER_UNIT: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC"})
"""Need no zone database, which a small machine may not have."""


class Flaw(NamedTuple):
    """Some rows of a column are wrong, and why: a phrase that goes on after the column's name."""

    rows: NDArray[np.bool_]
    why: str


def instants(
    array: ArrowColumn, timezone: str | None, unit: str | None, flaws: list[Flaw]
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Instants (us, UTC) and the mask of nulls, None where there are none. What is not a time adds a flaw.

    A local time that happened twice is taken as the earlier, one that never happened as the moment of the change.
    """
    empty = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    kind = array.type
    if pt.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pt.is_timestamp(kind) or pt.is_date(kind):
        at = _of_timestamps(array, timezone, flaws)
    elif pt.is_integer(kind) or pt.is_floating(kind):
        at = _of_numbers(array, unit, flaws)
    elif pt.is_string(kind):
        at = _of_text(array, timezone, unit, flaws)
    else:
        at = _all_wrong(array, f"is {kind}, not a time", flaws)
    outside = (at < 0) | (at > TIME_MOST)
    if empty is not None:
        outside &= ~empty
    if outside.any():
        flaws.append(Flaw(outside, "is not a time from 1970 to 9999"))
    return at, empty


def _of_timestamps(array: ArrowColumn, timezone: str | None, flaws: list[Flaw]) -> NDArray[np.int64]:
    stored = getattr(array.type, "tz", None)
    array = array.cast(pa.timestamp("us", tz=stored), safe=False)
    if stored is None:
        if timezone is None:
            return _all_wrong(array, "has no time zone: give `timezone` in the mapping", flaws)
        if timezone not in UTC_NAMES:
            array = _placed(array, timezone)
    at: NDArray[np.int64] = compute.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return at


def _placed(array: ArrowColumn, timezone: str) -> ArrowColumn:
    try:
        return compute.assume_timezone(array, timezone, ambiguous="earliest", nonexistent="earliest")
    except pa.ArrowInvalid as why:
        raise InputError(f"the time zone {timezone!r} cannot be used here: {why}", "timezone") from why


def _of_numbers(array: ArrowColumn, unit: str | None, flaws: list[Flaw]) -> NDArray[np.int64]:
    if unit is None:
        return _all_wrong(array, "is a number: give `unit` (s, ms, us or ns) in the mapping", flaws)
    numbers = compute.fill_null(array, 0).to_numpy(zero_copy_only=False)
    if numbers.dtype.kind == "f":
        scaled = np.rint(numbers * _PER_UNIT[unit]) if unit != "ns" else np.rint(numbers / 1_000)
        usable = np.isfinite(scaled) & (np.abs(scaled) < TIME_MOST * 2.0)
        at: NDArray[np.int64] = np.where(usable, scaled, -1).astype(np.int64)
        return at
    whole: NDArray[np.int64] = numbers.astype(np.int64)
    if unit == "ns":
        return whole // 1_000
    too_big = np.abs(whole) > TIME_MOST // _PER_UNIT[unit]
    return np.where(too_big, -1, whole * _PER_UNIT[unit])


def _of_text(array: ArrowColumn, timezone: str | None, unit: str | None, flaws: list[Flaw]) -> NDArray[np.int64]:
    if unit is not None:
        try:
            return _of_numbers(array.cast(pa.float64() if unit == "s" else pa.int64()), unit, flaws)
        except pa.ArrowInvalid:
            pass
    else:
        for resolution in ("us", "ns"):  # nine decimals of a second are read only as nanoseconds
            for zone in (None, "UTC"):
                try:
                    return _of_timestamps(array.cast(pa.timestamp(resolution, tz=zone)), timezone, flaws)
                except pa.ArrowInvalid:
                    continue
    return _one_by_one(array, timezone, unit, flaws)


def _one_by_one(array: ArrowColumn, timezone: str | None, unit: str | None, flaws: list[Flaw]) -> NDArray[np.int64]:
    """The slow way, for a batch with a value the fast ways refuse: finds out which one it is."""
    at = np.zeros(len(array), np.int64)
    bad = np.zeros(len(array), np.bool_)
    zone = None if timezone is None else UTC if timezone in UTC_NAMES else ZoneInfo(timezone)
    for i, text in enumerate(array.to_pylist()):
        if text is None:
            continue
        try:
            if unit is not None:
                at[i] = int(_of_numbers(pa.array([float(text)]), unit, flaws)[0])
                continue
            moment = datetime.fromisoformat(text)
            at[i] = instant(moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone))
        except (ValueError, OverflowError, InputError):
            bad[i] = True
    if bad.any():
        flaws.append(Flaw(bad, "is not a time with a zone: write 2026-05-01T08:00:00Z, or give `timezone`"))
    return at


def _all_wrong(array: ArrowColumn, why: str, flaws: list[Flaw]) -> NDArray[np.int64]:
    flaws.append(Flaw(array.is_valid().to_numpy(zero_copy_only=False), why))
    return np.zeros(len(array), np.int64)
