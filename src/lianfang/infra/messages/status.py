"""Decisions as pacs.002 payment status reports, and such reports as decisions.

`wire.iso20022` holds the tables of statuses and reason codes. Our sentences stand in `AddtlInf`, after our code, in both
languages; a reader that knows only the status and the code still knows what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from lianfang.infra.messages.forms import REASON_LENGTH, joined, lines_of, read_time, reference, write_time
from lianfang.infra.messages.lost import Lost, counted
from lianfang.infra.messages.payments import Payments
from lianfang.infra.messages.table import Reading, element, elements_of, ours_of, write
from lianfang.infra.messages.xml import Parsed
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire import Action, Decision, Payment, Reason, Versions
from lianfang.wire.iso20022 import (
    ACTION_OF_STATUS,
    PACS_002,
    REASON_OF_BLOCK,
    REASON_OF_REFUSAL,
    REASON_OTHERWISE,
    STATUS_OF_ACTION,
)
from lianfang.wire.payment import Part

REASONS_MAX: Final = 16
"""Reasons of one decision that are written; the weightiest come first."""
_ACCEPTED: Final = "AC"
_GROUP: Final = "OrgnlGrpInfAndSts"


class Refused(Part, frozen=True, kw_only=True):
    """A payment that was not decided, as the decider's batches say it."""

    payment_id: str
    refused: str
    detail: str


Answer = Decision | Refused


def write_status(asked: Payments, answers: Sequence[Answer], now: datetime) -> bytes:
    """pacs.002 for a message's payments, answered in order."""
    statuses = []
    transactions = []
    for payment, answer in zip(asked.payments, answers, strict=True):
        ours = _status(answer) | _references(payment)
        statuses.append(ours["status"])
        transactions.append(elements_of(PACS_002, ours).elements)
    header = {
        "GrpHdr/MsgId": reference(f"{asked.message_id}\n{now.isoformat()}"),
        "GrpHdr/CreDtTm": write_time(now),
        f"{_GROUP}/OrgnlMsgId": asked.message_id,
        f"{_GROUP}/OrgnlMsgNmId": f"{asked.message.name}.001.{asked.version}",
        f"{_GROUP}/OrgnlNbOfTxs": str(len(statuses)),
        f"{_GROUP}/GrpSts": statuses[0] if len(set(statuses)) == 1 else "PART",
    }
    return write(PACS_002, {path: element(path, text) for path, text in header.items()}, transactions)


def write_decisions(decisions: Sequence[Decision]) -> tuple[bytes, tuple[Lost, ...]]:
    """pacs.002 of decisions alone, whose payments are known by their ids only; and what of them it cannot say."""
    if not decisions:
        raise InputError("a status report has at least one decision")
    lost: dict[str, int] = {}
    transactions = []
    for decision in decisions:
        out = elements_of(PACS_002, _status(decision) | {"payment_id": decision.payment_id})
        transactions.append(out.elements)
        if "payment_id" in out.lost:
            raise InputError(
                "an id of more than 35 characters, and no UETR, has no place in a status report", "payment_id"
            )
        for name in [*out.lost, *_unsaid(decision)]:
            lost[name] = lost.get(name, 0) + 1
    latest = max(d.decided_at for d in decisions)
    header = {
        "GrpHdr/MsgId": reference("\n".join(d.payment_id for d in decisions)),
        "GrpHdr/CreDtTm": write_time(latest),
        f"{_GROUP}/OrgnlMsgId": "NOTPROVIDED",
        f"{_GROUP}/OrgnlMsgNmId": "NOTPROVIDED",
    }
    made = write(PACS_002, {path: element(path, text) for path, text in header.items()}, transactions)
    return made, counted(lost, ())


def _unsaid(decision: Decision) -> list[str]:
    """What of a decision has no place in a status report."""
    gone = ["seq", "versions"]
    gone += [name for name in ("score", "points", "unsure", "shadow") if getattr(decision, name)]
    if decision.action == "challenge":
        gone.append("action (challenge is pending there, as hold is)")
    if len(decision.reasons) > REASONS_MAX:
        gone.append(f"reasons after {REASONS_MAX}")
    return gone


def _references(payment: Payment) -> dict[str, Any]:
    """What the sender called the payment."""
    held: Mapping[str, Any] = payment.attributes
    named = {key: held.get(key) for key in ("instruction_id", "end_to_end_id", "tx_id")}
    return {"payment_id": payment.id, **named}


def _status(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Refused):
        code = REASON_OF_REFUSAL.get(answer.refused, REASON_OTHERWISE)
        return {"status": "RJCT", "reasons": [(code, lines_of(answer.detail, REASON_LENGTH))]}
    blocked = answer.action == "block"
    reasons = [
        (
            REASON_OF_BLOCK if blocked and reason.source != "system" else REASON_OTHERWISE,
            lines_of(f"{reason.code}: {reason.en}", REASON_LENGTH) + lines_of(reason.zh, REASON_LENGTH),
        )
        for reason in answer.reasons[:REASONS_MAX]
    ]
    return {"status": STATUS_OF_ACTION[answer.action], "reasons": reasons or None}


def read_status(parsed: Parsed, *, zone: tzinfo = UTC) -> tuple[tuple[Decision, ...], tuple[Lost, ...]]:
    """The decisions a status report tells of. What it does not say (versions, seq) says so."""
    reading = Reading(parsed, limits.BATCH_PAYMENTS_MAX)
    decisions = []
    for one in reading.transactions():
        ours = ours_of(PACS_002, one, reading.lost).ours
        if "payment_id" not in ours:
            raise InputError("it does not say of which payment", f"{one.path}[{one.number}]")
        status = ours.get("status", "")
        if not status:
            raise InputError("it has no status", f"{one.path}[{one.number}]")
        at = read_time(ours["decided_at"], zone)
        action = action_of(status)
        reasons = tuple(_reason(code, lines, action) for code, lines in ours.get("reasons", ()))
        reasons = reasons or (_reason(status, (), action),)
        decisions.append(
            Decision(
                payment_id=ours["payment_id"],
                action=action,
                reasons=reasons,
                decided_at=at,
                seq=0,
                versions=Versions(rules="unknown", lists="unknown", features="unknown"),
            )
        )
    if not decisions:
        raise InputError("it tells of no transaction", _GROUP)
    return tuple(decisions), counted(reading.lost, parsed.notes)


def action_of(status: str) -> Action:
    """The action behind a status code. What is not known is `hold`: somebody must look."""
    if status in ACTION_OF_STATUS:
        return ACTION_OF_STATUS[status]
    return "allow" if status.startswith(_ACCEPTED) else "hold"


def _reason(code: str, lines: Sequence[str], action: Action) -> Reason:
    said = joined(lines, REASON_LENGTH).strip() or code
    return Reason(code=code or "status", source="system", name=PACS_002.name, zh=said, en=said, action=action)
