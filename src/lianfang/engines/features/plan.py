"""Compiles declarations into the flat table of integers that the kernel walks. Adding a feature compiles no code.

For every key (a subject, or a pair) there is one row per value; a row has rings: one of single payments for windows up to
24 h, one of buckets for each bucket width of longer windows, and one of values for each long distinct count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.features import layout
from lianfang.engines.features.declare import Declared, FeatureError, Ratio, Windowed
from lianfang.engines.features.layout import (
    BUCKETS,
    COL_COUNT,
    COL_FIRST,
    COL_INT,
    COL_LAST,
    COL_MASK,
    COL_MAX,
    COL_PREVIOUS,
    COL_SUM,
    COL_VALUE,
    DESC_WORDS,
    FRAUDS,
    HEADER_WORDS,
    KEY_WORDS,
    PAYMENTS,
    RING_WORDS,
    ROW_WORDS,
    VALUES,
)
from lianfang.kernel import limits
from lianfang.kernel.instant import SECOND

BUCKET_WIDTHS_S: Final = (3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 259_200)
"""Widths a long window may be counted in: from 1 h to 3 d."""
BUCKETS_PER_WINDOW: Final = 28
"""At least so many whole buckets make a window: its lower edge is off by less than 1/28 of its length."""
LATE_S: Final = 3_600
"""How much longer than its longest window a ring remembers, for payments that arrive late."""
EVENTS_MAX: Final = 8_192
"""Payments of one key kept singly, the newest; a busier key is counted over these. Times AMOUNT_MAX it fits 63 bits."""
BUCKETS_MAX: Final = 512
VALUES_MAX: Final = 4_096
"""Distinct values of one key kept for a long window, the most recently seen; the count stops there."""
FILTERS_MAX: Final = 62
NO_FILTER: Final = -1

AGGREGATES: Final = {
    "count": layout.COUNT,
    "sum": layout.SUM,
    "mean": layout.MEAN,
    "max": layout.MAX,
    "distinct": layout.DISTINCT,
    "first": layout.FIRST,
    "last": layout.LAST,
}


@dataclass
class _Ring:
    kind: int
    bucket_s: int
    retain_s: int = 0
    records_max: int = EVENTS_MAX
    columns: list[tuple[int, int, int]] = field(default_factory=list)
    features: list[tuple[int, ...]] = field(default_factory=list)

    def column(self, *what: int) -> int:
        """Index of a column (1-based: column 0 is the time), added when new."""
        spec = (what[0], what[1], what[2])
        if spec not in self.columns:
            self.columns.append(spec)
        return self.columns.index(spec) + 1


@dataclass(frozen=True)
class Plan:
    """What the kernel needs: `words` int64[n]; which fields to hash, in order; which integers; which filters."""

    words: NDArray[np.int64]
    names: tuple[str, ...]
    fields: tuple[str, ...]
    integers: tuple[str, ...]
    filters: tuple[str, ...]
    frauds: bool
    """Whether any feature counts what became known to be fraud."""
    keys: int
    """How many keys (subjects and pairs) a payment has at most."""
    signature: str
    """Changes whenever stored state would mean something else."""


def bucket_width_s(window_s: int) -> int:
    """The width that a window longer than 24 h is counted in: the largest that divides it into enough buckets. Seconds."""
    return max(
        w
        for w in BUCKET_WIDTHS_S
        if w == BUCKET_WIDTHS_S[0] or (w * BUCKETS_PER_WINDOW <= window_s and window_s % w == 0)
    )


class _Compiler:
    def __init__(self, declared: Sequence[Declared]) -> None:
        self.fields: list[str] = []
        self.integers: list[str] = []
        self.filters: list[str] = []
        self.keys: dict[tuple[int, ...], dict[tuple[int, ...], _Ring]] = {}
        self.ratios: list[tuple[int, int, int]] = []
        self.frauds = any(isinstance(one, Windowed) and one.source == "frauds" for one in declared)
        names = [d.name for d in declared]
        for out, one in enumerate(declared):
            if isinstance(one, Ratio):
                self.ratios.append((out, names.index(one.top), names.index(one.bottom)))
            else:
                self.windowed(one, out)

    def windowed(self, one: Windowed, out: int) -> None:
        key = tuple(self.index(self.fields, path) for path in one.keys)
        rings = self.keys.setdefault(key, {})
        where = self.filter(one)
        window_us = one.window_s * SECOND
        base = FRAUDS if one.source == "frauds" else 0
        if one.exact:
            ring = rings.setdefault((base + PAYMENTS,), _Ring(base + PAYMENTS, 0))
            column, second = self.payment_columns(ring, one, where)
        elif one.aggregate == "distinct":
            value = self.index(self.fields, one.value)
            width = bucket_width_s(one.window_s)
            ring = rings.setdefault((VALUES, width, value, where), _Ring(VALUES, width, records_max=VALUES_MAX))
            column, second = ring.column(COL_VALUE, value, where), 0
        else:
            width = bucket_width_s(one.window_s)
            kind = base + BUCKETS
            ring = rings.setdefault((kind, width), _Ring(kind, width, records_max=BUCKETS_MAX))
            column, second = self.bucket_columns(ring, one, where)
        ring.retain_s = max(ring.retain_s, one.window_s + LATE_S + ring.bucket_s)
        aggregate = AGGREGATES[one.aggregate]
        ring.features.append((aggregate, window_us, where, column, second, int(one.including), out))

    def payment_columns(self, ring: _Ring, one: Windowed, where: int) -> tuple[int, int]:
        mask = ring.column(COL_MASK, 0, NO_FILTER) if where != NO_FILTER else 0
        if one.aggregate == "distinct":
            value = ring.column(COL_VALUE, self.index(self.fields, one.value), where)
            return value, ring.column(COL_PREVIOUS, value, where)
        if one.value:
            return ring.column(COL_INT, self.index(self.integers, one.value), NO_FILTER), mask
        return 0, mask

    def bucket_columns(self, ring: _Ring, one: Windowed, where: int) -> tuple[int, int]:
        number = self.index(self.integers, one.value) if one.value else 0
        match one.aggregate:
            case "count":
                return ring.column(COL_COUNT, 0, where), 0
            case "sum":
                return ring.column(COL_SUM, number, where), 0
            case "mean":
                return ring.column(COL_SUM, number, where), ring.column(COL_COUNT, 0, where)
            case "max":
                return ring.column(COL_MAX, number, where), 0
            case "first":
                return ring.column(COL_FIRST, 0, where), 0
            case _:
                return ring.column(COL_LAST, 0, where), 0

    def filter(self, one: Windowed) -> int:
        """A payment counts only where the condition is true, and where the aggregated field is not null."""
        parts = [f"({one.where})"] if one.where else []
        if one.aggregate in ("sum", "mean", "max") and one.value != "amount":
            parts.append(f"{one.value} is not None")
        if not parts:
            return NO_FILTER
        bit = self.index(self.filters, " and ".join(parts))
        if bit >= FILTERS_MAX:
            raise FeatureError(f"more than {FILTERS_MAX} different `where` conditions", one.name)
        return bit

    @staticmethod
    def index(known: list[str], path: str) -> int:
        if path not in known:
            known.append(path)
        return known.index(path)

    def words(self) -> list[int]:
        words = [len(self.keys), int(self.frauds), len(self.ratios), 0]
        words += [0] * (KEY_WORDS * len(self.keys))
        for k, (key, rings) in enumerate(self.keys.items()):
            horizon = max(r.retain_s for r in rings.values()) * SECOND
            ring_at = len(words)
            at = HEADER_WORDS + k * KEY_WORDS
            second = key[1] if len(key) > 1 else -1
            words[at : at + KEY_WORDS] = [
                key[0],
                second,
                ROW_WORDS + DESC_WORDS * len(rings),
                horizon,
                len(rings),
                ring_at,
            ]
            words += [0] * (RING_WORDS * len(rings))
            for r, ring in enumerate(
                sorted(rings.values(), key=lambda ring: ring.bucket_s)
            ):  # equal widths side by side
                self.ring_words(words, ring_at + r * RING_WORDS, ring)
        words[3] = len(words)
        for ratio in self.ratios:
            words += ratio
        return words

    @staticmethod
    def ring_words(words: list[int], at: int, ring: _Ring) -> None:
        column_at = len(words)
        for column in ring.columns:
            words += column
        feature_at = len(words)
        for one in sorted(ring.features, key=lambda f: f[1]):  # shortest window first: each search starts at the last
            words += one
        words[at : at + RING_WORDS] = [
            ring.kind,
            1 + len(ring.columns),
            ring.bucket_s * SECOND,
            ring.retain_s * SECOND,
            ring.records_max,
            column_at,
            len(ring.features),
            feature_at,
        ]


def compile_plan(declared: Sequence[Declared]) -> Plan:
    """The plan of a set of declarations. Raises `FeatureError` past a limit."""
    if len(declared) > limits.FEATURES_MAX:
        raise FeatureError(f"more than {limits.FEATURES_MAX} features", "features")
    made = _Compiler(declared)
    words = made.words()
    meaning = repr((words, made.fields, made.integers, made.filters, "layout 3"))
    return Plan(
        words=np.array(words, np.int64),
        names=tuple(d.name for d in declared),
        fields=tuple(made.fields),
        integers=tuple(made.integers),
        filters=tuple(made.filters),
        frauds=made.frauds,
        keys=len(made.keys),
        signature=hashlib.sha256(meaning.encode()).hexdigest()[:16],
    )
