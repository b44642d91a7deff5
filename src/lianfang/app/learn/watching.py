"""A recent period against the one before it: numbers, hits of rules, actions, what is missing, how late labels come.

Two sources, one comparison: a history counted and judged anew, or a node's lake as it was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.columns import check_input
from lianfang.app.learn.history_halves import Looked, history_halves
from lianfang.app.learn.recipe import Ingredients
from lianfang.engines.expr import Environment
from lianfang.engines.features import Ratio, Windowed, declare
from lianfang.infra.history import Mapping
from lianfang.infra.lake.halves import Half, Halves, Labels, Spans, Sums, first_decision, read_halves
from lianfang.infra.models import ModelFolder
from lianfang.kernel.instant import DAY, SECOND, Instant
from lianfang.services.learn.drift import Drift, drift
from lianfang.services.learn.rates import NO_HITS, Exposure, Hits, RateDrift, exposure, hits_of, rate_drift
from lianfang.wire import ACTIONS, Feature, RuleSet

STRETCH: Final = 7 * DAY
"""Labels are told week by week, counted back from the end."""
CHANGED: Final = ("moved", "shifted")
_ORDER: Final = {"shifted": 0, "moved": 1, "too few": 2, "steady": 3}


class Job(NamedTuple):
    """What is looked at. Times in microseconds; `until` excluded, 0 for the history's end."""

    history: Path
    mapping: Mapping
    made: Ingredients
    model: ModelFolder | None
    recent: int
    reference: int
    until: int = 0
    alpha: float = 0.01
    label_delay: int | None = None
    rules: RuleSet | None = None
    """The hits of these rules are compared; None: no hits."""


class Period(NamedTuple):
    """One of the two periods, microseconds, end excluded."""

    begins: int
    ends: int
    payments: int
    customers: int
    frauds: int
    """Reported by the end of the period."""
    delay_median_s: float
    delay_p90_s: float
    """From payment to report, of the frauds reported within the period; NaN without any."""
    unlabelled: int = 0
    """Payments of which nobody had said anything by the end of both periods."""


class Watched(NamedTuple):
    """What was found, the largest changes first."""

    before: Period
    now: Period
    drifts: tuple[Drift, ...]
    alpha: float
    filling: frozenset[str] = frozenset()
    """Inputs with a window longer than the history before the recent period: they grow by themselves."""
    hits: tuple[RateDrift, ...] = ()
    """Rules, lists, score and doubts that fired in either period."""
    actions: tuple[RateDrift, ...] = ()
    missing: tuple[RateDrift, ...] = ()
    """Nulls of whatever is null in some payments and not in others."""
    delay: Drift | None = None
    """Of the time from payment to report."""
    labels: tuple[Labels, ...] = ()
    recorded: bool = False
    """Whether this is what a node decided, rather than a history judged anew."""
    versions: tuple[int, int] = (1, 1)
    """Versions of the rules that decided in each period."""
    sampled: float = 1.0
    """Share of customers whose numbers were looked at."""

    @property
    def changed(self) -> tuple[Drift, ...]:
        """Numbers that are more than chance."""
        return tuple(one for one in self.drifts if one.verdict in CHANGED)

    @property
    def changed_hits(self) -> tuple[RateDrift, ...]:
        """Rates of hits that are more than chance."""
        return tuple(one for one in self.hits if one.verdict in CHANGED)


def watch(job: Job, progress: Callable[[int], None] | None = None) -> Watched:
    """Reads a history, counts, judges and compares. Raises `InputError` for one that has not both periods."""
    asked = Looked(job.history, job.mapping, job.made, job.model, job.rules, job.label_delay)
    halves, spans, begins = history_halves(asked, job.recent, job.reference, job.until, STRETCH, progress)
    return compared(halves, spans, job.alpha, still_filling(job.made, spans.middle - begins))


def watch_lake(
    lake: Path, recent: int, reference: int, until: int, *, alpha: float = 0.01, features: Sequence[Feature] = ()
) -> Watched:
    """A node's lake as it was decided, until this instant. `features`: in force, to say which windows still fill."""
    spans = Spans(Instant(until - recent - reference), Instant(until - recent), Instant(until))
    halves = read_halves(lake, spans, STRETCH)
    begins = first_decision(lake)
    past = spans.middle - (spans.begins if begins is None else begins)
    found = compared(halves, spans, alpha, frozenset(long_windows(features, past)))
    return found._replace(recorded=True)


def compared(halves: Halves, spans: Spans, alpha: float, filling: frozenset[str] = frozenset()) -> Watched:
    """Both periods, side by side."""
    before, now = halves.before, halves.now
    exposures = _exposure(before.exposure), _exposure(now.exposure)
    versions = len(before.versions), len(now.versions)
    return Watched(
        _period(before, spans.begins, spans.middle),
        _period(now, spans.middle, spans.ends),
        _numbers(before, now, alpha),
        alpha,
        filling,
        _rates(before.hits, now.hits, exposures, alpha),
        _rates(_actions(before), _actions(now), exposures, alpha, keep_order=True),
        _missing(before, now, alpha),
        _delay(before, now, alpha),
        halves.labels,
        versions=versions,
        sampled=halves.sampled,
    )


def still_filling(made: Ingredients, past_us: int) -> frozenset[str]:
    """Inputs that read a window longer than the past of so many microseconds."""
    long = long_windows(made.features, past_us)
    env = Environment(features=tuple(one.name for one in made.features))
    return frozenset(one.name for one in made.inputs if check_input(one, env).features & long)


def long_windows(features: Sequence[Feature], past_us: int) -> set[str]:
    """Features that look further back than so many microseconds, and ratios of them."""
    declared = declare(features)
    windows = {one.name: one.window_s for one in declared if isinstance(one, Windowed)}
    long = {name for name, window_s in windows.items() if window_s * SECOND > past_us}
    return long | {one.name for one in declared if isinstance(one, Ratio) and {one.top, one.bottom} & long}


def as_json(found: Watched) -> dict[str, Any]:
    """Both periods and every change, as plain values."""
    return {
        "alpha": found.alpha,
        "recorded": found.recorded,
        "before": found.before._asdict(),
        "now": found.now._asdict(),
        "features_drifted": sum(one.name not in found.filling for one in found.changed),
        "rules_drifted": len(found.changed_hits),
        "rules_versions": {"before": found.versions[0], "now": found.versions[1]},
        "sampled": found.sampled,
        "drifts": [one._asdict() | {"filling": one.name in found.filling} for one in found.drifts],
        "hits": [one._asdict() for one in found.hits],
        "actions": [one._asdict() for one in found.actions],
        "missing": [one._asdict() for one in found.missing],
        "label_delay": None if found.delay is None else found.delay._asdict(),
        "labels": [_stretch(one) for one in found.labels],
    }


def _stretch(one: Labels) -> dict[str, Any]:
    median, most = late(one.delays)
    plain = {key: value for key, value in one._asdict().items() if key != "delays"}
    return {**plain, "delay_median_s": median, "delay_p90_s": most}


def late(delays: NDArray[np.int64]) -> tuple[float, float]:
    """Median and ninth decile in seconds; NaN without any."""
    if not len(delays):
        return float("nan"), float("nan")
    median, most = np.quantile(delays / SECOND, [0.5, 0.9])
    return float(median), float(most)


def _period(half: Half, begins: int, ends: int) -> Period:
    payments, _, customers = half.exposure
    return Period(begins, ends, payments, customers, len(half.reported), *late(half.reported), half.unlabelled)


def _exposure(sums: Sums) -> Exposure:
    return Exposure(*sums)


def _numbers(before: Half, now: Half, alpha: float) -> tuple[Drift, ...]:
    """Those that are not null throughout."""
    customers = _many(before), _many(now)
    given = [n for n in before.numbers if not (_empty(before.numbers[n]) and _empty(now.numbers[n]))]
    found = [
        drift(name, before.numbers[name], now.numbers[name], customers, alpha=alpha, looked_at=len(given))
        for name in given
    ]
    return tuple(sorted(found, key=lambda one: (_ORDER[one.verdict], -one.psi)))


def _many(half: Half) -> int:
    return len(np.unique(half.customers[half.customers >= 0])) + int((half.customers < 0).sum())


def _empty(values: NDArray[np.float64]) -> bool:
    return bool(np.isnan(values).all())


def _actions(half: Half) -> dict[str, Sums]:
    return {name: half.actions.get(name, (0, 0, 0)) for name in ACTIONS}


def _rates(
    before: dict[str, Sums],
    now: dict[str, Sums],
    of: tuple[Exposure, Exposure],
    alpha: float,
    *,
    keep_order: bool = False,
) -> tuple[RateDrift, ...]:
    names = list(dict.fromkeys((*before, *now)))
    found = [
        rate_drift(name, (_hits(before.get(name)), _hits(now.get(name))), of, alpha=alpha, looked_at=len(names))
        for name in names
    ]
    return tuple(found if keep_order else sorted(found, key=_weight))


def _hits(sums: Sums | None) -> Hits:
    return NO_HITS if sums is None else Hits(*sums)


def _weight(one: RateDrift) -> tuple[Any, ...]:
    return _ORDER[one.verdict], one.chance, -(one.hits_before + one.hits_now), one.name


def _missing(before: Half, now: Half, alpha: float) -> tuple[RateDrift, ...]:
    """Nulls among the sampled payments."""
    of = exposure(before.customers), exposure(now.customers)
    blanks = [{**{n: np.isnan(v) for n, v in half.numbers.items()}, **half.blank} for half in (before, now)]
    mixed = [
        name
        for name in blanks[0]
        if (blanks[0][name].any() or blanks[1][name].any()) and not (blanks[0][name].all() and blanks[1][name].all())
    ]
    found = []
    for name in mixed:
        hits = hits_of(before.customers, blanks[0][name]), hits_of(now.customers, blanks[1][name])
        found.append(rate_drift(name, hits, of, alpha=alpha, looked_at=len(mixed)))
    return tuple(sorted(found, key=_weight))


def _delay(before: Half, now: Half, alpha: float) -> Drift | None:
    """A customer counts once: a victim reports several payments together."""
    if not len(before.reported) or not len(now.reported):
        return None
    many = before.reporters, now.reporters
    return drift("label_delay_s", before.reported / SECOND, now.reported / SECOND, many, alpha=alpha)


def enough(lake: Path, until: int, recent: int, reference: int) -> int:
    """How much reference the lake has before the recent period, at most as asked; 0 where it is less than the recent one."""
    begins = first_decision(lake)
    have = 0 if begins is None else until - recent - begins
    return min(have, reference) if have >= recent else 0
