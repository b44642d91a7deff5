"""Decisions that met shared tags: whose word it was, what it stopped, and what the payment turned out to be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from lianfang.kernel.instant import moment
from lianfang.wire import SUBJECTS, Decision, Payment

STOPPED: Final = frozenset({"hold", "block"})
Became = Literal["", "fraud", "genuine"]
_PATHS: Final = tuple(SUBJECTS)
_values: Final = attrgetter(*_PATHS)


class Met(NamedTuple):
    """One decision that met tags of one member."""

    seq: int
    payment_id: str
    month: str
    contributor: str
    stopped: bool


class Benefit(msgspec.Struct, frozen=True, kw_only=True):
    """What one member's tags were worth to this node in a month."""

    month: str
    contributor: str
    met: int
    stopped: int
    fraud: int
    """Of those met, confirmed as fraud since."""
    genuine: int


def month_of(at: int) -> str:
    """`2026-09`, UTC."""
    return moment(at).strftime("%Y-%m")


def met_in(seq: int, at: int, decision: Decision) -> list[Met]:
    """One a contributor."""
    members = sorted({member for tag in decision.tags for member in tag.contributors})
    month, stopped = month_of(at), decision.action in STOPPED
    return [Met(seq, decision.payment_id, month, member, stopped) for member in members]


def tagged_subjects(payment: Payment, decision: Decision) -> list[tuple[str, str]]:
    """Kind and value of the subjects that bore tags, each once."""
    paths = {tag.path for tag in decision.tags}
    return _subjects(payment, (path for path in _PATHS if path in paths))


def subjects_of(payment: Payment) -> list[tuple[str, str]]:
    """Kind and value of every subject of a payment, each once."""
    return _subjects(payment, _PATHS)


def _subjects(payment: Payment, paths: Iterable[str]) -> list[tuple[str, str]]:
    by_path = dict(zip(_PATHS, _values(payment), strict=True))
    return list(dict.fromkeys((SUBJECTS[path], by_path[path]) for path in paths if by_path[path]))


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From a confirmed fraud to a proposal: of which subjects, saying what. A person approves it."""

    name: str
    outcomes: tuple[str, ...] = ()
    """Kinds of outcome (the taxonomy's categories); none: any."""
    category: str
    """`same`: the outcome's own kind."""
    severity: int
    confidence: int
    evidence: str = "confirmed"
    subjects: tuple[str, ...]
    """Paths of the payment, as `payee.account`."""
    days: int


class Proposed(NamedTuple):
    """What a rule proposes of a payment."""

    rule: Rule
    kind: str
    value: str
    category: str


def proposed(rules: Sequence[Rule], payment: Payment, kind: str | None) -> list[Proposed]:
    """What the rules propose of a payment confirmed as fraud of `kind`; one a subject, by the first rule that says so."""
    by_path = dict(zip(_PATHS, _values(payment), strict=True))
    found: dict[tuple[str, str], Proposed] = {}
    for rule in rules:
        if rule.outcomes and kind not in rule.outcomes:
            continue
        category = (kind or "") if rule.category == "same" else rule.category
        for path in rule.subjects:
            value = by_path.get(path)
            if value and category:
                found.setdefault((SUBJECTS[path], value), Proposed(rule, SUBJECTS[path], value, category))
    return list(found.values())
