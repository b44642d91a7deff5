"""HTTP of payments found again, at the desk. `app.state.finder` and `.found_records` do the work.

A subject is asked for in a body: an address (and so a proxy's log) never holds a raw identifier of a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body
from lianfang.infra.finding import Finder, FoundRow, Query, Records, Shown
from lianfang.infra.finding.query import LIMIT_DEFAULT, LIMIT_MAX
from lianfang.kernel import limits
from lianfang.kernel.instant import instant
from lianfang.wire import Action, Label, Reader
from lianfang.wire.payment import Channel, Kind

T = TypeVar("T")
_SEQ_MAX: Final = 2**62
Word = Annotated[str | None, QueryParameter(min_length=1, max_length=limits.NAME_LENGTH_MAX)]
Minor = Annotated[int | None, QueryParameter(ge=0, le=limits.AMOUNT_MAX)]
Actions = Annotated[list[Action] | None, QueryParameter(max_items=8, description="May be repeated: any of them")]


class ReasonSaid(msgspec.Struct, frozen=True):
    """One reason: what rules call it by, which rule or list said it, and its sentence."""

    code: str
    name: str
    zh: str
    en: str


class PaymentFound(msgspec.Struct, frozen=True, kw_only=True):
    """One decision (or outcome: `outcome`, with the decision it is about). No subject of the payment is here.

    Null id and no reasons: the record itself is no longer kept, only its row of the index.
    """

    seq: int
    at: datetime
    outcome: bool
    decision_seq: int | None
    payment_id: str | None
    amount: int
    currency: str | None
    action: Action | None
    kind: Kind | None
    channel: Channel | None
    unsure: bool
    score: float | None
    reasons: list[ReasonSaid]
    labels: list[Label]
    """What became known of it, the newest first."""


class PaymentsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first. `next`: the `before_seq` to go on with; `complete`: false where looking ended before the page was full.

    `missing`: records that were decided and can not be found yet.
    """

    payments: list[PaymentFound]
    next: int | None
    complete: bool
    missing: int


_read_query: Final = Reader(Query)


def page_of(finder: Finder, records: Records, query: Query) -> PaymentsPage:
    """One page, with what the records say of each row."""
    page = finder.find(query)
    shown = records.by_seq(page.seqs)
    rows = [_found(row, shown.get(row.seq)) for row in page.rows]
    return PaymentsPage(payments=rows, next=page.next, complete=page.complete, missing=page.missing)


def _found(row: FoundRow, shown: Shown | None) -> PaymentFound:
    decision = shown.decision if shown is not None else None
    return PaymentFound(
        **msgspec.structs.asdict(row),
        payment_id=decision.payment_id if decision is not None else None,
        score=decision.score if decision is not None else None,
        reasons=[ReasonSaid(one.code, one.name, one.zh, one.en) for one in decision.reasons] if decision else [],
        labels=[one.label for one in shown.outcomes] if shown is not None else [],
    )


async def _asked(request: AnyRequest, ask: Callable[[Finder, Records], T]) -> T:
    state: Any = request.app.state
    return await asyncio.to_thread(ask, state.finder, state.found_records)


@get("/v1/payments", summary="Payments by what was decided, and why; the newest first",
     opt={"scope": "read", "answer": PaymentsPage})  # fmt: skip
async def payments_find(
    request: AnyRequest,
    payment_id: Word = None,
    rule: Word = None,
    shadow: Word = None,
    reason: Word = None,
    action: Actions = None,
    unsure: FromQuery[bool | None] = None,
    label: FromQuery[Label | None] = None,
    scam: Word = None,
    kind: FromQuery[Kind | None] = None,
    channel: FromQuery[Channel | None] = None,
    currency: Annotated[str | None, QueryParameter(min_length=3, max_length=3)] = None,
    amount_from: Minor = None,
    amount_to: Minor = None,
    time_from: FromQuery[datetime | None] = None,
    time_to: FromQuery[datetime | None] = None,
    before_seq: Annotated[int | None, QueryParameter(ge=0, le=_SEQ_MAX)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> Response[bytes]:
    authorized(request, "read")
    query = Query(
        payment_id=payment_id, rule=rule, shadow=shadow, reason=reason, actions=tuple(action or ()), unsure=unsure,
        label=label, scam=scam, kind=kind, channel=channel, currency=currency, amount_from=amount_from,
        amount_to=amount_to, before_seq=before_seq, limit=limit,
        time_from=None if time_from is None else instant(time_from),
        time_to=None if time_to is None else instant(time_to),
    )  # fmt: skip
    return answer(await _asked(request, lambda finder, records: page_of(finder, records, query)))


@post("/v1/payments/find", status_code=200, summary="The same, asked in a body, and by a subject too",
      opt={"scope": "read", "body": Query, "answer": PaymentsPage})  # fmt: skip
async def payments_ask(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    query = await body(request, _read_query)
    return answer(await _asked(request, lambda finder, records: page_of(finder, records, query)))


@get("/v1/payments/{payment_id:str}", summary="One payment and its decision whole: features, reasons, what became known of it",
     opt={"scope": "read", "answer": Shown})  # fmt: skip
async def payment_show(request: AnyRequest, payment_id: FromPath[str]) -> Response[bytes]:
    authorized(request, "read")
    if not payment_id.isprintable() or len(payment_id) > limits.ID_LENGTH_MAX:
        raise NotFoundError("no decision of this payment is on record here", "path")
    found = await _asked(request, lambda _, records: records.one(payment_id))
    if found is None:
        raise NotFoundError("no decision of this payment is on record here", "path")
    return answer(found)


ROUTES: Final = (payments_find, payments_ask, payment_show)
