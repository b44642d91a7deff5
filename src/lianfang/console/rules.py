"""The rules in force, one rule whole, and drafts of switching packs and setting parameters."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from lianfang.console.known_rules import Known, environment_of, known_rules, wanted
from lianfang.console.page import page
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import Act, act, signed
from lianfang.engines.expr import ExpressionError, check
from lianfang.engines.rules import test_examples as run_examples
from lianfang.engines.rules.parameters import called_by
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.sql import changes
from lianfang.kernel.errors import InputError
from lianfang.services.decide import drafting, drafts_store
from lianfang.services.decide.adjusting import changes_of
from lianfang.services.decide.drafts import NEXT, Change
from lianfang.services.decide.publisher import Publisher
from lianfang.services.decide.store import packs_table, parameters_table

MODES: Final = ("live", "shadow", "off")
CHANGES_SHOWN: Final = 20
Text = Annotated[str, QueryParameter(max_length=100)]


@get("/console/rules", include_in_schema=False)
async def rules(
    request: AnyRequest,
    text: Text = "",
    mode: Text = "",
    pack: Text = "",
    view: Text = "rules",
    done: FromQuery[str] = "",
) -> Response[bytes]:
    session = await signed(request)
    publisher: Publisher = request.app.state.publisher

    def ask(connection: Any) -> dict[str, Any]:
        return {
            "all_rules": known_rules(publisher, connection),
            "packs": _packs(publisher, changes_of(connection, packs_table)),
            "parameters": _parameters(publisher, changes_of(connection, parameters_table)),
        }

    found = await reading(request, ask)
    shown = wanted(found["all_rules"], text.strip(), mode, pack)
    return page(
        request, "rules.html", session, rules=shown, text=text, mode=mode, pack=pack, modes=MODES, done=done,
        view="parameters" if view == "parameters" else "rules",
        troubles=publisher.trouble, **found,
    )  # fmt: skip


def _packs(publisher: Publisher, changed: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"pack": f.ruleset.pack, "rules": len(f.ruleset.rules), "off": changed.get(f.ruleset.pack.name)}
        for f in publisher.files
        if f.ruleset.pack is not None
    ]


def _parameters(publisher: Publisher, changed: dict[str, Any]) -> list[dict[str, Any]]:
    values = {one.name: one.value for one in publisher.ruleset.parameters}
    return [
        {"parameter": one, "value": values.get(one.name, one.value), "changed": changed.get(one.name)}
        for f in publisher.files
        for one in f.ruleset.parameters
    ]


@get("/console/rules/{rule_id:str}", include_in_schema=False)
async def rule(request: AnyRequest, rule_id: FromPath[str], done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    publisher: Publisher = request.app.state.publisher
    found = await reading(request, lambda c: _whole(publisher, c, rule_id))
    return page(request, "rule.html", session, editor=True, done=done, **found)


def _whole(publisher: Publisher, connection: Any, rule_id: str) -> dict[str, Any]:
    one = next((k for k in known_rules(publisher, connection) if k.rule.id == rule_id), None)
    if one is None:
        raise NotFoundError("there is no rule with this id", "path")
    env = environment_of(publisher, connection)
    called = called_by(one.rule.when)
    return {
        "one": one,
        "results": run_examples([one.rule], env),
        "reads": _reads(one, env),
        "parameters": [p for p in _parameters(publisher, {}) if p["parameter"].name in called],
        "changes": changes(connection, what=rule_id, limit=CHANGES_SHOWN),
        "drafts": [d for d in drafts_store.all_drafts(connection) if rule_id.removesuffix(NEXT) in d.change.ids],
    }


def _reads(one: Known, env: Any) -> dict[str, Any]:
    try:
        checked = check(one.rule.when, env)
    except ExpressionError:
        return {"paths": [], "features": [], "lists": [], "tags": []}
    return {
        "paths": sorted(checked.paths),
        "features": sorted(checked.features),
        "lists": sorted({name for _, name in checked.lists}),
        "tags": sorted(checked.tags),
    }


@post("/console/rules/{rule_id:str}/remove", include_in_schema=False)
async def rule_remove(request: AnyRequest, rule_id: FromPath[str]) -> Any:
    """A draft that removes it."""
    who = await act(request, "draft")
    return await _drafted(request, who, Change(remove=(rule_id,)))


@post("/console/rules/adjust", include_in_schema=False)
async def adjust(request: AnyRequest) -> Any:
    """A draft that switches a pack, or gives a parameter another value."""
    who = await act(request, "draft")
    if pack := who.form.get("pack"):
        return await _drafted(request, who, Change(packs={pack: who.form.get("on") == "1"}))
    return await _drafted(request, who, Change(parameters={who.form.get("parameter"): _number(who.form.get("value"))}))


def _number(text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise InputError("a parameter's value is a number", "value")


async def _drafted(request: AnyRequest, who: Act, change: Change) -> Any:
    publisher: Publisher = request.app.state.publisher
    made = await writing(
        request, lambda c: drafting.make(publisher, c, change, by=who.by, at=who.at, reason=who.reason)
    )
    return done(f"/console/drafts/{made.id}", "made")


ROUTES: Final = (rules, rule, rule_remove, adjust)
