"""From hits to one action: which reasons there are, what each asks for, and what decides (docs/reference/policy.md).

Refuses to answer `allow` when something needed for a sure answer was missing. Pure: the same findings, the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lianfang.engines.scoring import Why
from lianfang.services.decide.lists import ListHit
from lianfang.wire import SEVERITY, SIDES, Action, Law, ListedSubject, Policy, Reason, Rule

LIFTED: Final = frozenset({"rule", "score"})
"""Sources that an allow or override list lifts, up to `hold`. Never a block, never an unsure answer."""
WHY: Final = "score-why"
"""Code of the reasons that explain a score."""
BLOCKS: Final = frozenset({"block", "overridable_block"})

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


def rule_reason(rule: Rule, laws: Sequence[Law] = ()) -> Reason:
    """The reason a rule gives when it fires; the articles of the law that it rests on stand in its sentences."""
    zh, en = rule.zh, rule.en
    if laws:
        zh += f"（依据：{'；'.join(law.zh for law in laws)}）"
        en += f" (under {'; '.join(law.en for law in laws)})"
    return Reason(code=rule.code, source="rule", name=rule.id, zh=zh, en=en, action=rule.action, points=rule.points)


_EFFECTS: Final[dict[str, tuple[str, str, Action | None]]] = {
    "block": ("在阻断名单上", "is on the block list", "block"),
    "overridable_block": ("在可解除阻断名单上", "is on the overridable block list", "block"),
    "override": ("在解除名单上", "is on the override list", "allow"),
    "allow": ("在允许名单上", "is on the allow list", "allow"),
    "watch": ("在关注名单上", "is on the watch list", None),
    "veto": ("在不得阻断名单上", "is on the veto list", None),
}
"""Effect to what the reason says in Chinese and English, and what it asks for."""


def list_reason(hit: ListHit, policy: Policy) -> Reason:
    """The reason a list hit gives; purpose and source stand in its sentence."""
    zh, en, action = _EFFECTS[hit.effect]
    return Reason(
        code=f"list-{hit.effect.replace('_', '-')}",
        source="list",
        name=hit.list,
        zh=f"{hit.path} {zh} {hit.list}（用途：{hit.purpose}；来源：{hit.source}）",
        en=f"{hit.path} {en} {hit.list} (purpose: {hit.purpose}; source: {hit.source})",
        action=action,
        points=policy.watch_points if hit.effect == "watch" else 0,
        listed=ListedSubject(
            path=hit.path,
            side=SIDES[hit.path],
            effect=hit.effect,  # type: ignore[arg-type]  # a table's text, written from a ListEntry
            purpose=hit.purpose,
            source=hit.source,
        ),
    )


def settle(policy: Policy, found: Iterable[Reason], score: float) -> tuple[Action, tuple[Reason, ...], int]:
    """The action, the reasons in the order of their weight, and the sum of points. `score` NaN: no model."""
    reasons = list(found)
    points = sum(r.points for r in reasons)
    reasons += _threshold_reasons(policy, points, score)
    standing = Standing(policy, reasons)
    if any(standing.softens(r) for r in reasons):
        reasons.append(standing.softened())
    action: Action = max(
        (r.action for r in reasons if r.action and standing.counts(r)), key=SEVERITY.__getitem__, default="allow"
    )
    reasons.sort(key=lambda r: _weight(r, counts=standing.counts(r)))
    return action, tuple(reasons), points


class Standing:
    """What is left of each reason after allow, override and veto lists have spoken (docs/reference/lists.md)."""

    def __init__(self, policy: Policy, reasons: Iterable[Reason]) -> None:
        listed = [(r, r.listed) for r in reasons if r.listed is not None]
        self._policy = policy
        self._lifting = any(hit.effect in ("allow", "override") for _, hit in listed)
        self._overridden = {hit.side for _, hit in listed if hit.effect == "override"}
        self._vetoes = [r for r, hit in listed if hit.effect == "veto"]
        self._vetoed = {hit.side for _, hit in listed if hit.effect == "veto"}

    def lifts(self, reason: Reason) -> bool:
        """Whether an allow or override list takes away what this reason asks for."""
        hit = reason.listed
        if hit is not None:
            return hit.effect == "overridable_block" and hit.side in self._overridden
        return self._lifting and reason.source in LIFTED and reason.action != "block"

    def softens(self, reason: Reason) -> bool:
        """Whether a veto list takes away what this reason asks for beyond `veto_most`."""
        if reason.action is None or SEVERITY[reason.action] <= SEVERITY[self._policy.veto_most] or self.lifts(reason):
            return False
        hit = reason.listed
        if hit is not None:
            return hit.effect in BLOCKS and hit.side in self._vetoed
        return bool(self._vetoed) and reason.source in LIFTED

    def counts(self, reason: Reason) -> bool:
        """Whether this reason still stands."""
        return not self.lifts(reason) and not self.softens(reason)

    def softened(self) -> Reason:
        """What is left of all that the veto lists took away."""
        veto, most = min(self._vetoes, key=lambda r: (r.name, r.en)), self._policy.veto_most
        return Reason(
            code="veto-softened",
            source="list",
            name=veto.name,
            zh=f"{veto.zh}：最多为 {most}",
            en=f"{veto.en}: at most {most}",
            action=most,
        )


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


def model_reasons(found: Sequence[Why]) -> tuple[Reason, ...]:
    """What raised the score, as reasons that ask for nothing themselves: they explain the one before them."""
    return tuple(Reason(code=WHY, source="score", name=one.name, zh=one.zh, en=one.en) for one in found)


def _reached(value: float, challenge: float, hold: float, block: float) -> Action | None:
    """The strictest threshold that `value` reaches. NaN reaches none."""
    if value >= block:
        return "block"
    if value >= hold:
        return "hold"
    return "challenge" if value >= challenge else None


def _weight(reason: Reason, *, counts: bool) -> tuple[int, int, str, str, str, str, str]:
    rank = SEVERITY[reason.action] if counts and reason.action else -1
    return (-rank, -reason.points, reason.code, reason.name, reason.source, reason.en, reason.action or "")
