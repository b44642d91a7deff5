"""The hub's HTTP but for what is hot: sessions, acknowledgements, members, state, precision, the operator's acts.

`POST /v1/entries`, the feed and the log's files stand in front of these (`app/hub/door`). Errors are problem details.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from lianfang.infra.asgi import AnyRequest, answer, authorized, body, reason_of
from lianfang.kernel.errors import InputError
from lianfang.services.hub import store
from lianfang.services.hub.access import REFERENCE_HEADER, Accesses
from lianfang.services.hub.hub import Hub
from lianfang.services.hub.members import (
    AppealDecided,
    Expulsion,
    MemberChanged,
    MemberWanted,
    Operator,
    VetoWanted,
)
from lianfang.services.hub.precision import MONTHS_MAX, months, precision
from lianfang.wire import Acknowledgement, CeremonyEntry, MemberEntry, Reader, SessionRequest
from lianfang.wire.payment import Part

SCOPE: Final = "operator"
_read_session: Final = Reader(SessionRequest)
_read_acknowledgement: Final = Reader(Acknowledgement)
_read_member: Final = Reader(MemberWanted)
_read_change: Final = Reader(MemberChanged)
_read_expulsion: Final = Reader(Expulsion)
_read_veto: Final = Reader(VetoWanted)
_read_appeal: Final = Reader(AppealDecided)
_read_ceremony: Final = Reader(CeremonyEntry)


class MembersSaid(Part, frozen=True, kw_only=True):
    """Everybody, those expelled too, as of a size of the log."""

    size: int = 0
    members: tuple[MemberEntry, ...]


class Entered(Part, frozen=True):
    """Where an act stands in the log."""

    index: int


def _hub(request: AnyRequest) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def _operator(request: AnyRequest) -> tuple[Operator, str, str]:
    """Who acts, and why. Raises `AccessError`, `InputError`."""
    who = authorized(request, SCOPE)
    reason = reason_of(request)
    if not reason.strip():
        raise InputError("say why: a change needs its reason in the header Lianfang-Reason", "Lianfang-Reason")
    operator: Operator = request.app.state.operator
    return operator, who, reason


def member_of(request: AnyRequest) -> MemberEntry:
    """The member that asks. Raises `AccessError`."""
    hub = _hub(request)
    member = hub.gate.member(request.headers.get("authorization"), hub.wall())
    request.app.state.check_certificate(member.id, request.scope)
    return member


@post("/v1/sessions", status_code=201, summary="Open a session by a signed request")
async def open_session(request: AnyRequest) -> Response[bytes]:
    hub = _hub(request)
    asked = await body(request, _read_session)
    opened = hub.gate.open(asked, hub.wall())
    request.app.state.check_certificate(asked.member, request.scope)
    accesses: Accesses = request.app.state.accesses
    await accesses.log("session", asked.member, asked.nonce)
    return answer(opened, 201)


@post("/v1/acknowledgements", status_code=200, summary="Say that the log is obeyed up to a size")
async def acknowledge(request: AnyRequest) -> Response[bytes]:
    member = member_of(request)
    told = await body(request, _read_acknowledgement)
    await _hub(request).acknowledge(told, member)
    accesses: Accesses = request.app.state.accesses
    await accesses.log("acknowledge", member.id, request.headers.get(REFERENCE_HEADER), size=told.size)
    return answer({"size": told.size})


@get("/v1/members", summary="The members, as of a size of the log; needs no session, for it names no secret")
async def members(request: AnyRequest) -> Response[bytes]:
    known = _hub(request).known
    return answer(MembersSaid(size=known.size, members=known.roster.everybody))


@get("/v1/state", summary="Size, quorum, alarms, who has not acknowledged what")
async def state(request: AnyRequest) -> Response[bytes]:
    hub = _hub(request)
    if request.headers.get("authorization", "").startswith("Bearer lf_"):
        authorized(request, SCOPE)
    else:
        member_of(request)
    return answer(await asyncio.to_thread(hub.state, request.app.state.acknowledge_within_s))


@get("/v1/precision", summary="By month: how often each contributor was right")
async def precision_of(request: AnyRequest) -> Response[bytes]:
    hub = _hub(request)
    if request.headers.get("authorization", "").startswith("Bearer lf_"):
        authorized(request, SCOPE)
    else:
        member_of(request)
    wanted = str(request.query_params.get("months", "12"))
    if not wanted.isascii() or not wanted.isdigit() or not 1 <= int(wanted) <= MONTHS_MAX:
        raise InputError(f"months is 1 to {MONTHS_MAX}", "months")

    def counted() -> list[Any]:
        with hub.database.reading() as connection:
            return precision(store.stances(connection, months(hub.wall(), int(wanted))))

    return answer(await asyncio.to_thread(counted))


@post("/v1/operator/members", status_code=201, summary="Register a member")
async def add_member(request: AnyRequest) -> Response[bytes]:
    operator, who, reason = _operator(request)
    return answer(Entered(await operator.add(await body(request, _read_member), who, reason)), 201)


@post("/v1/operator/members/{member:str}/change", status_code=200, summary="Rotate keys; change roles, volume, witness")
async def change_member(request: AnyRequest, member: FromPath[str]) -> Response[bytes]:
    operator, who, reason = _operator(request)
    return answer(Entered(await operator.change(member, await body(request, _read_change), who, reason)))


@post("/v1/operator/members/{member:str}/expel", status_code=200, summary="Expel a member: cut off at once")
async def expel_member(request: AnyRequest, member: FromPath[str]) -> Response[bytes]:
    operator, who, reason = _operator(request)
    return answer(Entered(await operator.expel(member, await body(request, _read_expulsion), who, reason)))


@post("/v1/operator/vetoes", status_code=201, summary="A subject that must never be tagged")
async def veto(request: AnyRequest) -> Response[bytes]:
    operator, who, reason = _operator(request)
    return answer(Entered(await operator.veto(await body(request, _read_veto), who, reason)), 201)


@post("/v1/operator/appeals", status_code=201, summary="Open or decide an appeal")
async def appeal(request: AnyRequest) -> Response[bytes]:
    operator, who, reason = _operator(request)
    return answer(Entered(await operator.appeal(await body(request, _read_appeal), who, reason)), 201)


@post("/v1/operator/ceremonies", status_code=201, summary="The public side of an epoch's token keys")
async def ceremony(request: AnyRequest) -> Response[bytes]:
    operator, who, reason = _operator(request)
    return answer(Entered(await operator.ceremony(await body(request, _read_ceremony), who, reason)), 201)


@get("/v1/operator/alarms", summary="Alarms, the newest first")
async def alarms(request: AnyRequest) -> Response[bytes]:
    authorized(request, SCOPE)
    hub = _hub(request)

    def read() -> list[store.Alarm]:
        with hub.database.reading() as connection:
            return store.alarms(connection)

    return answer(await asyncio.to_thread(read))


@get("/v1/operator/members", summary="Members with what only the hub keeps")
async def operator_members(request: AnyRequest) -> Response[bytes]:
    authorized(request, SCOPE)
    hub = _hub(request)

    def read() -> dict[str, store.LocalMember]:
        with hub.database.reading() as connection:
            return store.locals_(connection)

    kept = await asyncio.to_thread(read)
    shown = [
        {**msgspec.to_builtins(one), "local": kept.get(one.id, store.LocalMember(id=one.id))}
        for one in hub.known.roster.everybody
    ]
    return answer(shown)


@get("/healthz", summary="Whether it runs")
async def healthz() -> Response[bytes]:
    return answer({"alive": True})


@get("/readyz", summary="Whether it takes entries, and what needs attention")
async def readyz(request: AnyRequest) -> Response[bytes]:
    attention: dict[str, str] = request.app.state.attention()
    ready = not any(about.startswith("log") for about in attention)
    return answer({"ready": ready, "attention": attention}, 200 if ready else 503)


ROUTES: Final = (
    open_session, acknowledge, members, state, precision_of, add_member, change_member, expel_member, veto, appeal, ceremony,
    alarms, operator_members, healthz, readyz,
)  # fmt: skip
