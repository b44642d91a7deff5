"""Counts by minute (kept 48 hours) and by hour (kept 90 days): every record once, up to the seq that `Rollup` has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal

import msgspec

from lianfang.kernel.instant import DAY, HOUR, MINUTE, Instant, instant, moment
from lianfang.services.overview.glance import Glance, OutcomeGlance

Grain = Literal["minute", "hour"]
WIDTH: Final[dict[Grain, int]] = {"minute": MINUTE, "hour": HOUR}
KEPT: Final[dict[Grain, int]] = {"minute": 48 * HOUR, "hour": 90 * DAY}
NAMES_MAX: Final = 200
"""Different names that a bucket counts apart; what comes after that counts under `OTHER`."""
OTHER: Final = "(other)"
NONE: Final = "(none)"
Counts = dict[str, int]


class Bucket(msgspec.Struct, kw_only=True):
    """What happened in one stretch of time. Money: minor units by `action currency`, or by `scam currency`."""

    decisions: int = 0
    unsure: int = 0
    actions: Counts = {}
    kinds: Counts = {}
    channels: Counts = {}
    amounts: Counts = {}
    reasons: Counts = {}
    rules: Counts = {}
    outcomes: Counts = {}
    """By label."""
    frauds: Counts = {}
    """By scam."""
    fraud_amounts: Counts = {}
    fraud_actions: Counts = {}
    """What had been answered to payments that turned out to be fraud."""

    def add(self, other: Bucket) -> None:
        """Counts another one's counts too."""
        self.decisions += other.decisions
        self.unsure += other.unsure
        for name in _COUNTED:
            mine, more = getattr(self, name), getattr(other, name)
            for key, count in list(more.items()):  # at once: another thread may be counting
                _count(mine, key, count)


_COUNTED: Final = tuple(name for name in Bucket.__struct_fields__ if name not in ("decisions", "unsure"))


def _count(counts: Counts, key: str, by: int = 1) -> None:
    if key in counts:
        counts[key] += by
    elif len(counts) < NAMES_MAX:
        counts[key] = by
    else:
        counts[OTHER] = counts.get(OTHER, 0) + by


class Rollup:
    """Buckets by grain and start. Not thread-safe but for `range` and `total`, which only read."""

    def __init__(self, seq: int = 0, buckets: Mapping[Grain, dict[int, Bucket]] | None = None) -> None:
        self.seq = seq
        """Everything up to this record is counted."""
        self._buckets: dict[Grain, dict[int, Bucket]] = {"minute": {}, "hour": {}}
        for grain, found in (buckets or {}).items():
            self._buckets[grain].update(found)
        self._changed: set[tuple[Grain, int]] = set()
        self._newest = max((max(found) for found in self._buckets.values() if found), default=0)

    def add(self, records: Iterable[Glance | OutcomeGlance], seq: int) -> None:
        """Counts records with seqs above `self.seq`; then everything up to `seq` is counted."""
        minutes: dict[int, Bucket] = {}
        grouped: dict[tuple[int, str, str, str | None, str, bool], list[int]] = {}
        for one in records:
            if one.seq <= self.seq:
                continue
            minute = one.at - one.at % MINUTE
            if isinstance(one, OutcomeGlance):
                _add_outcome(_bucket(minutes, minute), one)
                continue
            key = (minute, one.action, one.kind, one.channel, one.currency, one.unsure)
            group = grouped.get(key)
            if group is None:
                grouped[key] = [1, one.amount]
            else:
                group[0] += 1
                group[1] += one.amount
            if one.reasons:
                _add_reasons(_bucket(minutes, minute), one)
        for (minute, action, kind, channel, currency, unsure), (count, amount) in grouped.items():
            bucket = _bucket(minutes, minute)
            bucket.decisions += count
            bucket.unsure += count if unsure else 0
            _count(bucket.actions, action, count)
            _count(bucket.kinds, kind, count)
            _count(bucket.channels, channel or NONE, count)
            _count(bucket.amounts, f"{action} {currency}", amount)
        for minute, bucket in minutes.items():
            self._put(minute, bucket)
        self.seq = max(self.seq, seq)

    def _put(self, minute: int, more: Bucket) -> None:
        self._newest = max(self._newest, minute)
        for grain, width in WIDTH.items():
            start = minute - minute % width
            if start + width > self._newest - KEPT[grain]:
                _bucket(self._buckets[grain], start).add(more)
                self._changed.add((grain, start))

    def changed(self) -> list[tuple[Grain, int, Bucket]]:
        """Buckets that changed since the last call, those that are too old let go."""
        for grain, kept in KEPT.items():
            for start in [s for s in self._buckets[grain] if s + WIDTH[grain] <= self._newest - kept]:
                del self._buckets[grain][start]
        found = [(g, s, self._buckets[g][s]) for g, s in sorted(self._changed) if s in self._buckets[g]]
        self._changed.clear()
        return found

    def unsaved(self, changed: Iterable[tuple[Grain, int, Bucket]]) -> None:
        """Those could not be kept: the next `changed` has them again."""
        self._changed |= {(grain, start) for grain, start, _ in changed}

    def oldest(self, grain: Grain) -> int:
        """Starts before this are let go."""
        return self._newest - KEPT[grain] - WIDTH[grain]

    def range(self, from_at: Instant, to_at: Instant, grain: Grain = "minute") -> list[tuple[Instant, Bucket]]:
        """Buckets that begin in [from, to), by time; stretches in which nothing happened are left out."""
        found = self._buckets[grain].copy()
        return [(Instant(start), found[start]) for start in sorted(found) if from_at <= start < to_at]

    def total(self, from_at: Instant, to_at: Instant) -> Bucket:
        """One bucket of everything in [from, to): by the minute where minutes are kept, else by the hour."""
        whole = Bucket()
        grain: Grain = "minute" if from_at >= self._newest - KEPT["minute"] else "hour"
        for _, bucket in self.range(Instant(from_at - from_at % WIDTH[grain]), to_at, grain):
            whole.add(bucket)
        return whole


def _bucket(buckets: dict[int, Bucket], start: int) -> Bucket:
    found = buckets.get(start)
    if found is None:
        found = buckets[start] = Bucket()
    return found


def _add_reasons(bucket: Bucket, one: Glance) -> None:
    for code in {reason[0] for reason in one.reasons}:
        _count(bucket.reasons, code)
    for name in {reason[1] for reason in one.reasons}:
        _count(bucket.rules, name)


def _add_outcome(bucket: Bucket, one: OutcomeGlance) -> None:
    _count(bucket.outcomes, one.label)
    if one.label == "fraud":
        scam = one.scam or NONE
        _count(bucket.frauds, scam)
        _count(bucket.fraud_actions, one.action or NONE)
        if one.currency is not None:
            _count(bucket.fraud_amounts, f"{scam} {one.currency}", one.amount)


def local_midnight(at: Instant, zone: tzinfo) -> Instant:
    """When the day began that it is in `zone`. Where midnight was skipped, the first instant after it."""
    local = moment(at).astimezone(zone)
    midnight = datetime(local.year, local.month, local.day, tzinfo=zone)
    begun = instant(midnight)
    return begun if begun <= at else Instant(instant(midnight - timedelta(days=1)))


def top(counts: Counts, most: int = 10) -> list[tuple[str, int]]:
    """The largest, the largest first; ties by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
