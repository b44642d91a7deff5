"""The weekly page: what has changed, in both languages, nothing fetched from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from lianfang.app.learn.report import STYLE, table
from lianfang.app.learn.watching import Period, Watched
from lianfang.kernel.instant import moment
from lianfang.services.learn.drift import Drift

VERDICTS: Final = {
    "steady": ("平稳", "steady"),
    "moved": ("有变化，幅度小", "moved: surely, a little"),
    "shifted": ("明显偏移", "shifted"),
    "too few": ("样本不足", "too few"),
}
CHANGED: Final = ("moved", "shifted")
FILLING: Final = ("窗口比历史还长，仍在填充", "its window is longer than the history: still filling")
_HOW: Final = (
    "PSI 大于“偶然可达”才算变化；该界随两期客户数与所看数字的个数而定，不用固定的 0.1/0.25。 "
    "A change is a PSI above what chance reaches, which depends on the customers of both periods and on how many numbers are "
    "looked at, not a fixed 0.1 or 0.25. 变化不等于错误：节日、新产品也会带来变化。 "
    "A change is not a mistake: holidays and new products make some, too."
)


def page(found: Watched) -> str:
    """The whole page as text."""
    head = ("数字 number", "结论 verdict", "PSI", "偶然可达 chance reaches", "缺失率 missing", "中位数 median")
    rows = [_row(one, one.name in found.filling) for one in found.drifts]
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            f"<title>联防 周报 Weekly report</title><style>{STYLE}</style></head><body>",
            "<h1>漂移周报 <small>Weekly report of drift</small></h1>",
            f"<p>{len(found.changed)} / {len(found.drifts)} 项有变化 changed (α = {found.alpha:g}, Bonferroni)</p>",
            f'<p class="small">{_HOW}</p>',
            "<h2>两个时期 <small>Two periods</small></h2>",
            _periods(found),
            "<h2>各项数字 <small>Every number</small></h2>",
            table(head, rows),
            "</body></html>\n",
        ]
    )


def _periods(found: Watched) -> str:
    head = ("", "UTC", "付款 payments", "客户 customers", "报告的欺诈 frauds reported", "报告延迟 delay: median / 90 %")
    rows = [_period("参照期 reference", found.before), _period("近期 recent", found.now)]
    return table(head, rows)


def _period(name: str, one: Period) -> tuple[Any, ...]:
    days = f"{moment(one.begins):%Y-%m-%d %H:%M} – {moment(one.ends):%Y-%m-%d %H:%M}"
    late = (
        "-"
        if one.delay_median_s != one.delay_median_s
        else f"{one.delay_median_s / 3600:.1f} h / {one.delay_p90_s / 3600:.1f} h"
    )
    return name, days, f"{one.payments:,}", f"{one.customers:,}", f"{one.frauds:,}", late


def said(one: Drift, filling: bool) -> str:
    """The verdict in both languages."""
    zh, en = VERDICTS[one.verdict]
    return f"{zh}（{FILLING[0]}） {en} ({FILLING[1]})" if filling and one.verdict in CHANGED else f"{zh} {en}"


def _row(one: Drift, filling: bool) -> tuple[Any, ...]:
    missing = f"{one.missing_before:.2%} → {one.missing_now:.2%}"
    middle = f"{one.median_before:g} → {one.median_now:g}"
    return escape(one.name), said(one, filling), f"{one.psi:.4f}", f"{one.critical:.4f}", missing, middle
