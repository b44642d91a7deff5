"""How long answers took in the last interval: percentiles of what two readings of a Prometheus histogram differ by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

DECISIONS: Final = "lianfang_decision_seconds"
PERCENTS: Final = (50.0, 99.0, 99.9)
LINES_MAX: Final = 100_000
Buckets = dict[float, float]
"""Cumulative counts by upper edge in seconds; the last edge is infinite."""


class Latency(msgspec.Struct, frozen=True):
    """Of `count` answers, in milliseconds; null where there were none."""

    count: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


def buckets_of(page: str, name: str = DECISIONS) -> Buckets:
    """The buckets of a histogram in the text of a `/metrics` page; what cannot be read there is passed over."""
    found: Buckets = {}
    head = f"{name}_bucket{{"
    for line in page.split("\n", LINES_MAX)[:LINES_MAX]:
        if not line.startswith(head):
            continue
        labels, _, value = line[len(head) :].partition("} ")
        edge = next((one[4:-1] for one in labels.split(",") if one.startswith('le="')), "")
        try:
            found[float(edge)] = float(value.split()[0])
        except (ValueError, IndexError):
            continue
    return dict(sorted(found.items()))


def latency_between(before: Buckets, after: Buckets) -> Latency:
    """Percentiles of what came between two readings. After a restart of whoever counts, those since then."""
    if any(after.get(edge, 0.0) < count for edge, count in before.items()):
        before = {}
    edges = list(after)
    counts = [after[edge] - _at(before, edge) for edge in edges]
    total = counts[-1] if counts else 0.0
    if total <= 0:
        return Latency(0, None, None, None)
    return Latency(int(total), *(1_000 * _percentile(edges, counts, percent) for percent in PERCENTS))


def _at(buckets: Buckets, edge: float) -> float:
    """The count at an edge, or at the largest below it: an edge that was not told apart then."""
    return buckets.get(edge, max((count for other, count in buckets.items() if other < edge), default=0.0))


def _percentile(edges: Sequence[float], counts: Sequence[float], percent: float) -> float:
    """Inside its bucket by a straight line, as Prometheus does; past the last finite edge, that edge."""
    rank = percent / 100 * counts[-1]
    for i, count in enumerate(counts):
        if count >= rank:
            low, below = (edges[i - 1], counts[i - 1]) if i else (0.0, 0.0)
            if math.isinf(edges[i]):
                return low
            return low + (edges[i] - low) * ((rank - below) / (count - below) if count > below else 1.0)
    return edges[-1]
