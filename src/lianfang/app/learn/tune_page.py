"""The page of a tuning, and the file of new values: what a person looks at before anything is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Final

import numpy as np

from lianfang.app.learn.backtest_figures import Figures
from lianfang.app.learn.backtest_report import charts, whole_rows
from lianfang.app.learn.report import STYLE, table
from lianfang.app.learn.tune import Movement, Tuned
from lianfang.kernel import limits as kernel_limits
from lianfang.kernel.instant import Instant, moment
from lianfang.services.learn.tuning import Limits
from lianfang.wire import Policy

_STYLE: Final = "\ntd:nth-child(2),th:nth-child(2){min-width:7em}ol{font-size:13px}"
_ABOUT: Final = (
    "规则子集、阈值与参数只在前一时期选择；后一时期从未用于选择，只看它。在前期守住的限额，后期未必守住。 "
    "Rules, thresholds and parameters were chosen on the earlier period only; the later one was never used to choose: look at "
    "that. A limit that held on the first need not hold on the second. 本页不改变任何决策。 This changes nothing by itself."
)


def page(found: Tuned, limits: Limits) -> str:
    """The whole page as text."""
    split = moment(Instant(found.split))
    aim = (
        f"误拦正常付款 genuine held or blocked ≤ {limits.false_alarms:.2%}; 质询 challenged ≤ {limits.challenges:.2%}; "
        f"质询计为拦下的 a challenge counts {limits.challenge_worth:g}; 分界 split {split:%Y-%m-%d %H:%M} UTC"
    )
    steps = "".join(f"<li>{escape(step)}</li>" for step in found.steps)
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>联防 调参 Tuning</title><style>{STYLE}{_STYLE}</style></head><body>",
            "<h1>调参报告 <small>Tuning</small></h1>",
            f"<p>{aim}</p>",
            f'<p class="small">{_ABOUT}</p>',
            "<h2>后期，从未用于选择 <small>The later period, never chosen on</small></h2>",
            _period(found.later),
            f'<div class="charts">{"".join(charts(found.later))}</div>',
            *_parameters(found),
            "<h2>策略阈值 <small>Thresholds of the policy</small></h2>",
            _policy(found),
            "<h2>转为旁路的规则 <small>Rules that go to shadow</small></h2>",
            f"<p>{escape(', '.join(_dropped(found)) or '无 none')}</p>",
            "<h2>前期，选择所用 <small>The earlier period, chosen on</small></h2>",
            _period(found.earlier),
            f"<details><summary>步骤 <small>Steps ({len(found.steps)})</small></summary><ol>{steps}</ol></details>",
            "</body></html>\n",
        ]
    )


def _period(found: Figures) -> str:
    return table(("指标 figure", "草案 draft", "现行 current"), whole_rows(found))


def _parameters(found: Tuned) -> list[str]:
    if not found.parameters:
        return []
    moved = [one for one in found.parameters if one.parameter.name in found.moved]
    rest = [one for one in found.parameters if one.parameter.name not in found.moved]
    shown = _movements(moved) if moved else "<p>没有参数移动。 None moved.</p>"
    if rest:
        shown += (
            f"<details><summary>不变的 {len(rest)} 项 <small>the {len(rest)} that stay</small></summary>"
            f"{_movements(rest)}</details>"
        )
    names = escape(", ".join(found.examples))
    broken = (
        f"<p>样例不再成立，须先查看 examples that no longer hold, to be looked at first: {names}</p>" if names else ""
    )
    return ["<h2>参数 <small>Parameters</small></h2>", shown, broken]


def _movements(found: Sequence[Movement]) -> str:
    head = ("参数 parameter", "原值 before", "新值 after", "单位 unit", "范围 bounds", "试值数 tried", "说明 about")
    rows = [
        (
            one.parameter.name,
            _number(one.parameter.value),
            _number(one.value),
            one.parameter.unit,
            f"{_number(one.bounds.low)} – {_number(one.bounds.high)}",
            str(one.tried),
            f"{one.parameter.zh} {one.parameter.en}",
        )
        for one in found
    ]
    return table(head, rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:g}"


def _policy(found: Tuned) -> str:
    before, after = found.later.outcome.sides[1].book.policy, found.draft.policy or Policy()
    names = ("challenge", "hold", "block")
    rows = []
    for kind in ("points", "score"):
        for name in names:
            was, now = getattr(before, f"{name}_{kind}"), getattr(after, f"{name}_{kind}")
            rows.append((f"{name}_{kind}", f"{was:g}", f"{now:g}" if was != now else "不变 unchanged"))
    return table(("阈值 threshold", "原值 before", "新值 after"), rows)


def _dropped(found: Tuned) -> list[str]:
    was = {rule.id: rule.mode for rule in found.later.outcome.sides[1].book.compiled.rules}
    return [rule.id for rule in found.draft.rules if rule.mode == "shadow" and was.get(rule.id) == "live"]


def parameters_toml(found: Tuned, today: date) -> str:
    """A rule file of the parameters that moved, as the starting pack has them, each saying where its value is from."""
    one = found.earlier.outcome
    period = f"{moment(one.begins):%Y-%m-%d} to {moment(one.ends):%Y-%m-%d}"
    lines = [_line(moved, period, today) for moved in found.parameters if moved.parameter.name in found.moved]
    head = f"# Proposed by `lianfang tune` on {period}: look at the report, then `lianfang draft make --parameters <this file>`."
    return "\n".join([head, "", 'schema = "ruleset/1"', "parameters = [", *lines, "]", ""])


def _line(one: Movement, period: str, today: date) -> str:
    had = one.parameter
    source = f"lianfang tune on {period}; was {had.value} ({had.source})"[: kernel_limits.TEXT_LENGTH_MAX]
    value = repr(one.value) if np.isfinite(one.value) else "0"
    texts = ", ".join(f"{key} = {_text(said)}" for key, said in (("source", source), ("zh", had.zh), ("en", had.en)))
    return f"    {{ name = {_text(had.name)}, value = {value}, unit = {_text(had.unit)}, since = {today}, {texts} }},"


def _text(said: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for the one character that JSON lets stand."""
    return json.dumps(said, ensure_ascii=False).replace("\x7f", "\\u007f")
