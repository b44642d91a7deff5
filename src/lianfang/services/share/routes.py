"""HTTP of sharing, at the desk. A subject is asked for in a body: no address ever holds a raw identifier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Meta

from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body, reason_of
from lianfang.kernel.errors import InputError
from lianfang.kernel.limits import TEXT_LENGTH_MAX
from lianfang.services.share import meeting_store, publishing_store
from lianfang.services.share.book import Book
from lianfang.services.share.holding import Spelled, Unfit, spelled
from lianfang.services.share.meeting import Benefit
from lianfang.services.share.portrait import Portrait
from lianfang.services.share.publishing import Appealed, Opined, Proposal, Wanted, Withdrawn
from lianfang.services.share.publishing_store import OutboxShown
from lianfang.services.share.sharing import Sharing
from lianfang.wire import Reader, Stance, SubjectKind
from lianfang.wire.sharing import AppealState, TagId, Withdrawal

T = TypeVar("T")
SUBJECTS_MAX: Final = 5_000
"""Subjects of one request."""
Value = Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX)]


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who or what is asked about. `ask`: spend quota where it is not held."""

    kind: SubjectKind
    value: Value
    ask: bool = False


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One subject of the node's own."""

    kind: Annotated[str, Meta(max_length=20)]
    value: Value


class TakingBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tag of this node's that is withdrawn."""

    of: TagId
    reason: Withdrawal


class Opinion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this member thinks of another's tag."""

    of: TagId
    stance: Stance


class Appeal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person contests a tag; or, of a regulator, how that is decided."""

    of: TagId
    state: AppealState = "opened"


class Queued(msgspec.Struct, frozen=True):
    """What will be sent; see `outbox` of the state."""

    key: str


class Imported(msgspec.Struct, frozen=True):
    """Of the subjects that came: how many were new, and why which were left out."""

    new: int
    unfit: dict[str, int]


class Alliance(Protocol):
    """This node's part in the alliance, as `app` puts it together."""

    sharing: Sharing
    book: Book

    def state(self) -> dict[str, Any]: ...


_read_wanted: Final = Reader(Wanted)
_read_subject: Final = Reader(Subject)
_read_held: Final = Reader(list[Held])
_read_taking_back: Final = Reader(TakingBack)
_read_opinion: Final = Reader(Opinion)
_read_appeal: Final = Reader(Appeal)


def alliance_of(request: AnyRequest) -> Alliance:
    """The desk's own. Raises `NotFoundError` where it is in none."""
    found: Alliance | None = request.app.state.alliance
    if found is None:
        raise NotFoundError(
            "this node is in no alliance: write alliance.toml into its data folder, and restart it", "path"
        )
    return found


async def _reading(request: AnyRequest, ask: Callable[[Any], T]) -> T:
    def run() -> T:
        with request.app.state.database.reading() as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


async def _writing(request: AnyRequest, change: Callable[[Any], T]) -> T:
    def run() -> T:
        with request.app.state.database.writing() as connection:
            return change(connection)

    done = await asyncio.to_thread(run)
    alliance_of(request).sharing.work.set()
    return done


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFoundError("a proposal has a number", "path")
    return int(text)


@get("/v1/share", summary="How far this node is with the alliance: log, tokens, what waits, what is wrong",
     opt={"scope": "read", "answer": dict[str, Any]})  # fmt: skip
async def share_state(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    alliance = alliance_of(request)
    return answer(await asyncio.to_thread(alliance.state))


@get("/v1/share/proposals", summary="Tags proposed here, the newest first; no subject is named",
     opt={"scope": "read", "answer": list[dict[str, Any]]})  # fmt: skip
async def proposals(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    alliance_of(request)
    found = await _reading(request, publishing_store.proposals)
    return answer([_shown(one) for one in found])


@get("/v1/share/proposals/{proposal_id:str}", summary="One proposal, with its subject",
     opt={"scope": "share", "answer": Proposal})  # fmt: skip
async def proposal_show(request: AnyRequest, proposal_id: FromPath[str]) -> Response[bytes]:
    authorized(request, "share")
    alliance_of(request)
    number = _number(proposal_id)
    return answer(await _reading(request, lambda c: _found(c, number)))


@post("/v1/share/proposals", status_code=201, summary="Propose a tag; nothing is shared before another person approves",
      opt={"scope": "share", "reason": True, "body": Wanted, "answer": Proposal})  # fmt: skip
async def propose(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "share")
    alliance_of(request)
    wanted = await body(request, _read_wanted)
    at, reason, tag = request.app.state.wall(), reason_of(request), request.app.state.random(16).hex()
    made = await _writing(request, lambda c: publishing_store.propose(c, wanted, tag, by=by, at=at, reason=reason))
    return answer(made, 201)


@post("/v1/share/proposals/{proposal_id:str}/approve", status_code=200, summary="Approve a proposal: it is published",
      opt={"scope": "approve", "reason": True, "answer": Proposal})  # fmt: skip
async def approve(request: AnyRequest, proposal_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "approve")
    alliance_of(request)
    at, reason, number = request.app.state.wall(), reason_of(request), _number(proposal_id)
    two = request.app.state.two_people

    def change(connection: Any) -> Proposal:
        _found(connection, number)
        return publishing_store.approve(connection, number, by=by, at=at, reason=reason, two_people=two)

    return answer(await _writing(request, change))


@post("/v1/share/proposals/{proposal_id:str}/reject", status_code=200, summary="Reject a proposal",
      opt={"scope": "approve", "reason": True, "answer": Proposal})  # fmt: skip
async def reject(request: AnyRequest, proposal_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "approve")
    alliance_of(request)
    at, reason, number = request.app.state.wall(), reason_of(request), _number(proposal_id)

    def change(connection: Any) -> Proposal:
        _found(connection, number)
        return publishing_store.reject(connection, number, by=by, at=at, reason=reason)

    return answer(await _writing(request, change))


@post("/v1/share/withdraw", status_code=200, summary="Take back a tag of this node's",
      opt={"scope": "share", "reason": True, "body": TakingBack, "answer": Queued})  # fmt: skip
async def withdraw(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "share")
    alliance_of(request)
    said = await body(request, _read_taking_back)
    if said.reason not in ("mistaken", "resolved"):
        raise InputError(
            "a member withdraws its tag as `mistaken` or `resolved`; the rest is the operator's", "$.reason"
        )
    return await _queue(request, Withdrawn(said.of, said.reason), by)


@post("/v1/share/opinion", status_code=200, summary="Agree with, or dispute, another member's tag",
      opt={"scope": "share", "reason": True, "body": Opinion, "answer": Queued})  # fmt: skip
async def opinion(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "share")
    alliance_of(request)
    said = await body(request, _read_opinion)
    return await _queue(request, Opined(said.of, said.stance), by)


@post("/v1/share/appeal", status_code=200, summary="A person contests a tag, through this member",
      opt={"scope": "share", "reason": True, "body": Appeal, "answer": Queued})  # fmt: skip
async def appeal(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "share")
    alliance_of(request)
    said = await body(request, _read_appeal)
    return await _queue(request, Appealed(said.of, said.state), by)


async def _queue(request: AnyRequest, intent: Withdrawn | Opined | Appealed, by: str) -> Response[bytes]:
    at, reason = request.app.state.wall(), reason_of(request)
    key = await _writing(request, lambda c: publishing_store.intend(c, intent, by=by, at=at, reason=reason))
    return answer(Queued(key))


@get("/v1/share/outbox", summary="What was, or is to be, sent to the hub, the newest first",
     opt={"scope": "read", "answer": list[OutboxShown]})  # fmt: skip
async def outbox(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    alliance_of(request)
    return answer(await _reading(request, publishing_store.outbox))


@post("/v1/share/portrait", status_code=200, summary="Who said what of a subject, when, how sure; the look is on record",
      opt={"scope": "share", "reason": True, "body": Subject, "answer": Portrait})  # fmt: skip
async def portrait(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "share")
    sharing = alliance_of(request).sharing
    said = await body(request, _read_subject)
    found = await sharing.portrait(said.kind, said.value, by=by, reason=reason_of(request), ask=said.ask)
    return answer(found)


@post("/v1/share/subjects", status_code=200, summary="Subjects of this node's own customers: their tokens are fetched beforehand",
      opt={"scope": "share", "body": list[Held], "answer": Imported})  # fmt: skip
async def subjects(request: AnyRequest) -> Response[bytes]:
    authorized(request, "share")
    alliance = alliance_of(request)
    came = await body(request, _read_held)
    if len(came) > SUBJECTS_MAX:
        raise InputError(f"at most {SUBJECTS_MAX} subjects in one request", "$")
    return answer(await asyncio.to_thread(_hold, alliance, came))


def _hold(alliance: Alliance, came: list[Held]) -> Imported:
    read = [spelled(one.kind, one.value) for one in came]
    unfit = [one for one in read if isinstance(one, Unfit)]
    new = alliance.book.hold([one for one in read if isinstance(one, Spelled)], "customer", unfit)
    alliance.sharing.work.set()
    why: dict[str, int] = {}
    for one in unfit:
        said = f"{one.kind}: {one.why}"
        why[said] = why.get(said, 0) + 1
    return Imported(new, why)


@get("/v1/share/benefit", summary="By month and contributor: payments that met its tags, were stopped, were fraud or genuine",
     opt={"scope": "read", "answer": list[Benefit]})  # fmt: skip
async def benefit(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    alliance_of(request)
    return answer(await _reading(request, meeting_store.benefit))


def _found(connection: Any, number: int) -> Proposal:
    try:
        return publishing_store.proposal(connection, number)
    except InputError as why:
        raise NotFoundError(why.what, "path") from why


def _shown(one: Proposal) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(one)
    del shown["normal"]
    return shown


ROUTES: Final = (
    share_state, proposals, proposal_show, propose, approve, reject, withdraw, opinion, appeal, outbox, portrait, subjects,
    benefit,
)  # fmt: skip
