"""A record at a glance: the few things that counts and a running list need, read without the rest. About 3 us each."""

from __future__ import annotations

from typing import Final

import msgspec

from lianfang.wire import Decision, Outcome, Payment


class _Reason(msgspec.Struct, frozen=True, gc=False):
    code: str
    name: str
    zh: str
    en: str


class _Decision(msgspec.Struct, frozen=True, gc=False):
    action: str
    reasons: tuple[_Reason, ...] = ()
    score: float | None = None
    unsure: bool = False


class _Payment(msgspec.Struct, frozen=True, gc=False):
    id: str
    kind: str
    amount: int
    currency: str
    channel: str | None = None


_read_payment: Final = msgspec.json.Decoder(_Payment).decode
_read_decision: Final = msgspec.json.Decoder(_Decision).decode


class Glance(msgspec.Struct, frozen=True, gc=False):
    """One decision. `at` in microseconds; `reasons`: code, name of the rule or list, Chinese and English text."""

    seq: int
    at: int
    payment_id: str
    kind: str
    channel: str | None
    amount: int
    currency: str
    action: str
    unsure: bool
    score: float | None
    reasons: tuple[tuple[str, str, str, str], ...]


class OutcomeGlance(msgspec.Struct, frozen=True, gc=False):
    """One outcome, with money and action of the decision it is about where that is known."""

    seq: int
    at: int
    label: str
    scam: str | None
    amount: int = 0
    currency: str | None = None
    action: str | None = None


def glance(seq: int, at: int, payment: bytes, decision: bytes) -> Glance:
    """A decision's record, read at a glance. Raises `msgspec.MsgspecError` for one that cannot be read."""
    return _made(seq, at, _read_payment(payment), _read_decision(decision))


def glance_of(seq: int, at: int, payment: Payment, decision: Decision) -> Glance:
    """The same of one that was read whole."""
    return _made(seq, at, payment, decision)


def _made(seq: int, at: int, payment: Payment | _Payment, decision: Decision | _Decision) -> Glance:
    reasons = tuple((one.code, one.name, one.zh, one.en) for one in decision.reasons) if decision.reasons else ()
    return Glance(
        seq,
        at,
        payment.id,
        payment.kind,
        payment.channel,
        payment.amount,
        payment.currency,
        decision.action,
        decision.unsure,
        decision.score,
        reasons,
    )


def outcome_glance(
    seq: int, at: int, outcome: Outcome, amount: int = 0, currency: str | None = None, action: str | None = None
) -> OutcomeGlance:
    """An outcome, and what is known of its decision."""
    return OutcomeGlance(seq, at, outcome.label, outcome.kind, amount, currency, action)
