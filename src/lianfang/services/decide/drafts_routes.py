"""HTTP of drafts, at the desk. `opt` says what `/openapi.json` cannot see (see `routes`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body, reason_of
from lianfang.kernel.errors import InputError
from lianfang.services.decide import drafting, drafts_store
from lianfang.services.decide.at_desk import publisher_of, reading, writing
from lianfang.services.decide.drafts import BACKTEST_BYTES_MAX, Change, Draft, Stage
from lianfang.services.decide.publisher import Publisher
from lianfang.wire import Reader
from lianfang.wire.codec import LAYOUT


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second person's word. `without_backtest`: why it needs none."""

    without_backtest: str = ""


class Going(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a draft is to go. `share`: of the traffic, for the stage `share`."""

    stage: Stage
    share: float | None = None


_read_change: Final = Reader(Change, LAYOUT)
_read_approval: Final = Reader(Approval)
_read_going: Final = Reader(Going)
_read_report: Final = Reader(dict[str, Any], LAYOUT)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFoundError("a draft has a number", "path")
    return int(text)


async def _step(request: AnyRequest, act: Callable[[Publisher, Any], Draft]) -> Response[bytes]:
    """One step of a draft in one transaction."""
    publisher = publisher_of(request)
    return answer(await writing(request, lambda connection: act(publisher, connection), publish=True))


@get("/v1/drafts", summary="Drafts of changes, the newest first", opt={"scope": "read", "answer": list[Draft]})
async def drafts_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(await reading(request, drafts_store.all_drafts))


@get("/v1/drafts/{draft_id:str}", summary="One draft", opt={"scope": "read", "answer": Draft})
async def draft_show(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    authorized(request, "read")
    return answer(await reading(request, lambda c: drafting.found(c, _number(draft_id))))


@post("/v1/drafts", status_code=201, summary="Draft a change of rules, parameters, packs or the model; it changes nothing yet",
      opt={"scope": "rules", "reason": True, "body": Change, "answer": Draft})  # fmt: skip
async def draft_make(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "rules")
    wanted = await body(request, _read_change)
    at, reason, publisher = request.app.state.wall(), reason_of(request), publisher_of(request)
    made = await writing(
        request, lambda c: drafting.make(publisher, c, wanted, by=by, at=at, reason=reason), publish=False
    )
    return answer(made, 201)


@post("/v1/drafts/{draft_id:str}/backtest", status_code=200, summary="Attach what a backtest said of a draft",
      request_max_body_size=BACKTEST_BYTES_MAX,
      opt={"scope": "rules", "reason": True, "body": dict[str, Any], "answer": Draft})  # fmt: skip
async def draft_backtest(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    report = await body(request, _read_report)
    if not report:
        raise InputError("the report of a backtest is not empty", "$")
    at, reason = request.app.state.wall(), reason_of(request)
    text, number = msgspec.json.encode(report), _number(draft_id)
    return await _step(request, lambda p, c: drafting.attach_backtest(p, c, number, text, by=by, at=at, reason=reason))


@post("/v1/drafts/{draft_id:str}/approve", status_code=200, summary="Approve another person's draft",
      opt={"scope": "approve", "reason": True, "body": Approval, "answer": Draft})  # fmt: skip
async def draft_approve(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "approve")
    said = await body(request, _read_approval)
    at, reason = request.app.state.wall(), reason_of(request)
    number, without = _number(draft_id), said.without_backtest
    return await _step(
        request, lambda p, c: drafting.approve(p, c, number, by=by, at=at, reason=reason, without=without)
    )


@post("/v1/drafts/{draft_id:str}/stage", status_code=200,
      summary="Put an approved draft's next stage in force: shadow, a share of the traffic, live",
      opt={"scope": "rules", "reason": True, "body": Going, "answer": Draft})  # fmt: skip
async def draft_stage(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    to = await body(request, _read_going)
    at, reason = request.app.state.wall(), reason_of(request)
    number = _number(draft_id)
    return await _step(request, lambda p, c: drafting.go(p, c, number, to.stage, to.share, by=by, at=at, reason=reason))


@post("/v1/drafts/{draft_id:str}/rollback", status_code=200, summary="What was in force before the draft, in one step",
      opt={"scope": "rules", "reason": True, "answer": Draft})  # fmt: skip
async def draft_roll_back(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    at, reason = request.app.state.wall(), reason_of(request)
    number = _number(draft_id)
    return await _step(request, lambda p, c: drafting.roll_back(p, c, number, by=by, at=at, reason=reason))


@post("/v1/drafts/{draft_id:str}/withdraw", status_code=200, summary="Give up a draft that has taken no effect",
      opt={"scope": "rules", "reason": True, "answer": Draft})  # fmt: skip
async def draft_withdraw(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    at, reason = request.app.state.wall(), reason_of(request)
    number = _number(draft_id)
    return await _step(request, lambda p, c: drafting.withdraw(p, c, number, by=by, at=at, reason=reason))


def refuse_beside_drafts(request: AnyRequest, connection: Any, name: str = "", what: str = "rule") -> None:
    """As `drafting` does, by this node's setting."""
    drafting.refuse_beside_drafts(connection, request.app.state.two_people, name, what)


ROUTES: Final = (
    drafts_list,
    draft_show,
    draft_make,
    draft_backtest,
    draft_approve,
    draft_stage,
    draft_roll_back,
    draft_withdraw,
)
