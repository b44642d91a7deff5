"""A replay's figures: computed once, shown as tables, written as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lianfang.app.replay.run import ReplayResult, days_of
from lianfang.engines.evaluate import (
    CARDS_A_DAY,
    FALSE_ALARM_RATES,
    KindFigures,
    Money,
    RuleFigures,
    auc,
    average_precision,
    by_kind,
    card_precision_at,
    money,
    recall_at_false_alarm_rates,
)
from lianfang.infra.history import GENUINE
from lianfang.kernel.instant import moment
from lianfang.kernel.money import major_text
from lianfang.wire import ACTIONS

PROBLEMS_SHOWN = 5


class Figure(NamedTuple):
    """One number. NaN where the history cannot answer."""

    name: str
    value: float
    unit: str


def figures(result: ReplayResult) -> list[Figure]:
    """All single numbers of a replay, names that never change (docs/reference/evaluation.md)."""
    speed = result.timed / result.seconds if result.seconds and result.timed else math.nan
    frauds = int((result.labels == 1).sum())
    found = [
        Figure("replay_per_s", speed, "payments/s"),
        Figure("payments", len(result.actions), "payments judged"),
        Figure("counted_only", result.counted, "payments before --from"),
        Figure("repeated", result.repeated, "rows with an id seen before"),
        Figure("bad_rows", result.report.bad_rows, "rows"),
        Figure("out_of_order", result.report.out_of_order, "rows"),
        *(Figure(a, int((result.actions == i).sum()), "payments") for i, a in enumerate(ACTIONS)),
        Figure("frauds", frauds, "payments"),
    ]
    if result.labelled:
        found += _ranking(result)
        for code, name in enumerate(result.currency_names):
            said = _money(result, code)
            found += [Figure(f"money_{what}_{name}", value, f"minor units of {name}") for what, value in said]
    return found


def _ranking(result: ReplayResult) -> list[Figure]:
    risk, labels = result.risk, result.labels
    recalls = recall_at_false_alarm_rates(risk, labels, FALSE_ALARM_RATES)
    known = result.customers >= 0
    cards = card_precision_at(risk[known], labels[known], days_of(result.times[known]), result.customers[known])
    return [
        Figure("auc", auc(risk, labels), "of 1"),
        Figure("average_precision", average_precision(risk, labels), "of 1"),
        Figure(f"card_precision_at_{CARDS_A_DAY}", cards, "of 1"),
        *(Figure(f"recall_at_{rate:.1%}", value, "of frauds") for rate, value in recalls.items()),
    ]


def _money(result: ReplayResult, currency: int) -> list[tuple[str, int]]:
    of = result.currencies == currency
    said: Money = money(result.actions[of], result.amounts[of], result.labels[of])
    return list(said._asdict().items())


def as_json(result: ReplayResult, about: dict[str, Any]) -> dict[str, Any]:
    """Everything `show` prints, for machines. What could not be computed is null."""
    return {
        "replay": {**about, **_versions(result)},
        "figures": [{"name": f.name, "value": _plain(f.value), "unit": f.unit} for f in figures(result)],
        "scams": [{"currency": code, **line._asdict()} for code, line in _kinds(result)],
        "false_alarms": [
            {"theme": theme, "challenged": asked, "stopped": stopped}
            for theme, (asked, stopped) in sorted(result.alarms.items())
        ],
        "rules": [{k: _plain(v) for k, v in row._asdict().items()} for row in result.tally.figures()],
        "problems": [str(p) for p in result.report.problems],
        "engine": {**result.counters, **result.feature_counters},
    }


def _versions(result: ReplayResult) -> dict[str, str]:
    book = result.book
    return {"rules": book.rules_version, "features": book.plan.signature, "lists": book.lists.version}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def show(result: ReplayResult, about: dict[str, Any], console: Console) -> None:
    """The tables."""
    found = {f.name: f for f in figures(result)}
    for name, value in {**about, **_versions(result)}.items():
        console.print(f"[bold]{name}[/bold] {escape(str(value))}", highlight=False)
    if len(result.times):
        first, last = (moment(int(t)).isoformat() for t in (result.times.min(), result.times.max()))
        console.print(f"[bold]judged[/bold] {first} to {last}", highlight=False)
    console.print(_decisions(result))
    if result.labelled:
        console.print(_quality(found, result.currency_names))
        if result.kind_names:
            console.print(_scams(result))
        console.print(_alarms(result))
    console.print(_rules(result.tally.figures(), labelled=result.labelled))
    speed = found["replay_per_s"].value
    rate = f"{speed:,.0f} payments/s, {result.seconds:,.1f} s" if not math.isnan(speed) else "too few payments to time"
    console.print(f"[bold]speed[/bold] {rate}", highlight=False)
    _attention(result, console)


def _decisions(result: ReplayResult) -> Table:
    table = Table(title="decisions")
    for column in ("action", "payments", "share", *(["fraud", "genuine"] if result.labelled else [])):
        table.add_column(column, justify="left" if column == "action" else "right")
    total = max(len(result.actions), 1)
    for code, action in enumerate(ACTIONS):
        of = result.actions == code
        row = [action, f"{int(of.sum()):,}", f"{of.sum() / total:.3%}"]
        if result.labelled:
            row += [f"{int((result.labels[of] == label).sum()):,}" for label in (1, 0)]
        table.add_row(*row)
    return table


def _quality(found: dict[str, Figure], currencies: Sequence[str]) -> Table:
    table = Table(title="where labels exist")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, label in (
        ("auc", "AUC"),
        ("average_precision", "average precision"),
        (f"card_precision_at_{CARDS_A_DAY}", f"CardPrecision@{CARDS_A_DAY}"),
        *((f"recall_at_{r:.1%}", f"recall at {r:.1%} false alarms") for r in FALSE_ALARM_RATES),
    ):
        table.add_row(label, f"{found[name].value:.4f}")
    for currency in currencies:
        for what in Money._fields:
            value = int(found[f"money_{what}_{currency}"].value)
            table.add_row(f"money {what.replace('_', ' ')}", f"{major_text(value, currency)} {currency}")
    return table


def _kinds(result: ReplayResult) -> list[tuple[str, KindFigures]]:
    found = []
    for code, name in enumerate(result.currency_names):
        of = result.currencies == code
        lines = by_kind(result.actions[of], result.amounts[of], result.kinds[of], result.kind_names)
        found += [(name, line) for line in lines]
    return found


def _scams(result: ReplayResult) -> Table:
    table = Table(title="by kind of fraud: share of the money")
    for column in ("kind", "payments", "money", "stopped", "challenged", "missed"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for currency, line in _kinds(result):
        whole = max(line.money, 1)
        missed = line.money - line.money_stopped - line.money_challenged
        shares = (line.money_stopped, line.money_challenged, missed)
        money = f"{major_text(line.money, currency)} {currency}"
        table.add_row(escape(line.kind), f"{line.payments:,}", money, *(f"{share / whole:.1%}" for share in shares))
    return table


def _alarms(result: ReplayResult) -> Table:
    table = Table(title="false alarms, by theme of the rules that fired")
    for column in ("theme", "challenged", "stopped", "of genuine payments"):
        table.add_column(column, justify="left" if column == "theme" else "right")
    genuine = max(int((result.labels == GENUINE).sum()), 1)
    lines = [(theme, *counts) for theme, counts in sorted(result.alarms.items(), key=lambda item: -sum(item[1]))]
    of = result.labels == GENUINE
    asked, stopped = int((of & (result.actions == 1)).sum()), int((of & (result.actions > 1)).sum())
    for theme, challenged, held in [*lines, ("all", asked, stopped)]:
        table.add_row(escape(theme), f"{challenged:,}", f"{held:,}", f"{(challenged + held) / genuine:.3%}")
    return table


def _rules(rows: Sequence[RuleFigures], *, labelled: bool) -> Table:
    table = Table(title="hits by rule")
    for column in ("rule", "hits", *(["fraud", "precision", "recall"] if labelled else [])):
        table.add_column(column, justify="left" if column == "rule" else "right", overflow="fold")
    for row in sorted(rows, key=lambda r: -r.hits):
        if not row.hits and row.rule.startswith(("unsure ", "list ")):
            continue
        cells = [escape(row.rule), f"{row.hits:,}"]
        if labelled:
            cells += [f"{row.fraud:,}", _share(row.precision), _share(row.recall)]
        table.add_row(*cells)
    return table


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1%}"


def _attention(result: ReplayResult, console: Console) -> None:
    report = result.report
    if report.bad_rows:
        console.print(f"[yellow]{report.bad_rows:,} bad rows were left out:[/yellow]")
        for problem in report.problems[:PROBLEMS_SHOWN]:
            console.print(f"  {escape(str(problem))}", highlight=False)
    if report.out_of_order:
        console.print(f"[yellow]{report.out_of_order:,} rows are older than the row before them[/yellow]")
    if result.repeated:
        console.print(f"[yellow]{result.repeated:,} rows have an id that came before and were not judged[/yellow]")
    if result.feature_counters.get("full"):
        console.print("[yellow]feature memory was full: some features are null[/yellow]")
    if errors := result.counters["engine_errors"] + result.counters["rule_failures"]:
        console.print(f"[red]{errors:,} failures of rules or of the engine[/red]")
