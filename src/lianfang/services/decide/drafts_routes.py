"""HTTP of drafts, at the desk. `opt` says what `/openapi.json` cannot see (see `routes`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from lianfang.engines.expr import suggestion
from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body, reason_of
from lianfang.infra.models import read_model
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.services.decide import drafts_store
from lianfang.services.decide.adjusting import check_value
from lianfang.services.decide.assemble import Adjustments
from lianfang.services.decide.at_desk import publisher_of, reading, writing
from lianfang.services.decide.drafts import BACKTEST_BYTES_MAX, NEXT, Change, Draft, Stage, checked_change
from lianfang.services.decide.models import find_model, fit
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


def _found(connection: Any, draft_id: str) -> Draft:
    found = drafts_store.one_draft(connection, _number(draft_id))
    if found is None:
        raise NotFoundError("there is no draft with this number", "path")
    return found


async def _step(request: AnyRequest, draft_id: str, act: Callable[[Any, Draft], Draft]) -> Response[bytes]:
    """One step of a draft in one transaction: the rules that come out are checked before any of it is kept."""

    def change(connection: Any) -> Draft:
        moved = act(connection, _found(connection, draft_id))
        publisher_of(request).check(connection)
        return moved

    return answer(await writing(request, change, publish=True))


@get("/v1/drafts", summary="Drafts of changes, the newest first", opt={"scope": "read", "answer": list[Draft]})
async def drafts_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(await reading(request, drafts_store.all_drafts))


@get("/v1/drafts/{draft_id:str}", summary="One draft", opt={"scope": "read", "answer": Draft})
async def draft_show(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    authorized(request, "read")
    return answer(await reading(request, lambda c: _found(c, draft_id)))


@post("/v1/drafts", status_code=201, summary="Draft a change of rules, parameters, packs or the model; it changes nothing yet",
      opt={"scope": "rules", "reason": True, "body": Change, "answer": Draft})  # fmt: skip
async def draft_make(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "rules")
    wanted = checked_change(await body(request, _read_change))
    publisher = publisher_of(request)
    for rule_id in wanted.ids:
        if file := publisher.file_of(rule_id):
            raise ConflictError(f"the rule {rule_id} lives in the file {file}: change it there", "$.rules")
    check_adjusted(publisher, wanted)
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> Draft:
        publisher.check(connection, put=wanted.rules, adjusted=Adjustments(frozenset(), wanted.parameters))
        if wanted.model:
            _fits(request, connection, wanted.model)
        return drafts_store.add_draft(connection, wanted, by=by, at=at, reason=reason)

    return answer(await writing(request, change, publish=False), 201)


def check_adjusted(publisher: Publisher, wanted: Change) -> None:
    """Raises for a parameter or a pack that the files do not have, a number of the law, or a value that does not fit."""
    known = {one.name: one for file in publisher.files for one in file.ruleset.parameters}
    for name, value in wanted.parameters.items():
        if name not in known:
            raise InputError(f"there is no parameter {name}{suggestion(name, known)}", "$.parameters")
        check_value(known[name], value, "$.parameters")
    packs = {file.ruleset.pack.name for file in publisher.files if file.ruleset.pack is not None}
    for name in wanted.packs:
        if name not in packs:
            raise InputError(f"there is no pack {name}{suggestion(name, packs)}", "$.packs")


def _fits(request: AnyRequest, connection: Any, version: str) -> None:
    publisher = publisher_of(request)
    fit(read_model(publisher.models / find_model(connection, version).version), publisher.ruleset)


@post("/v1/drafts/{draft_id:str}/backtest", status_code=200, summary="Attach what a backtest said of a draft",
      request_max_body_size=BACKTEST_BYTES_MAX,
      opt={"scope": "rules", "reason": True, "body": dict[str, Any], "answer": Draft})  # fmt: skip
async def draft_backtest(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    report = await body(request, _read_report)
    if not report:
        raise InputError("the report of a backtest is not empty", "$")
    at, reason = request.app.state.wall(), reason_of(request)
    text = msgspec.json.encode(report)
    return await _step(
        request,
        draft_id,
        lambda c, draft: drafts_store.attach_backtest(c, draft, text, by=by, at=at, reason=reason),
    )


@post("/v1/drafts/{draft_id:str}/approve", status_code=200, summary="Approve another person's draft",
      opt={"scope": "approve", "reason": True, "body": Approval, "answer": Draft})  # fmt: skip
async def draft_approve(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "approve")
    said = await body(request, _read_approval)
    at, reason = request.app.state.wall(), reason_of(request)
    return await _step(
        request,
        draft_id,
        lambda c, draft: drafts_store.approve(c, draft, by=by, at=at, reason=reason, without=said.without_backtest),
    )


@post("/v1/drafts/{draft_id:str}/stage", status_code=200,
      summary="Put an approved draft's next stage in force: shadow, a share of the traffic, live",
      opt={"scope": "rules", "reason": True, "body": Going, "answer": Draft})  # fmt: skip
async def draft_stage(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    to = await body(request, _read_going)
    at, reason = request.app.state.wall(), reason_of(request)
    publisher = publisher_of(request)
    return await _step(
        request,
        draft_id,
        lambda c, draft: drafts_store.to_stage(
            c, publisher.models, draft, to.stage, to.share, by=by, at=at, reason=reason, ruleset=publisher.ruleset
        ),
    )


@post("/v1/drafts/{draft_id:str}/rollback", status_code=200, summary="What was in force before the draft, in one step",
      opt={"scope": "rules", "reason": True, "answer": Draft})  # fmt: skip
async def draft_roll_back(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    at, reason = request.app.state.wall(), reason_of(request)
    models = publisher_of(request).models
    return await _step(
        request, draft_id, lambda c, draft: drafts_store.roll_back(c, models, draft, by=by, at=at, reason=reason)
    )


@post("/v1/drafts/{draft_id:str}/withdraw", status_code=200, summary="Give up a draft that has taken no effect",
      opt={"scope": "rules", "reason": True, "answer": Draft})  # fmt: skip
async def draft_withdraw(request: AnyRequest, draft_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    at, reason = request.app.state.wall(), reason_of(request)
    return await _step(request, draft_id, lambda c, draft: drafts_store.withdraw(c, draft, by=by, at=at, reason=reason))


def refuse_beside_drafts(request: AnyRequest, connection: Any, name: str = "", what: str = "rule") -> None:
    """Raises `ConflictError` for a change that goes past the drafts: where two people are required, or a draft holds it."""
    if request.app.state.two_people:
        raise ConflictError(
            "this node asks for two people: make a draft (`lianfang draft make`), which another approves", "path"
        )
    if name.endswith(NEXT):
        raise ConflictError(f"an id that ends in {NEXT} is kept for drafts on their way", "path")
    held = drafts_store.held_by(drafts_store.all_drafts(connection), name)
    if held is not None:
        raise ConflictError(f"draft {held.id} is {held.state} with this {what}: end that first", "path")


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
