"""The weekly page: what has changed, in both languages, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lianfang.app.learn.report import STYLE, table
from lianfang.app.learn.watching import CHANGED, Period, Watched, late
from lianfang.infra.lake.halves import Labels
from lianfang.kernel.instant import moment
from lianfang.services.learn.drift import Drift
from lianfang.services.learn.rates import RateDrift

VERDICTS: Final = {
    "steady": ("平稳", "steady"),
    "moved": ("有变化，幅度小", "moved: surely, a little"),
    "shifted": ("明显偏移", "shifted"),
    "too few": ("样本不足", "too few"),
}
FILLING: Final = ("窗口比历史还长，仍在填充", "its window is longer than the history: still filling")
ACTIONS_ZH: Final = {"allow": "放行", "challenge": "质询", "hold": "暂缓", "block": "阻断"}
_STYLE: Final = """
.moved td:nth-child(2),.shifted td:nth-child(2){font-weight:600}.shifted td:nth-child(2){color:#a4262c}
.moved td:nth-child(2){color:#8a5a00}tr.few td{color:#777}.verdicts td:nth-child(2),.verdicts th:nth-child(2){text-align:left}
.verdicts td:nth-child(2){white-space:normal}
.verdicts .filling td:nth-child(2){color:#777;font-weight:400}
td{white-space:nowrap}details{margin:.6em 0}summary{cursor:pointer;color:#1b6ca8}"""
_HOW: Final = (
    "PSI 大于“偶然可达”才算变化；该界随两期客户数与所看数字的个数而定，不用固定的 0.1/0.25。 "
    "A change is a PSI above what chance reaches, which depends on the customers of both periods and on how many numbers are "
    "looked at, not a fixed 0.1 or 0.25. 变化不等于错误：节日、新产品也会带来变化。 "
    "A change is not a mistake: holidays and new products make some, too."
)
_RATES: Final = (
    "比率按付款计；检验时先除以设计效应（同一客户的付款彼此相似），再作精确检验。 "
    "Rates are of payments; tested exactly, after taking off the design effect: payments of one customer resemble each other."
)
_RECORDED: Final = (
    "本页为节点当时的决定，未重新计算。规则在期间有变更时，命中率的变化可能来自规则本身。 "
    "This is what the node decided at the time. Where rules were changed meanwhile, a hit rate may have changed by that."
)


def page(found: Watched) -> str:
    """The whole page as text."""
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>联防 周报 Weekly report</title><style>{STYLE}{_STYLE}</style></head><body>",
            "<h1>漂移周报 <small>Weekly report of drift</small></h1>",
            _summary(found),
            f'<p class="small">{_RECORDED}</p>' if found.recorded else "",
            "<h2>两个时期 <small>Two periods</small></h2>",
            _periods(found),
            *_hits(found),
            "<h2>标签延迟 <small>Label delay</small></h2>",
            _labels(found),
            "<h2>缺失 <small>Missing values</small></h2>",
            *_rates(
                found.missing, "缺失项 missing", "没有既有缺失又有取值的项。 Nothing is null in some payments only."
            ),
            "<h2>各项数字 <small>Every number</small></h2>",
            f'<p class="small">{_HOW}</p>',
            *_numbers(found),
            "</body></html>\n",
        ]
    )


def _summary(found: Watched) -> str:
    parts = [f"{len(found.changed)} / {len(found.drifts)} 项数字有变化 numbers changed"]
    if found.hits:
        parts.append(f"{len(found.changed_hits)} / {len(found.hits)} 项命中率有变化 hit rates changed")
    gone = [one for one in found.missing if one.verdict in CHANGED]
    parts.append(f"{len(gone)} / {len(found.missing)} 项缺失率有变化 rates of missing values changed")
    if found.sampled < 1:
        parts.append(f"数字取自 {found.sampled:.1%} 的客户 numbers of a sample of customers")
    return f"<p>{'; '.join(parts)} (α = {found.alpha:g}, Bonferroni)</p>"


def _periods(found: Watched) -> str:
    head = (
        "", "UTC", "付款 payments", "客户 customers", "期内报告的欺诈 frauds reported",
        "报告延迟 delay: median / 90 %", "尚无标签 unlabelled", "规则版本 versions of rules",
    )  # fmt: skip
    rows = [
        (*_period(name, one), str(versions) if found.recorded else "-")
        for name, one, versions in zip(
            ("参照期 reference", "近期 recent"), (found.before, found.now), found.versions, strict=True
        )
    ]
    return table(head, rows)


def _period(name: str, one: Period) -> tuple[Any, ...]:
    return (
        name,
        f"{moment(one.begins):%Y-%m-%d %H:%M} – {moment(one.ends):%Y-%m-%d %H:%M}",
        f"{one.payments:,}",
        f"{one.customers:,}",
        f"{one.frauds:,}",
        _late(one.delay_median_s, one.delay_p90_s),
        f"{one.unlabelled / max(one.payments, 1):.1%}",
    )


def _late(median: float, most: float) -> str:
    return "-" if median != median else f"{median / 3600:.1f} h / {most / 3600:.1f} h"


def _hits(found: Watched) -> list[str]:
    if not found.actions:
        return []
    actions = [one._replace(name=f"{ACTIONS_ZH[one.name]} {one.name}") for one in found.actions]
    return [
        "<h2>动作与命中率 <small>Actions and hit rates</small></h2>",
        f'<p class="small">{_RATES}</p>',
        _rate_table("动作 action", actions),
        *_rates(found.hits, "命中 what fired", "两期均无命中。 Nothing fired in either period."),
    ]


def _rates(found: Sequence[RateDrift], head: str, none: str) -> list[str]:
    """What changed in the open, the rest behind a click."""
    if not found:
        return [f"<p>{none}</p>"]
    changed = [one for one in found if one.verdict in CHANGED]
    rest = [one for one in found if one.verdict not in CHANGED]
    shown = [_rate_table(head, changed)] if changed else ["<p>没有变化。 Nothing changed.</p>"]
    return [*shown, *_folded(len(rest), _rate_table(head, rest))]


def _rate_table(head: str, found: Sequence[RateDrift]) -> str:
    heads = (head, "结论 verdict", "之前 before", "现在 now", "次数 times", "偶然概率 chance", "设计效应 design effect")
    rows = [
        (
            one.name,
            " ".join(VERDICTS[one.verdict]),
            share(one.rate_before),
            share(one.rate_now),
            f"{one.hits_before:,} → {one.hits_now:,}",
            _chance(one.chance),
            f"{one.effect:.1f}",
        )
        for one in found
    ]
    return _classed(table(heads, rows), [one.verdict for one in found])


def share(rate: float) -> str:
    """A rate with as many digits as it needs."""
    if rate != rate:
        return "-"
    return f"{rate:.1%}" if rate >= 0.1 else f"{rate:.2%}" if rate >= 0.001 or not rate else f"{rate:.4%}"


def _chance(chance: float) -> str:
    return "< 0.0001" if chance < 0.0001 else f"{chance:.4f}"


def _labels(found: Watched) -> str:
    head = (
        "付款时间 paid (UTC)",
        "付款 payments",
        "尚无标签 unlabelled",
        "已知欺诈 known frauds",
        "延迟 delay: median / 90 %",
    )
    rows = [_stretch(one) for one in reversed(found.labels)]
    said = ""
    if found.delay is not None:
        said = (
            f"<p>期内报告的延迟 delay of the reports of each period: {' '.join(VERDICTS[found.delay.verdict])} "
            f"(PSI {found.delay.psi:.3f}; 偶然可达 chance reaches {found.delay.critical:.3f}; "
            f"{found.delay.median_before / 3600:.1f} h → {found.delay.median_now / 3600:.1f} h)</p>"
        )
    note = (
        '<p class="small">越近的付款，标签来得越不全：最近一周的低延迟只因慢的还没来。 '
        "The younger the payments, the fewer labels have come: the last week's look short because the slow are to come.</p>"
    )
    return said + table(head, rows) + note


def _stretch(one: Labels) -> tuple[Any, ...]:
    return (
        f"{moment(one.begins):%Y-%m-%d %H:%M} – {moment(one.ends):%Y-%m-%d %H:%M}",
        f"{one.payments:,}",
        f"{one.unlabelled / max(one.payments, 1):.1%}",
        f"{one.frauds:,}",
        _late(*late(one.delays)),
    )


def _numbers(found: Watched) -> list[str]:
    changed = [one for one in found.drifts if one.verdict in CHANGED]
    changed.sort(key=lambda one: one.name in found.filling)  # what grows by itself comes last
    rest = [one for one in found.drifts if one.verdict not in CHANGED]
    shown = [_number_table(found, changed)] if changed else ["<p>没有变化。 Nothing changed.</p>"]
    return [*shown, *_folded(len(rest), _number_table(found, rest))]


def _folded(count: int, text: str) -> list[str]:
    if not count:
        return []
    return [f"<details><summary>其余 {count} 项 <small>the other {count}</small></summary>{text}</details>"]


def _number_table(found: Watched, drifts: Sequence[Drift]) -> str:
    head = ("数字 number", "结论 verdict", "PSI", "偶然可达 chance reaches", "缺失率 missing", "中位数 median")
    rows = [_row(one, one.name in found.filling) for one in drifts]
    return _classed(table(head, rows), ["filling" if one.name in found.filling else one.verdict for one in drifts])


def _classed(text: str, verdicts: Sequence[str]) -> str:
    """Rows in the order of their verdicts get those as classes, after the row of heads."""
    head, *rows = text.split("<tr>")[1:]
    start = text[: text.index("<tr>")]
    named = [f'<tr class="{v.split(" ")[-1]}">{row}' for v, row in zip(verdicts, rows, strict=True)]
    return f'<div class="verdicts">{start}<tr>{head}{"".join(named)}</div>'


def _plain(value: float) -> str:
    """A number as people write it: no powers of ten below a quadrillion."""
    return "-" if value != value else f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def said(one: Drift, filling: bool) -> str:
    """The verdict in both languages."""
    zh, en = VERDICTS[one.verdict]
    return f"{zh}（{FILLING[0]}） {en} ({FILLING[1]})" if filling and one.verdict in CHANGED else f"{zh} {en}"


def _row(one: Drift, filling: bool) -> tuple[Any, ...]:
    missing = f"{share(one.missing_before)} → {share(one.missing_now)}"
    middle = f"{_plain(one.median_before)} → {_plain(one.median_now)}"
    return one.name, said(one, filling), f"{one.psi:.4f}", f"{one.critical:.4f}", missing, middle
