"""From hits to one action: which reasons there are, what each asks for, and what decides (docs/reference/policy.md).

Refuses to answer `allow` when something needed for a sure answer was missing. Pure: the same findings, the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lianfang.services.decide.lists import ListHit
from lianfang.wire import SEVERITY, Action, Policy, Reason, Rule

LIFTED: Final = frozenset({"rule", "score"})
"""Sources that an allow list lifts, up to `hold`. Never a block, never an unsure answer."""

UNSURE_TEXTS: Final = {
    "no-rules": ("没有已加载的规则", "No rules are loaded"),
    "rule-failed": ("有规则运行出错，结果不可靠", "A rule failed, so the answer is not sure"),
    "rule-quarantined": ("有规则因过慢被隔离", "A rule is quarantined because it was too slow"),
    "model-missing": ("策略要求模型评分，但没有模型", "The policy requires a model, and none is loaded"),
    "features-full": ("特征内存已满，近期行为未知", "Feature memory is full: the recent past is not known"),
    "engine-error": ("决策引擎出错", "The decision engine failed"),
    "deadline-passed": ("已超过时限，未运行规则", "The deadline had passed before the rules could run"),
}
"""Code to sentence, Chinese and English, of everything that makes an answer unsure."""


def unsure_reason(code: str, policy: Policy, name: str = "decide") -> Reason:
    """The reason for an unsure answer, which asks for the policy's action."""
    zh, en = UNSURE_TEXTS[code]
    action = policy.late if code == "deadline-passed" else policy.unsure
    return Reason(code=code, source="system", name=name, zh=zh, en=en, action=action)


def rule_reason(rule: Rule) -> Reason:
    """The reason a rule gives when it fires."""
    return Reason(
        code=rule.code, source="rule", name=rule.id, zh=rule.zh, en=rule.en, action=rule.action, points=rule.points
    )


def list_reason(hit: ListHit, policy: Policy) -> Reason:
    """The reason a list hit gives; purpose and source stand in its sentence."""
    said = {
        "block": ("在阻断名单上", "is on the block list", "block", 0),
        "watch": ("在关注名单上", "is on the watch list", None, policy.watch_points),
        "allow": ("在允许名单上", "is on the allow list", "allow", 0),
    }
    zh, en, action, points = said[hit.effect]
    return Reason(
        code=f"list-{hit.effect}",
        source="list",
        name=hit.list,
        zh=f"{hit.path} {zh} {hit.list}（用途：{hit.purpose}；来源：{hit.source}）",
        en=f"{hit.path} {en} {hit.list} (purpose: {hit.purpose}; source: {hit.source})",
        action=action,  # type: ignore[arg-type]
        points=points,
    )


def settle(policy: Policy, found: Iterable[Reason], score: float) -> tuple[Action, tuple[Reason, ...], int]:
    """The action, the reasons in the order of their weight, and the sum of points. `score` NaN: no model."""
    reasons = list(found)
    points = sum(r.points for r in reasons)
    reasons += _threshold_reasons(policy, points, score)
    lifted = any(r.source == "list" and r.action == "allow" for r in reasons)
    asked = [r.action for r in reasons if r.action and not (lifted and _is_lifted(r))]
    action: Action = max(asked, key=SEVERITY.__getitem__, default="allow")
    reasons.sort(key=lambda r: _weight(r, lifted))
    return action, tuple(reasons), points


def _threshold_reasons(policy: Policy, points: int, score: float) -> Sequence[Reason]:
    reasons = []
    by_points = _reached(points, policy.challenge_points, policy.hold_points, policy.block_points)
    if by_points:
        reasons.append(
            Reason(
                code="points",
                source="rule",
                name="points",
                zh=f"规则得分合计 {points}",
                en=f"The rules' points sum to {points}",
                action=by_points,
            )
        )
    by_score = _reached(score, policy.challenge_score, policy.hold_score, policy.block_score)
    if by_score:
        reasons.append(
            Reason(
                code="score",
                source="score",
                name="model",
                zh=f"模型评分 {score:.3f}",
                en=f"The model's score is {score:.3f}",
                action=by_score,
            )
        )
    return reasons


def _reached(value: float, challenge: float, hold: float, block: float) -> Action | None:
    """The strictest threshold that `value` reaches. NaN reaches none."""
    if value >= block:
        return "block"
    if value >= hold:
        return "hold"
    return "challenge" if value >= challenge else None


def _is_lifted(reason: Reason) -> bool:
    return reason.source in LIFTED and reason.action != "block"


def _weight(reason: Reason, lifted: bool) -> tuple[int, int, str, str, str, str, str]:
    counts = reason.action is not None and not (lifted and _is_lifted(reason))
    rank = SEVERITY[reason.action] if counts and reason.action else -1
    return (-rank, -reason.points, reason.code, reason.name, reason.source, reason.en, reason.action or "")
