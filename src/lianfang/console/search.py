"""Search: any decision again, by an id, a subject or what was decided. What is looked for never stands in an address."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Annotated, Any, Final, cast, get_args
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from lianfang.console.found import (
    ACTION_FIELD,
    KINDS,
    Row,
    address,
    asking,
    fields_of,
    fields_sent,
    query_of,
    rows_of,
    sought_id,
)
from lianfang.console.installation import Console
from lianfang.console.page import page
from lianfang.console.reach import done, reading, writing
from lianfang.console.shown import masked
from lianfang.console.signed import Act, act, signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.finding import Count, Finder, Page, Query, Records
from lianfang.infra.sql import record
from lianfang.kernel.errors import InputError
from lianfang.services.cases import SavedQuery, queries
from lianfang.services.cases.exporting import Format, pages, write_export
from lianfang.services.identity.people_store import Session
from lianfang.wire.decision import ACTIONS
from lianfang.wire.outcome import Label
from lianfang.wire.payment import Channel, Kind

PIECE: Final = 1 << 16
SPOOL_BYTES: Final = 8 << 20
"""An export larger than this is written to disk before it is sent."""
ID_BYTES: Final = 12
COUNT_LOOK: Final = 500_000
"""Rows that counting looks at; beyond, the page says `more than`: the rows found matter more than their number."""
CHOICES: Final[dict[str, Any]] = {
    "kinds": get_args(Kind), "channels": get_args(Channel), "labels": get_args(Label), "actions": ACTIONS,
    "subject_kinds": KINDS,
}  # fmt: skip
TYPES: Final[dict[Format, str]] = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
Before = Annotated[int | None, QueryParameter(ge=1, le=2**62)]
Word = Annotated[str | None, QueryParameter(min_length=1, max_length=64)]


@get("/console/search", include_in_schema=False)
async def search(
    request: AnyRequest,
    before: Before = None,
    rule: Word = None,
    shadow: Word = None,
    reason: Word = None,
    action: Word = None,
    label: Word = None,
    done: FromQuery[str] = "",
) -> Response[bytes]:
    """The newest decisions, or those of a rule, a reason or an action: what is no person's may stand in an address."""
    session = await signed(request)
    said = {"rule": rule, "shadow": shadow, "reason": reason, "label": label, "before_seq": before}
    try:
        made = {name: value for name, value in said.items() if value is not None}
        query = msgspec.convert(made | ({"actions": (action,)} if action else {}), Query)
    except msgspec.ValidationError as why:
        raise InputError(f"this cannot be looked for: {why}", "search") from why
    plain = {"rule": rule, "shadow": shadow, "reason": reason, "action": action, "label": label}
    tail = urlencode({name: value for name, value in plain.items() if value})
    return await _show(request, session, query, None, "/console/search?" + tail, done)


@post("/console/search", include_in_schema=False, status_code=200)
async def search_ask(request: AnyRequest) -> Any:
    """Keeps what is asked under a random name and leads there; an id leads to its payment at once."""
    who = await act(request, "see", reasoned=False)
    console: Console = request.app.state.console
    query = query_of(fields_sent(who.form), who.form.all(ACTION_FIELD), console.zone)
    bare = sought_id(query)
    if bare is not None:
        one = await asking(request, lambda _, records: records.one(bare))
        if one is not None:
            return done(address(one.payment.id, one.seq))
    made = SavedQuery(secrets.token_urlsafe(ID_BYTES), who.session.person.name, "", query, who.at)
    await writing(request, lambda c: queries.keep(c, made))
    return done(f"/console/search/q/{made.id}")


@get("/console/search/q/{query_id:str}", include_in_schema=False)
async def search_saved(
    request: AnyRequest, query_id: FromPath[str], before: Before = None, done: FromQuery[str] = ""
) -> Response[bytes]:
    session = await signed(request)
    saved = await _saved(request, session, query_id)
    query = msgspec.structs.replace(saved.query, before_seq=before)
    return await _show(request, session, query, saved, f"/console/search/q/{saved.id}?", done)


@post("/console/search/q/{query_id:str}/name", include_in_schema=False, status_code=200)
async def search_name(request: AnyRequest, query_id: FromPath[str]) -> Any:
    who = await act(request, "see", reasoned=False)
    person, called = who.session.person.name, who.form.get("name")
    await writing(request, lambda c: queries.name(c, query_id, person, called, who.at))
    return done(f"/console/search/q/{query_id}", "kept")


@post("/console/search/q/{query_id:str}/forget", include_in_schema=False, status_code=200)
async def search_forget(request: AnyRequest, query_id: FromPath[str]) -> Any:
    who = await act(request, "see", reasoned=False)
    await writing(request, lambda c: queries.forget(c, query_id, who.session.person.name))
    return done("/console/search", "forgotten")


@post("/console/search/q/{query_id:str}/export", include_in_schema=False, status_code=200)
async def search_export(request: AnyRequest, query_id: FromPath[str]) -> Any:
    """The whole of a search as a file. The audit entry is written before the first byte leaves."""
    who = await act(request, "export")
    saved = await _saved(request, who.session, query_id)
    how = next((one for one in TYPES if one == who.form.get("format")), None)
    if how is None:
        raise InputError("an export is csv or parquet", "format")
    file, rows = await asking(request, lambda finder, records: _export(finder, records, saved.query, how))
    await writing(request, lambda c: _told(c, who, saved.query, how, rows))
    return Stream(
        _pieces(file), media_type=TYPES[how],
        headers={"Content-Disposition": f'attachment; filename="payments.{how}"', "Cache-Control": "no-store"},
    )  # fmt: skip


def _export(finder: Finder, records: Records, query: Query, how: Format) -> tuple[IO[bytes], int]:
    file = cast("IO[bytes]", tempfile.SpooledTemporaryFile(SPOOL_BYTES))  # noqa: SIM115 - the stream closes it
    rows = write_export(file, how, pages(finder, records, query), masked)
    file.seek(0)
    return file, rows


def _told(connection: Any, who: Act, query: Query, how: str, rows: int) -> None:
    detail = {"rows": rows, "format": how}
    record(
        connection, who=who.by, act="payments.export", what=queries.query_hash(query), reason=who.reason, at=who.at,
        detail=detail,
    )  # fmt: skip


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


async def _saved(request: AnyRequest, session: Session, query_id: str) -> SavedQuery:
    found = await reading(request, lambda c: queries.one(c, query_id, session.person.name))
    if found is None:
        raise NotFoundError("this search is not kept any more, or is another person's: search again", "path")
    return found


def _look(finder: Finder, records: Records, query: Query) -> tuple[Page, list[Row], Count]:
    found = finder.find(query)
    counted = finder.count(msgspec.structs.replace(query, before_seq=None), look_max=COUNT_LOOK)
    return found, rows_of(found.rows, records), counted


async def _show(
    request: AnyRequest, session: Session, query: Query, saved: SavedQuery | None, base: str, said: str
) -> Response[bytes]:
    console: Console = request.app.state.console
    found, rows, counted = await asking(request, lambda finder, records: _look(finder, records, query))
    mine = await reading(request, lambda c: queries.named(c, session.person.name))
    return page(
        request, "search.html", session, found=found, rows=rows, counted=counted, fields=fields_of(query, console.zone),
        chosen=query.actions, outcomes=query.outcomes, saved=saved, mine=mine, base=base, before=query.before_seq,
        done=said, **CHOICES,
    )  # fmt: skip


ROUTES: Final = (search, search_ask, search_saved, search_name, search_forget, search_export)
