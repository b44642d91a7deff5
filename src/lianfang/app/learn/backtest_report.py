"""The backtest's report: one HTML page in both languages, pictures inside; and the rows that the terminal shows too."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import numpy as np

from lianfang.app.learn.backtest_figures import LABEL_NAMES, Figures, changed, money_text, percent, samples
from lianfang.app.learn.report import STYLE, table
from lianfang.app.world.charts import Axis, Series, line_chart
from lianfang.kernel.instant import DAY, moment
from lianfang.kernel.money import exponent, major_text
from lianfang.services.learn import Worth
from lianfang.wire import ACTIONS

Row = tuple[str, ...]
CHANGE_TEXTS: Final = {
    "newly_stopped": ("新拦下", "newly stopped"),
    "newly_let_through": ("新放行", "newly let through"),
    "newly_challenged": ("新增质询", "newly challenged"),
    "no_longer_challenged": ("不再质询", "no longer challenged"),
    "otherwise": ("其他(拦截与阻断互换)", "otherwise: between hold and block"),
}
_STYLE: Final = """
.texts td,.texts th{text-align:left;white-space:nowrap}.texts td:nth-child(6){text-align:right}
.texts td:last-child{white-space:normal}.wide{overflow-x:auto}.wide td,.wide th{white-space:nowrap}"""
_ABOUT: Final = (
    "动作由实时引擎给出，与节点当时会给的相同。标签只取期末已知者；期末仍未知的不计入任何占比。"
    "区间为95%：占比用Wilson法，金额按日自助抽样。 "
    "Actions are those of the engine that decides live. Labels are those known at the end of the period; what was not known "
    "by then is in no share. Intervals are 95 %: Wilson's for shares, the bootstrap by day for money."
)
_ITEMS: Final = (
    "规则 rule",
    "命中 hits",
    "欺诈 frauds",
    "正常 genuine",
    "未知 unknown",
    "精确率 precision",
    "召回率 recall",
    "误报率 false alarms",
    "拦下欺诈金额 money stopped",
    "误拦金额 wrongly stopped",
    "分析师小时 hours",
    "独自命中(欺诈/正常) alone",
    "常同时命中 most with",
)


def page(found: Figures) -> str:
    """The whole page as text."""
    one = found.outcome
    facts = (
        f"{moment(one.begins):%Y-%m-%d %H:%M} – {moment(one.ends):%Y-%m-%d %H:%M} UTC; {one.rows:,} 笔付款 payments read; "
        f"标签间隔 label delay {one.delay / DAY:.1f} 天 days; 重复编号 repeated ids {one.repeated:,}; "
        f"坏行 bad rows {one.report.bad_rows:,}; 每件 {one.job.minutes:g} 分钟 minutes an alert"
    )
    heads = ("指标 figure", "规则集 rules", "现行 current")[: 1 + len(one.sides)]
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            f"<title>联防 回测报告 Backtest: {escape(one.sides[0].version)}</title>",
            f"<style>{STYLE}{_STYLE}</style></head><body>",
            f"<h1>回测报告 <small>Backtest of {escape(one.sides[0].version)}</small></h1>",
            f"<p>{facts}</p>",
            f'<p class="small">{_ABOUT}</p>',
            "<h2>规则集 <small>The rule set</small></h2>",
            table(heads, whole_rows(found)),
            _changes(found),
            "<h2>每周 <small>By week</small></h2>",
            f'<div class="charts">{"".join(charts(found))}</div>',
            table(
                ("周 week", "付款 payments", "已知欺诈 known frauds", "未知 unknown", "触及 touched", "其中欺诈 frauds",
                 "其中正常 genuine", "拦下欺诈金额 money stopped", "误拦金额 wrongly stopped"),
                _week_rows(found),
            ),
            "<h2>各规则 <small>Rule by rule</small></h2>",
            f'<div class="wide">{table(_ITEMS, [_item(found, worth) for worth in found.fired()])}</div>',
            _quiet(found),
            "</body></html>\n",
        ]
    )  # fmt: skip


def whole_rows(found: Figures) -> list[Row]:
    """(figure, the set, the current set where there is one), as texts."""
    one = found.outcome
    columns = [_whole(found, at) for at in range(len(one.sides))]
    return [(name, *(column[name] for column in columns)) for name in columns[0]]


def _whole(found: Figures, at: int) -> dict[str, str]:
    one, worth = found.outcome, found.worths[at][0]
    counts = one.tallies[at].counts[:, 0].sum(axis=0)
    made = {
        "版本 version": one.sides[at].version,
        "付款 payments": f"{int(counts.sum()):,}",
        **{f"{zh} {label}": f"{int(counts[i].sum()):,}" for i, (zh, label) in enumerate(_LABELS)},
        **{f"{zh} {action}": f"{int(counts[:, i].sum()):,}" for i, (zh, action) in enumerate(_ACTIONS)},
        "精确率 precision of what is touched": percent(worth.precision),
        "召回率 recall: frauds touched": percent(worth.recall),
        "误报率 genuine payments touched": percent(worth.false_alarms, 3),
        "分析师小时 analyst hours": f"{worth.hours:,.1f}",
    }
    for currency, money in zip(one.currencies, worth.money, strict=False):
        made |= {
            f"拦下欺诈金额 money of fraud stopped, {currency}": _sum(money.stopped, currency),
            f"质询欺诈金额 challenged, {currency}": major_text(money.challenged, currency),
            f"漏过金额 missed, {currency}": major_text(money.missed, currency),
            f"误拦金额 money wrongly stopped, {currency}": _sum(money.wrongly_stopped, currency),
            f"误质询金额 wrongly challenged, {currency}": major_text(money.wrongly_challenged, currency),
        }
    return made


_LABELS: Final = tuple(zip(("标签未知", "正常", "欺诈"), LABEL_NAMES, strict=True))
_ACTIONS: Final = tuple(zip(("放行", "质询", "暂缓", "阻断"), ACTIONS, strict=True))


def _sum(money: Any, currency: str) -> str:
    said = major_text(money.value, currency)
    if money.low != money.low:
        return said
    return f"{said} ({major_text(int(money.low), currency)} – {major_text(int(money.high), currency)})"


def item_rows(found: Figures) -> list[Row]:
    """Rules that fired, short: for the terminal. Money in thousands, of each currency in turn."""
    currencies = found.outcome.currencies
    return [
        (
            one.name,
            f"{one.hits:,}",
            _short(one.precision.value, 1),
            _short(one.recall.value, 1),
            _short(one.false_alarms.value, 3),
            *(
                " ".join(f"{m / 10 ** exponent(c) / 1_000:,.1f}" for c, m in zip(currencies, sums, strict=False))
                for sums in (
                    [money.stopped.value for money in one.money],
                    [money.wrongly_stopped.value for money in one.money],
                )
            ),
            f"{one.hours:,.1f}",
            f"{one.alone[0]:,}/{one.alone[1]:,}",
        )
        for one in found.fired()
    ]


def _short(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}%}"


def _beside(found: Figures, worth: Worth, most: int) -> str:
    items = found.outcome.sides[0].items
    return ", ".join(f"{items[other.item - 1]} {other.share:.0%}" for other in worth.beside[:most])


def _item(found: Figures, one: Worth) -> Row:
    currencies = found.outcome.currencies
    return (
        one.name,
        f"{one.hits:,}",
        f"{one.frauds:,}",
        f"{one.genuine:,}",
        f"{one.unknown:,}",
        percent(one.precision, 1),
        percent(one.recall, 1),
        percent(one.false_alarms, 3),
        ", ".join(f"{c} {_sum(money.stopped, c)}" for c, money in zip(currencies, one.money, strict=False)),
        ", ".join(f"{c} {_sum(money.wrongly_stopped, c)}" for c, money in zip(currencies, one.money, strict=False)),
        f"{one.hours:,.1f}",
        f"{one.alone[0]:,} / {one.alone[1]:,}",
        _beside(found, one, 3),
    )


def _quiet(found: Figures) -> str:
    side = found.outcome.sides[0]
    names = [one.name for one in found.worths[0][1 : 1 + len(side.book.compiled.rules)] if not one.hits]
    if not names:
        return ""
    return f"<h2>从未命中 <small>Never fired</small></h2><p>{escape(', '.join(names))}</p>"


def change_rows(found: Figures) -> list[Row]:
    """(change, frauds, genuine, unknown, money of frauds, genuine money)."""
    currencies = found.outcome.currencies
    rows = []
    for one in changed(found.outcome):
        unknown, genuine, fraud = one.payments
        zh, en = CHANGE_TEXTS[one.name]
        money = [money_text((sums[label] for sums in one.money), currencies) for label in (2, 1)]
        rows.append((f"{zh} {en}", f"{fraud:,}", f"{genuine:,}", f"{unknown:,}", *money))
    return rows


def sample_rows(found: Figures) -> list[Row]:
    """(change, id, label, before, after, amount, what fired after; what fired before)."""
    return [
        (
            one["change"],
            one["id"],
            one["label"],
            one["before"],
            one["after"],
            money_text((one["amount"],), (one["currency"],)),
            f"{', '.join(one['reasons_after']) or '-'} ← {', '.join(one['reasons_before']) or '-'}",
        )
        for one in samples(found.outcome)
    ]


def _changes(found: Figures) -> str:
    if found.outcome.comparison is None:
        return ""
    heads = (
        "变化 change",
        "欺诈 frauds",
        "正常 genuine",
        "未知 unknown",
        "欺诈金额 of frauds",
        "正常金额 genuine money",
    )
    opened = ("变化 change", "编号 id", "标签 label", "之前 before", "之后 after", "金额 amount", "命中 after ← before")
    return "\n".join(
        [
            "<h2>变化 <small>What changes against the current set</small></h2>",
            table(heads, change_rows(found)),
            "<h3>样本 <small>Payments to open</small></h3>",
            f'<div class="texts">{table(opened, [_told(row) for row in sample_rows(found)])}</div>',
        ]
    )


def _told(row: Row) -> Row:
    """The change in words."""
    return (" ".join(CHANGE_TEXTS[row[0]]), *row[1:])


def _week_rows(found: Figures) -> list[Row]:
    currencies = found.outcome.currencies
    return [
        (
            f"{moment(week.begins):%Y-%m-%d}",
            f"{week.payments:,}",
            f"{week.frauds:,}",
            f"{week.unknown:,}",
            f"{week.worth_hits:,}",
            f"{week.worth_frauds:,}",
            f"{week.worth_genuine:,}",
            money_text(week.stopped, currencies),
            money_text(week.wrongly_stopped, currencies),
        )
        for week in found.weeks[0]
    ]


def charts(found: Figures) -> list[str]:
    """Recall and false alarms week by week, of both sets."""
    names = (("规则集", "rules"), ("现行", "current"))
    recall: list[Series] = []
    alarms: list[Series] = []
    for (zh, en), weeks in zip(names, found.weeks, strict=False):
        x = np.arange(1, len(weeks) + 1, dtype=np.float64)
        frauds = np.array([week.frauds for week in weeks], np.float64)
        genuine = np.array([week.payments - week.frauds - week.unknown for week in weeks], np.float64)
        for series, hit, of in ((recall, "worth_frauds", frauds), (alarms, "worth_genuine", genuine)):
            there = of > 0
            hits = np.array([getattr(week, hit) for week in weeks], np.float64)
            series.append(Series(zh, en, x[there], hits[there] / of[there]))
    axis = Axis("第几周", "week of the period")
    made = []
    for zh, en, series in (("每周召回率", "recall", recall), ("每周误报率", "false alarms", alarms)):
        chart = line_chart(series, axis, Axis("占比", "share"), f"{en} by week")
        made.append(f"<figure><figcaption><b>{zh}</b> {en} by week</figcaption>{chart}</figure>")
    return made
