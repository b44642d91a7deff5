"""Recalls (camt.056) and their answers (camt.029) as outcomes, and outcomes as recalls and answers.

A recall is somebody's word that a payment should not have been made: its payment is `disputed`, with the recall's reason
code as `kind`. Whether the money comes back is for people to say, so a recall is answered as pending.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any, Final

from lianfang.infra.messages.forms import REASON_LENGTH, joined, lines_of, read_time, reference
from lianfang.infra.messages.lost import Lost, counted
from lianfang.infra.messages.table import Reading, element, elements_of, ours_of, write
from lianfang.infra.messages.xml import Parsed
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire import Outcome, build
from lianfang.wire.iso20022 import CAMT_029, CAMT_056, Message

PENDING: Final = "PDCR"
CONCLUSIONS: Final = {"ACCR": "CNCL", "CNCL": "CNCL", "RJCR": "RJCR", "PDCR": "PDCR"}
"""Cancellation status of one payment to the conclusion of the whole: cancelled, rejected, pending."""
_TRANSACTION_STATUS: Final = {"CNCL": "ACCR", "RJCR": "RJCR", "PDCR": "PDCR"}


def read_recalls(parsed: Parsed, *, zone: tzinfo = UTC) -> tuple[tuple[Outcome, ...], tuple[Lost, ...]]:
    """One outcome for each payment that is recalled, or whose recall is answered. Raises `InputError`."""
    message = parsed.message
    if message not in (CAMT_056, CAMT_029):
        raise InputError(f"a {message.name} recalls nothing", "Document")
    reading = Reading(parsed, limits.BATCH_PAYMENTS_MAX)
    outcomes = []
    for one in reading.transactions():
        ours = ours_of(message, one, reading.lost).ours
        where = f"{one.path}[{one.number}]"
        if "payment_id" not in ours:
            raise InputError("it does not say which payment", where)
        code, note = _reasons(ours.get("reasons", ()))
        if message is CAMT_029:
            status = ours.get("status") or ours.get("conclusion", PENDING)
            code, note = status, f"{code}: {note}" if code and note else code or note
        fields = {
            "payment_id": ours["payment_id"],
            "label": "disputed",
            "known_at": read_time(ours["known_at"], zone),
            "source": ours.get("source", message.name)[: limits.ID_LENGTH_MAX],
            "kind": code or None,
            "note": note[: limits.TEXT_LENGTH_MAX] or None,
        }
        if len(note) > limits.TEXT_LENGTH_MAX:
            reading.lost[f"{one.path}/AddtlInf (characters after {limits.TEXT_LENGTH_MAX})"] = 1
        outcomes.append(build(Outcome, fields))
    if not outcomes:
        raise InputError("it names no transaction; a whole group is not recalled here", message.transaction)
    return tuple(outcomes), counted(reading.lost, parsed.notes)


def _reasons(reasons: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, str]:
    """The first code, and all lines."""
    code = next((code for code, _ in reasons if code), "")
    return code, " ".join(joined(lines, REASON_LENGTH).strip() for _, lines in reasons if lines)


def write_recalls_as(message: Message, outcomes: Sequence[Outcome]) -> tuple[bytes, tuple[Lost, ...]]:
    """camt.056 that recalls these payments, or camt.029 that answers (`kind` is then the status; else it is pending)."""
    if not outcomes:
        raise InputError("a recall names at least one payment")
    lost: dict[str, int] = {}
    transactions = []
    statuses = []
    for outcome in outcomes:
        ours = _recall(outcome) if message is CAMT_056 else _answer(outcome)
        statuses.append(CONCLUSIONS.get(outcome.kind or "", PENDING))
        out = elements_of(message, ours)
        transactions.append(out.elements)
        if "payment_id" in out.lost:
            raise InputError("an id of more than 35 characters, and no UETR, cannot be recalled by it", "payment_id")
        gone = out.lost if outcome.label == "disputed" else [*out.lost, "label"]
        for name in gone:
            lost[name] = lost.get(name, 0) + 1
    fixed = {path: element(path, text) for path, text in message.fixed}
    shared = {
        "known_at": max(o.known_at for o in outcomes),
        "case_id": reference("\n".join(o.payment_id for o in outcomes)),
        "source": outcomes[0].source,
        "conclusion": statuses[0] if message is CAMT_029 else None,
    }
    head = elements_of(message, shared)
    for name in head.lost:
        lost[name] = lost.get(name, 0) + 1
    if any(path.startswith("Assgnmt/Assgnr/") for path in head.elements):
        fixed = {path: made for path, made in fixed.items() if "/Assgnr/" not in path}
    return write(message, fixed | head.elements, transactions), counted(lost, ())


def _recall(outcome: Outcome) -> dict[str, Any]:
    code = outcome.kind or "NARR"
    return {"payment_id": outcome.payment_id, "reasons": [(code, lines_of(outcome.note or "", REASON_LENGTH))]}


def _answer(outcome: Outcome) -> dict[str, Any]:
    status = _TRANSACTION_STATUS[CONCLUSIONS.get(outcome.kind or "", PENDING)]
    lines = lines_of(outcome.note or "", REASON_LENGTH)
    return {"payment_id": outcome.payment_id, "status": status, "reasons": [("NARR", lines)] if lines else None}
