"""One decision: what and why first, then everything it rested on; label it, or judge it again under a draft."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, get_args

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, PathParameter

from lianfang.console.found import asking
from lianfang.console.installation import Console
from lianfang.console.knowing import tell_outcome
from lianfang.console.page import language, page
from lianfang.console.pictures import Feature, features_of, network, story
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import Act, act, signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.finding import Finder, Query, Records, Related, Shown, Sought
from lianfang.infra.sql import record
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.services.decide import store
from lianfang.services.decide.drafting import as_it_would_be
from lianfang.services.decide.drafts import Draft
from lianfang.services.decide.drafts_store import all_drafts, one_draft
from lianfang.services.decide.publisher import Publisher
from lianfang.services.decide.rejudging import Rejudged, book_of, hits_of, rejudge
from lianfang.services.identity.people_store import Session
from lianfang.wire.outcome import Label

HISTORY: Final = 60
"""So many of the payer's latest payments make a feature's small chart."""
DRAFTS: Final = 20
OPEN_DRAFTS: Final = ("draft", "approved", "shadow", "share")
LABELS: Final[tuple[Label, ...]] = get_args(Label)
_POINT: Final = re.compile(r"\d{1,9}")
Seq = Annotated[int, PathParameter(ge=1, le=2**62)]


class Whole(NamedTuple):
    """Everything a page of one decision shows."""

    shown: Shown
    features: list[Feature]
    quiet: list[Feature]
    related: list[Related]


class Both(NamedTuple):
    """The answer given, judged again by the rules of now, and by a draft's."""

    draft: Draft
    now: Rejudged
    then: Rejudged


@get("/console/payments/{payment_id:str}", include_in_schema=False)
async def decision(request: AnyRequest, payment_id: FromPath[str], done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    if not payment_id.isprintable() or len(payment_id) > limits.ID_LENGTH_MAX:
        raise NotFoundError("no decision of this payment is on record here", "path")
    shown = await asking(request, lambda _, records: records.one(payment_id))
    return await _show(request, session, _must(shown), said=done)


@get("/console/payments/seq/{seq:int}", include_in_schema=False)
async def decision_by_seq(request: AnyRequest, seq: Seq, done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    return await _show(request, session, await _by_seq(request, seq), said=done)


@post("/console/payments/seq/{seq:int}/unmask", include_in_schema=False, status_code=200)
async def decision_unmask(request: AnyRequest, seq: Seq) -> Response[bytes]:
    """Personal data for this one view. The audit entry is written first."""
    who = await act(request, "unmask")
    shown = await _by_seq(request, seq)
    await writing(request, lambda c: _audit(c, who, "payment.unmask", shown, {}))
    return await _show(request, who.session, shown, unmasked=True)


@post("/console/payments/seq/{seq:int}/label", include_in_schema=False, status_code=200)
async def decision_label(request: AnyRequest, seq: Seq) -> Any:
    """What it turned out to be: an outcome like any other, by this person."""
    who = await act(request, "label")
    shown = await _by_seq(request, seq)
    label, kind, note = who.form.get("label"), who.form.get("kind"), who.form.get("note")
    await tell_outcome(request, who, shown.payment.id, label, kind, note)
    await writing(request, lambda c: _audit(c, who, "payment.label", shown, {"label": label, "kind": kind}))
    return done(f"/console/payments/seq/{seq}", "labelled")


@post("/console/payments/seq/{seq:int}/rejudge", include_in_schema=False, status_code=200)
async def decision_rejudge(request: AnyRequest, seq: Seq) -> Response[bytes]:
    """The same payment under a draft, beside what was answered. Nothing is changed or recorded."""
    who = await act(request, "see", reasoned=False)
    shown = await _by_seq(request, seq)
    number = who.form.get("draft")
    if not _POINT.fullmatch(number):
        raise InputError("choose a draft", "draft")
    draft = await reading(request, lambda c: one_draft(c, int(number)))
    if draft is None:
        raise NotFoundError("there is no such draft", "draft")
    both = await asyncio.to_thread(_rejudge, request, shown, draft)
    return await _show(request, who.session, shown, both=both)


def _rejudge(request: AnyRequest, shown: Shown, draft: Draft) -> Both:
    publisher: Publisher = request.app.state.publisher
    named = {one.name: one.value for one in features_of(shown, publisher, ())}
    with request.app.state.database.reading() as connection:
        sets = (publisher.ruleset, as_it_would_be(publisher, connection, draft.change))
        listed = hits_of(connection, shown.payment, shown.at)
        lists = store.list_names(connection)
    now, then = (
        rejudge(book_of(one, lists), shown.payment, named, shown.decision.score, listed, shown.decision.tags)
        for one in sets
    )
    return Both(draft, now, then)


async def _by_seq(request: AnyRequest, seq: int) -> Shown:
    found = await asking(request, lambda _, records: records.read([seq]))
    return _must(found[0] if found else None)


def _must(shown: Shown | None) -> Shown:
    if shown is None:
        raise NotFoundError("no decision of this payment is on record here", "path")
    return shown


def _audit(connection: Any, who: Act, name: str, shown: Shown, detail: dict[str, Any]) -> None:
    record(
        connection, who=who.by, act=name, what=shown.payment.id, reason=who.reason, at=who.at,
        detail={"seq": shown.seq, **detail},
    )  # fmt: skip


def _whole(finder: Finder, records: Records, shown: Shown, publisher: Publisher) -> Whole:
    past: Sequence[Shown] = ()
    if shown.payment.payer.account is not None:
        asked = Query(
            subject=Sought(shown.payment.payer.account, "account", "payer"), before_seq=shown.seq + 1, limit=HISTORY
        )
        past = records.read(finder.find(asked).seqs, outcomes=False)[::-1]
    features = features_of(shown, publisher, past)
    loud = [one for one in features if one.read or one.value]
    return Whole(shown, loud, [one for one in features if not (one.read or one.value)], records.related(shown.payment))


async def _show(
    request: AnyRequest,
    session: Session,
    shown: Shown,
    *,
    said: str = "",
    unmasked: bool = False,
    both: Both | None = None,
) -> Response[bytes]:
    publisher: Publisher = request.app.state.publisher
    whole = await asking(request, lambda finder, records: _whole(finder, records, shown, publisher))
    drafts = await reading(request, lambda c: all_drafts(c, limit=DRAFTS))
    console: Console = request.app.state.console
    names = {one.id for one in publisher.ruleset.rules}
    return page(
        request, "decision.html", session, graph=True, whole=whole, payment=shown.payment, decision=shown.decision,
        reasons=shown.decision.reasons, seq=shown.seq, unmasked=unmasked, both=both, done=said, labels=LABELS,
        drafts=[one for one in drafts if one.state in OPEN_DRAFTS], groups=story(shown.payment, console.zone),
        network=network(shown, whole.related, language(request)), known_rules=names,
        raw_attributes={key: msgspec.json.encode(value).decode() for key, value in shown.payment.attributes.items()},
    )  # fmt: skip


ROUTES: Final = (decision, decision_by_seq, decision_unmask, decision_label, decision_rejudge)
"""Registered whole."""
