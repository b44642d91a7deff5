"""HTTP of packs and parameters, at the desk. `opt` says what `/openapi.json` cannot see (see `routes`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from litestar import Response, delete, get, put
from litestar.params import FromPath

from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body, reason_of
from lianfang.kernel.instant import moment
from lianfang.services.decide.adjusting import Changed, changes_of, check_value, set_parameter, switch_pack
from lianfang.services.decide.at_desk import publisher_of, reading, writing
from lianfang.services.decide.drafts_routes import refuse_beside_drafts
from lianfang.services.decide.store import packs_table, parameters_table
from lianfang.wire import Parameter, Reader


class PackShown(msgspec.Struct, frozen=True, kw_only=True):
    """A pack, whether its rules run, and who switched it off."""

    name: str
    zh: str
    en: str
    file: str
    rules: int
    on: bool
    changed_by: str | None = None
    changed_at: datetime | None = None


class ParameterShown(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter as its file has it, and the value in force, which may have been changed since."""

    parameter: Parameter
    value: int | float
    file: str
    changed_by: str | None = None
    changed_at: datetime | None = None


class Switched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a pack's rules are to run."""

    on: bool


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value a parameter is to have."""

    value: int | float


_read_switched: Final = Reader(Switched)
_read_given: Final = Reader(Given)


def _packs(request: AnyRequest, changed: dict[str, Changed]) -> list[PackShown]:
    publisher = publisher_of(request)
    found = []
    for file in publisher.files:
        pack = file.ruleset.pack
        if pack is not None:
            who = changed.get(pack.name)
            found.append(PackShown(
                name=pack.name, zh=pack.zh, en=pack.en, file=file.name, rules=len(file.ruleset.rules), on=who is None,
                changed_by=who.by if who else None, changed_at=moment(who.at) if who else None,
            ))  # fmt: skip
    return found


def _parameters(request: AnyRequest, changed: dict[str, Changed]) -> list[ParameterShown]:
    publisher = publisher_of(request)
    values = {one.name: one.value for one in publisher.ruleset.parameters}
    found = []
    for file in publisher.files:
        for one in file.ruleset.parameters:
            who = changed.get(one.name)
            found.append(ParameterShown(
                parameter=one, value=values.get(one.name, one.value), file=file.name,
                changed_by=who.by if who else None, changed_at=moment(who.at) if who else None,
            ))  # fmt: skip
    return found


async def _pack(request: AnyRequest, name: str) -> PackShown:
    shown = _packs(request, await reading(request, lambda c: changes_of(c, packs_table)))
    for one in shown:
        if one.name == name:
            return one
    raise NotFoundError(
        f"there is no pack with this name; there are {', '.join(p.name for p in shown) or 'none'}", "path"
    )


async def _parameter(request: AnyRequest, name: str) -> ParameterShown:
    for one in _parameters(request, await reading(request, lambda c: changes_of(c, parameters_table))):
        if one.parameter.name == name:
            return one
    raise NotFoundError("there is no parameter with this name", "path")


@get("/v1/packs", summary="The rule packs, and whether they run", opt={"scope": "read", "answer": list[PackShown]})
async def packs_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(_packs(request, await reading(request, lambda c: changes_of(c, packs_table))))


@put("/v1/packs/{name:str}", summary="Switch a pack on or off; in force within a second",
     opt={"scope": "rules", "reason": True, "body": Switched, "answer": PackShown})  # fmt: skip
async def pack_switch(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    wanted = await body(request, _read_switched)
    await _pack(request, name)
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> None:
        refuse_beside_drafts(request, connection, name, "pack")
        switch_pack(connection, name, on=wanted.on, by=by, at=at, reason=reason)
        publisher_of(request).check(connection)

    await writing(request, change, publish=True)
    return answer(await _pack(request, name))


@get(
    "/v1/parameters",
    summary="The numbers that rules call by name",
    opt={"scope": "read", "answer": list[ParameterShown]},
)
async def parameters_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(_parameters(request, await reading(request, lambda c: changes_of(c, parameters_table))))


@put("/v1/parameters/{name:str}", summary="Give a parameter another value than its file does",
     opt={"scope": "rules", "reason": True, "body": Given, "answer": ParameterShown})  # fmt: skip
async def parameter_set(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    given = await body(request, _read_given)
    have = (await _parameter(request, name)).parameter
    check_value(have, given.value, "path" if have.law is not None else "$.value")
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> None:
        refuse_beside_drafts(request, connection, name, "parameter")
        set_parameter(connection, name, given.value, by=by, at=at, reason=reason)
        publisher_of(request).check(connection)

    await writing(request, change, publish=True)
    return answer(await _parameter(request, name))


@delete("/v1/parameters/{name:str}", status_code=200, summary="Back to the value of the file",
        opt={"scope": "rules", "reason": True, "answer": ParameterShown})  # fmt: skip
async def parameter_reset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    await _parameter(request, name)
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> None:
        refuse_beside_drafts(request, connection, name, "parameter")
        set_parameter(connection, name, None, by=by, at=at, reason=reason)
        publisher_of(request).check(connection)

    await writing(request, change, publish=True)
    return answer(await _parameter(request, name))


ROUTES: Final = (packs_list, pack_switch, parameters_list, parameter_set, parameter_reset)
