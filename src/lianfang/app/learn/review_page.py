"""The review's page: rules to look at again, and candidates with what they did and the payments they were seen on."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import msgspec

from lianfang.app.learn.report import STYLE, table
from lianfang.app.learn.reviewing import EARLIER, Candidate, Review
from lianfang.kernel.instant import moment
from lianfang.services.learn.intervals import Share

ADVICE: Final = {"retire": "停用 retire?", "tighten": "收紧 tighten?"}
_STYLE: Final = """
td,th{text-align:left}pre{background:#f6f6f6;padding:.6em;overflow-x:auto;font-size:12px}"""
_ABOUT: Final = (
    "本页只提建议，不作任何更改；采用与否由人决定，经草稿、回测、他人批准后生效。 "
    "This page proposes and changes nothing: a person decides, by draft, backtest and another's approval. "
    f"候选规则在前 {EARLIER:.0%} 的时期寻找，在其后时期检验。 "
    f"Candidates were found in the first {EARLIER:.0%} of the period and judged on the rest."
)


def page(found: Review) -> str:
    """The whole page as text."""
    one = found.outcome
    facts = f"{moment(one.begins):%Y-%m-%d %H:%M} – {moment(one.ends):%Y-%m-%d %H:%M} UTC; {one.rows:,} 笔付款 payments read"
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>联防 规则复核 Review of rules</title><style>{STYLE}{_STYLE}</style></head><body>",
            "<h1>规则复核 <small>Review of the rules</small></h1>",
            f"<p>{facts}</p>",
            f'<p class="small">{_ABOUT}</p>',
            "<h2>建议复核 <small>To look at again</small></h2>",
            _proposals(found),
            "<h2>候选规则 <small>Candidates</small></h2>",
            *([_candidate(one) for one in found.candidates] or ["<p>没有可靠的候选。 None that is sure.</p>"]),
            "</body></html>\n",
        ]
    )


def _proposals(found: Review) -> str:
    loud = [(ADVICE[one.advice], one.rule, one.zh, one.en) for one in found.proposals if one.hits]
    silent = [one.rule for one in found.proposals if not one.hits]
    parts = [table(("建议 advice", "规则 rule", "理由", "why"), loud)] if loud else []
    if silent:
        names = escape(", ".join(silent))
        parts.append(f"<p>从未命中 never fired ({len(silent)}): {names}</p>")
    return "\n".join(parts) or "<p>没有。 None.</p>"


def _candidate(one: Candidate) -> str:
    shown: dict[str, Any] = {"rules": [msgspec.to_builtins(one.rule)]}
    if one.features:
        shown["features"] = [msgspec.to_builtins(feature) for feature in one.features]
    text = msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
    rows = [
        (f"抓到漏掉的欺诈 missed frauds caught, of {one.missed:,}", _share(one.caught, 1)),
        ("误触正常付款 genuine touched", _share(one.false_alarms, 4)),
        ("精确率 precision", _share(one.precision, 1)),
    ]
    return (
        f"<h3>{escape(one.rule.id)} <small>{escape(one.rule.zh)}</small></h3><p>{escape(one.rule.en)}</p>"
        f"<p><code>{escape(one.rule.when)}</code></p>{table(('检验期 judged on', '值 (95 %)'), rows)}"
        f"<details><summary>规则文件与样例 rule file with examples</summary><pre>{escape(text)}</pre></details>"
    )


def _share(one: Share, digits: int) -> str:
    if one.value != one.value:
        return "-"
    return f"{one.value:.{digits}%} ({one.low:.{digits}%} – {one.high:.{digits}%})"
