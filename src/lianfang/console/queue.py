"""The queue: alerts to work on, the most money first. One person takes one; closing it says what its payments were."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, PathParameter

from lianfang.console.found import asking, rows_of
from lianfang.console.installation import Console
from lianfang.console.knowing import outcome_of, tell
from lianfang.console.page import page
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import Act, act, signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.finding import FoundRow
from lianfang.infra.sql import changes
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import HOUR, Instant, moment
from lianfang.services.cases import store
from lianfang.services.cases.alerts import TARGET_US, VERDICTS
from lianfang.services.cases.store import Order, Whose

ITEMS_SHOWN: Final = 100
CLOSE_MAX: Final = 1_000
"""Payments that one closing labels; of a larger alert, the newest."""
SNOOZES: Final = {"1h": HOUR, "4h": 4 * HOUR, "24h": 24 * HOUR}
Number = Annotated[int, PathParameter(ge=1, le=2**62)]
Acts = Literal["take", "release", "snooze", "close"]


@get("/console/queue", include_in_schema=False)
async def queue(
    request: AnyRequest,
    whose: FromQuery[Whose] = "free",
    order: FromQuery[Order] = "risk",
    done: FromQuery[str] = "",
) -> Response[bytes]:
    session = await signed(request)
    me, at = session.person.by, Instant(request.app.state.wall())
    found, counts = await reading(request, lambda c: (store.queue(c, whose, me, at, order), store.counts(c, me, at)))
    return page(
        request, "queue.html", session, alerts=found, counts=counts, whose=whose, order=order, done=done, me=me,
        target=TARGET_US, most=store.PAGE_MAX,
    )  # fmt: skip


@get("/console/queue/{alert:int}", include_in_schema=False)
async def alert(request: AnyRequest, alert: Number, done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    at = Instant(request.app.state.wall())
    found, items, history = await reading(
        request,
        lambda c: (
            store.one_alert(c, alert, at),
            store.items_of(c, alert, ITEMS_SHOWN),
            changes(c, what=f"alert {alert}", act="alert"),
        ),
    )
    if found is None:
        raise NotFoundError("there is no such alert; its payments may have joined a ring", "path")
    lines = tuple(
        FoundRow(
            seq=one.seq, at=moment(one.at), outcome=False, decision_seq=None, amount=one.amount, currency=one.currency,
            action=one.action, kind=None, channel=None, unsure=False,
        )
        for one in items
    )  # fmt: skip
    rows = await asking(request, lambda _, records: rows_of(lines, records))
    whys: dict[str, Any] = {}
    for row in rows:
        for why in row.shown.decision.reasons if row.shown else ():
            whys.setdefault(why.name, [why, 0])[1] += 1
    return page(
        request, "alert.html", session, alert=found, rows=rows, history=history, done=done, me=session.person.by,
        whys=sorted(whys.values(), key=lambda one: -one[1]), target=TARGET_US, verdicts=VERDICTS, snoozes=SNOOZES,
        shown_most=ITEMS_SHOWN,
    )  # fmt: skip


@post("/console/queue/{alert:int}/{what:str}", include_in_schema=False, status_code=200)
async def alert_act(request: AnyRequest, alert: Number, what: FromPath[Acts]) -> Any:
    """Take it, give it back, let it rest, or close it."""
    who = await act(request, "work", reasoned=what != "take")
    if what == "take":
        await writing(request, lambda c: store.take(c, alert, by=who.by, at=who.at))
    elif what == "release":
        await writing(request, lambda c: store.release(c, alert, by=who.by, at=who.at, reason=who.reason))
    elif what == "snooze":
        span = SNOOZES.get(who.form.get("for"))
        if span is None:
            raise InputError("choose how long", "for")
        until = who.at + span
        await writing(request, lambda c: store.snooze(c, alert, until, by=who.by, at=who.at, reason=who.reason))
    else:
        await _close(request, who, alert)
    return done(f"/console/queue/{alert}", what)


async def _close(request: AnyRequest, who: Act, alert: int) -> None:
    """First the outcomes, then the closing: what fails between leaves an open alert, and the same outcomes again harm nothing."""
    verdict, kind, note = who.form.get("verdict"), who.form.get("kind"), who.form.get("note")
    if verdict not in VERDICTS:
        raise InputError("say what it was", "verdict")
    console: Console = request.app.state.console
    await reading(request, lambda c: store.must_be_mine(c, alert, who.by))
    if verdict != "unclear":
        items = await reading(request, lambda c: store.items_of(c, alert, CLOSE_MAX))
        told = [outcome_of(one.payment_id, verdict, who.at, who.by, kind, note) for one in items]
        await asyncio.to_thread(tell, console.ask_decider, told)
    await writing(request, lambda c: store.close(c, alert, verdict, by=who.by, at=who.at, reason=who.reason))


ROUTES: Final = (queue, alert, alert_act)
"""Registered whole."""
