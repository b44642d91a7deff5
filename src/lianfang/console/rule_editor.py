"""Writing a rule: the editor with its errors as one types, the form of rows, examples tried live. Saving makes a draft."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import Response, get, post

from lianfang.console.known_rules import choices_of_rows, environment_of, known_rules, names
from lianfang.console.page import language, page
from lianfang.console.reach import done, reading, writing
from lianfang.console.rule_form import NEW_EXAMPLES, Problem, problems_of, tried, values_of, values_of_rule
from lianfang.console.sentences import sentence
from lianfang.console.signed import Act, act, signed
from lianfang.console.words import Lang
from lianfang.engines.expr.rows import Rows, as_rows, read_rows, text_of
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.services.decide import drafting, store
from lianfang.services.decide.assemble import RefusedRulesError
from lianfang.services.decide.drafts import NEXT, Change
from lianfang.services.decide.publisher import Publisher
from lianfang.services.identity.people_store import Session
from lianfang.wire import ACTIONS, CHALLENGES, Rule

ROWS_TEXT_MAX: Final = 64_000
EMPTY: Final = {
    "id": "", "zh": "", "en": "", "when": "", "action": "challenge", "points": "", "code": "", "owner": "", "source": "",
    "kind": "", "warning": "", "examples": NEW_EXAMPLES, "lane": "all",
}  # fmt: skip


@get("/console/rules/new", include_in_schema=False)
async def rule_new(request: AnyRequest) -> Response[bytes]:
    """A new rule; `?from=`: of one that is there. A file's rule becomes a variant under another id."""
    session = await signed(request, "draft")
    begun = str(request.query_params.get("from", ""))[:64]
    values, base = dict(EMPTY), None
    if begun:
        base = await reading(request, lambda c: _based_on(request, c, begun))
        values = values_of_rule(base)
        if request.app.state.publisher.file_of(base.id):
            values["id"] = f"{base.id}.v2"
    return await _editor(request, session, values, begun)


def _based_on(request: AnyRequest, connection: Any, rule_id: str) -> Rule:
    for one in known_rules(request.app.state.publisher, connection):
        if one.rule.id == rule_id and not rule_id.endswith(NEXT):
            return one.rule
    raise NotFoundError("there is no rule with this id", "from")


async def _editor(
    request: AnyRequest,
    session: Session,
    values: dict[str, str],
    begun: str,
    problems: tuple[Problem, ...] = (),
    reason: str = "",
) -> Response[bytes]:
    publisher: Publisher = request.app.state.publisher
    lists = await reading(request, store.list_names)
    lang = language(request)
    return page(
        request, "rule_edit.html", session, editor=True, status=400 if problems else 200, values=values, begun=begun,
        problems=problems, reason=reason, actions=ACTIONS, challenges=CHALLENGES, names=names(publisher, lists, lang),
        choices=choices_of_rows(publisher, lists, lang), rows=_rows(values["when"]),
        in_file=publisher.file_of(begun) if begun else "",
    )  # fmt: skip


def _in(lang: Lang, one: Problem) -> dict[str, Any]:
    """A mistake for the editor's script, in the language of its page."""
    return one._replace(message=sentence(lang, one.message))._asdict()


def _rows(text: str) -> Any:
    found = as_rows(text)
    return None if found is None else msgspec.to_builtins(found)


@post("/console/rules/check", include_in_schema=False, status_code=200)
async def rule_check(request: AnyRequest) -> Response[bytes]:
    """Problems of a condition for the editor, and its rows for the form, null where it is too rich for them."""
    who = await act(request, "draft", reasoned=False)
    publisher: Publisher = request.app.state.publisher
    text = who.form.get("text", 4 * limits.EXPRESSION_LENGTH_MAX)
    env = await reading(request, lambda c: environment_of(publisher, c))
    problems = await asyncio.to_thread(problems_of, text, env)
    said = {"problems": [_in(language(request), one) for one in problems], "rows": _rows(text)}
    return Response(msgspec.json.encode(said), media_type="application/json", headers={"Cache-Control": "no-store"})


@post("/console/rules/rows", include_in_schema=False, status_code=200)
async def rule_rows(request: AnyRequest) -> Response[bytes]:
    """The condition that rows mean."""
    who = await act(request, "draft", reasoned=False)
    rows: Rows = read_rows(who.form.get("rows", ROWS_TEXT_MAX).encode())
    said = {"text": text_of(rows)}
    return Response(msgspec.json.encode(said), media_type="application/json", headers={"Cache-Control": "no-store"})


@post("/console/rules/try", include_in_schema=False, status_code=200)
async def rule_try(request: AnyRequest) -> Response[bytes]:
    """What is wrong with the form, and what its examples do."""
    who = await act(request, "draft", reasoned=False)
    publisher: Publisher = request.app.state.publisher
    env = await reading(request, lambda c: environment_of(publisher, c))
    found = await asyncio.to_thread(tried, values_of(who.form), env)
    return page(request, "parts/tried.html", who.session, tried=found)


@post("/console/rules/save", include_in_schema=False)
async def rule_save(request: AnyRequest) -> Any:
    """A draft of the rule; what is wrong is shown beside what was sent, and nothing is lost."""
    who = await act(request, "draft", reasoned=False)
    publisher: Publisher = request.app.state.publisher
    values, begun = values_of(who.form), who.form.get("begun")
    base = await reading(request, lambda c: _based_on(request, c, begun)) if begun else None
    env = await reading(request, lambda c: environment_of(publisher, c))
    found = await asyncio.to_thread(tried, values, env, base)
    problems = [*found.problems, *_unreasoned(who)]
    if problems or found.rule is None:
        return await _editor(request, who.session, values, begun, tuple(problems), who.reason)
    change = Change(rules=(found.rule,))
    try:
        made = await writing(
            request, lambda c: drafting.make(publisher, c, change, by=who.by, at=who.at, reason=who.reason)
        )
    except RefusedRulesError as why:
        refused = tuple(Problem(p.line, p.column, p.what, "when" if p.line else "") for p in why.problems)
        return await _editor(request, who.session, values, begun, refused, who.reason)
    except InputError as why:
        return await _editor(request, who.session, values, begun, (Problem(0, 0, why.what, "id"),), who.reason)
    return done(f"/console/drafts/{made.id}", "made")


def _unreasoned(who: Act) -> list[Problem]:
    return [] if who.reason else [Problem(0, 0, "say why: the reason is kept with the change", "reason")]


ROUTES: Final = (rule_new, rule_check, rule_rows, rule_try, rule_save)
