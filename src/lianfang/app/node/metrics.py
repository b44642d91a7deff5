"""The decider's `/metrics`, for Prometheus. Counts and times only: no identifier is ever a label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from lianfang.engines.evaluate.latency import Histogram
from lianfang.wire import ACTIONS

if TYPE_CHECKING:
    from lianfang.app.node.decider import DeciderProcess


class _Collector:
    def __init__(self, process: DeciderProcess) -> None:
        self._process = process

    def collect(self) -> Iterator[Metric]:
        """Everything, read at the moment of asking."""
        p = self._process
        decisions = CounterMetricFamily("lianfang_decisions", "Payments decided since the start", labels=["action"])
        for action in ACTIONS:
            decisions.add_metric([action], p.decider.counters[action])
        yield decisions
        events = CounterMetricFamily("lianfang_events", "Other things that happened since the start", labels=["event"])
        for name, count in p.decider.counters.items():
            if name not in ACTIONS:
                events.add_metric([name], count)
        events.add_metric(["clock_stepped_back"], p.wall.steps_back)
        events.add_metric(["snapshot_failures"], p.snapshots.failures)
        yield events
        refused = CounterMetricFamily("lianfang_refused", "Requests refused since the start", labels=["code"])
        for code, count in p.door.refused.items():
            refused.add_metric([code], count)
        yield refused
        fired = CounterMetricFamily("lianfang_reasons", "Times a rule, list or doubt was a reason", labels=["name"])
        for name, count in p.decider.rule_hits.items():
            fired.add_metric([name], count)
        yield fired
        yield from _scores(p.decider.scores)
        latency = p.door.latency
        yield HistogramMetricFamily(
            "lianfang_decision_seconds", "Whole request to durable answer", _edges(latency), latency.sum_us / 1e6
        )
        quantiles = GaugeMetricFamily(
            "lianfang_decision_quantile_seconds", "Percentiles since the start", labels=["quantile"]
        )
        for quantile in (0.5, 0.9, 0.99, 0.999):
            quantiles.add_metric([str(quantile)], latency.percentile(quantile * 100) / 1e6 if latency.count else 0)
        yield quantiles
        state = GaugeMetricFamily("lianfang_features", "Feature state", labels=["what"])
        for name, count in p.hot.state.counters.items():
            state.add_metric([name], count)
        state.add_metric(["used_bytes"], p.hot.state.used_bytes)
        yield state
        yield GaugeMetricFamily(
            "lianfang_ready", "1 while the decider answers", float(p.ready and p.journal.failure is None)
        )
        yield GaugeMetricFamily("lianfang_waiting", "Answers not yet durable", p.door.waiting)
        yield GaugeMetricFamily("lianfang_journal_seq", "Newest durable record", p.journal.durable_seq)
        yield GaugeMetricFamily("lianfang_snapshot_seq", "Record the newest snapshot stands at", p.snapshots.seq)
        yield GaugeMetricFamily(
            "lianfang_snapshot_pause_seconds", "How long the last fork stopped decisions", p.snapshots.pause_ms / 1e3
        )
        yield GaugeMetricFamily("lianfang_list_entries", "Entries of the lists in force", p.decider.book.lists.size)


def _edges(latency: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts by upper edge, 64 microseconds to 17 seconds, eight edges an octave."""
    return [
        *((f"{edge / 1e6:g}", float(count)) for edge, count in latency.cumulative()),
        ("+Inf", float(latency.count)),
    ]


def _scores(counted: dict[str, list[int]]) -> Iterator[Metric]:
    """Score histograms of the model in force and of the one in shadow, those that have scored anything."""
    family = HistogramMetricFamily("lianfang_score", "Scores given since the start", labels=["role"])
    for role, bins in counted.items():
        if not any(bins):
            continue
        below, total, buckets = 0, 0.0, []
        for i, count in enumerate(bins, 1):
            below += count
            total += count * (i - 0.5) / len(bins)
            buckets.append((f"{i / len(bins):g}" if i < len(bins) else "+Inf", float(below)))
        family.add_metric([role], buckets, total)
    yield family


def metrics_page(process: DeciderProcess) -> bytes:
    """The text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(process))
    return generate_latest(registry)
