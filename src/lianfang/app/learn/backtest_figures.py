"""A backtest's figures by names that stay, and as short tables."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from lianfang.app.learn.backtest import Outcome
from lianfang.app.learn.sides import Side
from lianfang.kernel.instant import DAY, moment
from lianfang.kernel.money import major_text
from lianfang.services.learn import CHANGES, Share, Tally, Week, Worth, change, weeks, worths
from lianfang.wire import ACTIONS

LABEL_NAMES: Final = ("unknown", "genuine", "fraud")


class Figures(NamedTuple):
    """Everything that is shown, of the set and of the one it was compared with."""

    outcome: Outcome
    worths: tuple[tuple[Worth, ...], ...]
    """A side: the whole, then each item."""
    weeks: tuple[tuple[Week, ...], ...]

    @property
    def whole(self) -> Worth:
        """The set that was asked about."""
        return self.worths[0][0]

    def fired(self, side: int = 0) -> list[Worth]:
        """Items that fired at all, most hits first."""
        return sorted((one for one in self.worths[side][1:] if one.hits), key=lambda one: -one.hits)


def figures(outcome: Outcome) -> Figures:
    """Worked out once."""
    job = outcome.job
    found = [
        worths(tally, side.items, job.minutes, job.seed)
        for side, tally in zip(outcome.sides, outcome.tallies, strict=True)
    ]
    return Figures(outcome, tuple(found), tuple(weeks(tally) for tally in outcome.tallies))


def as_json(found: Figures) -> dict[str, Any]:
    """All figures (docs/reference/backtest.md)."""
    one = found.outcome
    made: dict[str, Any] = {
        "period": {
            "from": _iso(one.begins),
            "until": _iso(one.ends),
            "labels_as_of": _iso(one.as_of),
            "label_delay_days": one.delay / DAY,
        },
        "history": {
            "rows": one.rows,
            "repeated": one.repeated,
            "bad_rows": one.report.bad_rows,
            "problems": [str(problem) for problem in one.report.problems],
        },
        "minutes_per_alert": one.job.minutes,
        "seed": one.job.seed,
        "seconds": one.seconds,
        "set": _side(found, 0),
    }
    if one.comparison is not None:
        made["current"] = _side(found, 1)
        made["changes"] = _changes(one)
        made["samples"] = samples(one)
    return made


def _iso(at: int) -> str:
    return moment(at).isoformat()


def _side(found: Figures, at: int) -> dict[str, Any]:
    one = found.outcome
    side, tally = one.sides[at], one.tallies[at]
    counts = tally.counts[:, 0].sum(axis=0)
    quiet = [worth.name for worth in found.worths[at][1 : 1 + len(side.book.compiled.rules)] if not worth.hits]
    return {
        "version": side.version,
        "model": side.replayer.decider.model_version,
        "payments": int(counts.sum()),
        "by_label": {name: int(counts[i].sum()) for i, name in enumerate(LABEL_NAMES)},
        "by_action": {name: int(counts[:, i].sum()) for i, name in enumerate(ACTIONS)},
        "whole": worth_json(found.worths[at][0], one.currencies, side.items),
        "items": [
            worth_json(worth, one.currencies, side.items) | {"weeks": _item_weeks(side, tally, worth.name)}
            for worth in found.fired(at)
        ],
        "never_fired": quiet,
        "weeks": [_week(week, one.currencies) for week in found.weeks[at]],
    }


def _item_weeks(side: Side, tally: Tally, name: str) -> list[dict[str, Any]]:
    return [
        {"begins": _iso(w.begins), "hits": w.worth_hits, "frauds": w.worth_frauds, "genuine": w.worth_genuine}
        for w in weeks(tally, side.items.index(name) + 1)
    ]


def worth_json(worth: Worth, currencies: tuple[str, ...], items: tuple[str, ...]) -> dict[str, Any]:
    """One item."""
    frauds, genuine, unknown = worth.alone
    return {
        "name": worth.name or "the whole set",
        **{name: getattr(worth, name) for name in ("hits", "frauds", "genuine", "unknown", "challenged", "stopped")},
        **{name: _share(getattr(worth, name)) for name in ("precision", "recall", "false_alarms")},
        "analyst_hours": worth.hours,
        "money": {
            currency: {
                "stopped": money.stopped._asdict(),
                "wrongly_stopped": money.wrongly_stopped._asdict(),
                "challenged": money.challenged,
                "wrongly_challenged": money.wrongly_challenged,
                "missed": money.missed,
            }
            for currency, money in zip(currencies, worth.money, strict=False)
        },
        "alone": {"frauds": frauds, "genuine": genuine, "unknown": unknown},
        "fires_with": [
            {"name": items[other.item - 1], "hits": other.hits, "share": other.share, "frauds": other.frauds}
            for other in worth.beside
        ],
    }


def _share(share: Share) -> dict[str, float]:
    return share._asdict()


def _week(week: Week, currencies: tuple[str, ...]) -> dict[str, Any]:
    return {
        "begins": _iso(week.begins),
        "payments": week.payments,
        "known_frauds": week.frauds,
        "unknown": week.unknown,
        "touched": week.worth_hits,
        "frauds": week.worth_frauds,
        "genuine": week.worth_genuine,
        "money_stopped": dict(zip(currencies, week.stopped, strict=False)),
        "money_wrongly_stopped": dict(zip(currencies, week.wrongly_stopped, strict=False)),
    }


class Changed(NamedTuple):
    """One kind of change: payments by label (unknown, genuine, fraud), and money of each by currency."""

    name: str
    payments: tuple[int, int, int]
    money: tuple[tuple[int, int, int], ...]


def changed(one: Outcome) -> list[Changed]:
    """Every kind of change, though it may have none."""
    compared = one.comparison
    assert compared is not None
    sums = [compared.money(currency) for currency in range(len(one.currencies))]
    made = []
    for name in CHANGES:
        cells = [(b, a) for b in range(4) for a in range(4) if b != a and change(b, a) == name]

        def of(array: Any, cells: list[tuple[int, int]] = cells) -> tuple[int, int, int]:
            unknown, genuine, fraud = (sum(int(array[label, b, a]) for b, a in cells) for label in range(3))
            return unknown, genuine, fraud

        made.append(Changed(name, of(compared.counts), tuple(of(money) for money in sums)))
    return made


def _changes(one: Outcome) -> dict[str, Any]:
    compared = one.comparison
    assert compared is not None
    return {
        "kinds": {
            row.name: {
                "payments": dict(zip(LABEL_NAMES, row.payments, strict=True)),
                "money": {
                    currency: dict(zip(LABEL_NAMES, money, strict=True))
                    for currency, money in zip(one.currencies, row.money, strict=True)
                },
            }
            for row in changed(one)
        },
        "before_after": {
            label: {
                before: {after: int(compared.counts[i, b, a]) for a, after in enumerate(ACTIONS)}
                for b, before in enumerate(ACTIONS)
            }
            for i, label in enumerate(LABEL_NAMES)
        },
    }


def samples(one: Outcome) -> list[dict[str, Any]]:
    """Payments to open, by change."""
    assert one.comparison is not None
    return [
        {
            "change": name,
            "id": sample.id,
            "time": _iso(sample.time),
            "amount": sample.amount,
            "currency": one.currencies[sample.currency],
            "label": LABEL_NAMES[sample.label + 1],
            "before": ACTIONS[sample.before],
            "after": ACTIONS[sample.after],
            "reasons_before": list(sample.about[0]),
            "reasons_after": list(sample.about[1]),
        }
        for name, sample in one.comparison.samples()
    ]


def percent(share: Share, digits: int = 2) -> str:
    """`1.20% (1.05-1.37)`."""
    if share.value != share.value:
        return "-"
    return f"{share.value:.{digits}%} ({share.low * 100:.{digits}f}-{share.high * 100:.{digits}f})"


def money_text(amounts: Any, currencies: tuple[str, ...]) -> str:
    """`CNY 1,234.00, EUR 5.00`; `-` for none."""
    said = [
        f"{currency} {major_text(int(amount), currency)}" for amount, currency in zip(amounts, currencies, strict=False)
    ]
    return ", ".join(said) or "-"
