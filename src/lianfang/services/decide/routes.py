"""HTTP of rules, features, policy, lists and changes, at the desk. `app.state.publisher` and `.database` do the work.

`opt` of a route says what `/openapi.json` cannot see: `body`, `answer` (types), `scope`, `reason` (it needs one).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body, reason_of
from lianfang.infra.sql import Change, changes
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import moment
from lianfang.services.decide import store
from lianfang.services.decide.assemble import Problem, RefusedRulesError, assemble, examples, where_rules_live
from lianfang.services.decide.at_desk import plain_name, publisher_of, reading, writing
from lianfang.services.decide.book import version_of
from lianfang.services.decide.drafts_routes import refuse_beside_drafts
from lianfang.services.decide.rulefiles import RuleFile
from lianfang.services.decide.store import Added, ListInfo, StoredRule, Subject
from lianfang.wire import Feature, ListEffect, ListEntry, Policy, Reader, Rule, RuleSet, read_rule, read_ruleset

ENTRIES_MAX: Final = 10_000
"""Entries of one request."""
ENTRIES_BODY_MAX: Final = 8 << 20
PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000
DryRun = Annotated[bool, QueryParameter(description="Check and count only; nothing is written, and no reason needed")]
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="How many at most")]


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and where it lives: `file`, or `api` with its version, author and time."""

    rule: Rule
    lives: str
    file: str | None = None
    version: int | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None


class RulesShown(msgspec.Struct, frozen=True):
    """All rules in the order in which they run, and the version that is in force."""

    version: str
    rules: list[RuleShown]


class FeatureShown(msgspec.Struct, frozen=True):
    """A feature and the file that declares it."""

    feature: Feature
    file: str


class ExampleShown(msgspec.Struct, frozen=True):
    """One example, run. `fired` is null when it could not be; `problem` says why."""

    rule: str
    index: int
    expected: bool
    fired: bool | None
    ok: bool
    problem: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule set would do. Nothing was changed."""

    ok: bool
    problems: list[Problem] = []
    examples: list[ExampleShown] = []
    added: list[str] = []
    replaced: list[str] = []
    version: str | None = None


class ListMade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new list is for."""

    effect: ListEffect


class EntriesPage(msgspec.Struct, frozen=True):
    """One page; `next` is the cursor of the one after it, null at the end."""

    entries: list[ListEntry]
    next: int | None


class Removed(msgspec.Struct, frozen=True):
    """How many entries were there and are gone."""

    removed: int


class ChangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """One privileged act: who (a key's id), what, when and why."""

    id: int
    at: datetime
    who: str
    act: str
    what: str
    reason: str
    detail: dict[str, Any]


class ChangesPage(msgspec.Struct, frozen=True):
    """The newest first; `next` is the number to ask before, null at the end."""

    changes: list[ChangeShown]
    next: int | None


Entries = Annotated[list[ListEntry], Meta(max_length=ENTRIES_MAX)]
Subjects = Annotated[list[Subject], Meta(max_length=ENTRIES_MAX)]
_read_entries: Final[Reader[list[ListEntry]]] = Reader(Entries)
_read_entry: Final = Reader(ListEntry)
_read_subjects: Final[Reader[list[Subject]]] = Reader(Subjects)
_read_list: Final = Reader(ListMade)


# rules


def _shown(one: StoredRule) -> RuleShown:
    return RuleShown(
        rule=one.rule, lives="api", version=one.version, changed_by=one.changed_by, changed_at=moment(one.changed_at)
    )


@get("/v1/rules", summary="All rules, in the order in which they run", opt={"scope": "read", "answer": RulesShown})
async def rules_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    publisher = publisher_of(request)
    stored = await reading(request, store.all_rules)
    held = [RuleShown(rule=r, lives="file", file=f.name) for f in publisher.files for r in f.ruleset.rules]
    return answer(RulesShown(version_of(publisher.ruleset), [*held, *map(_shown, stored)]))


@get("/v1/rules/{rule_id:str}", summary="One rule", opt={"scope": "read", "answer": RuleShown})
async def rule_show(request: AnyRequest, rule_id: FromPath[str]) -> Response[bytes]:
    authorized(request, "read")
    for file in publisher_of(request).files:
        for rule in file.ruleset.rules:
            if rule.id == rule_id:
                return answer(RuleShown(rule=rule, lives="file", file=file.name))
    stored = await reading(request, lambda c: store.one_rule(c, plain_name(rule_id)))
    if stored is None:
        raise NotFoundError("there is no rule with this id", "path")
    return answer(_shown(stored))


@put("/v1/rules/{rule_id:str}", summary="Make or replace a rule; it is checked, recorded, and in force within a second",
     opt={"scope": "rules", "reason": True, "body": Rule, "answer": RuleShown})  # fmt: skip
async def rule_put(request: AnyRequest, rule_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    rule = await body(request, read_rule)
    if rule.id != rule_id:
        raise InputError(f"the rule says its id is {rule.id}; the path says otherwise", "$.id")
    _refuse_file_rule(request, rule_id)
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> StoredRule:
        refuse_beside_drafts(request, connection, rule_id)
        publisher_of(request).check(connection, put=[rule])
        return store.put_rule(connection, rule, by=by, at=at, reason=reason)

    return answer(_shown(await writing(request, change, publish=True)))


@delete("/v1/rules/{rule_id:str}", status_code=200, summary="Remove a rule made through the API",
        opt={"scope": "rules", "reason": True, "answer": RuleShown})  # fmt: skip
async def rule_delete(request: AnyRequest, rule_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "rules")
    _refuse_file_rule(request, rule_id)
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> StoredRule | None:
        before = store.one_rule(connection, plain_name(rule_id))
        if before is not None:
            refuse_beside_drafts(request, connection, rule_id)
            publisher_of(request).check(connection, drop=rule_id)
            store.drop_rule(connection, rule_id, by=by, at=at, reason=reason)
        return before

    gone = await writing(request, change, publish=True)
    if gone is None:
        raise NotFoundError("there is no rule with this id", "path")
    return answer(_shown(gone))


def _refuse_file_rule(request: AnyRequest, rule_id: str) -> None:
    file = publisher_of(request).file_of(rule_id)
    if file:
        raise ConflictError(
            f"the rule {rule_id} lives in the file {file}; change it there, and it is in force within seconds", "path"
        )


@post("/v1/rules/check", status_code=200, summary="Check rules and features; changes nothing",
      opt={"scope": "rules", "body": RuleSet, "answer": Checked})  # fmt: skip
async def rules_check(request: AnyRequest) -> Response[bytes]:
    authorized(request, "rules")
    sent = await body(request, read_ruleset)
    rules = await reading(request, store.all_rules)
    names = await reading(request, store.list_names)
    return answer(
        await asyncio.to_thread(_check, sent, [one.rule for one in rules], publisher_of(request).files, names)
    )


def _check(sent: RuleSet, api_rules: list[Rule], files: tuple[RuleFile, ...], names: tuple[str, ...]) -> Checked:
    """As if `sent` were one more file, whose rules, features and policy replace those of the same name."""
    new = RuleFile("what was sent", "", sent)
    ids, features = {r.id for r in sent.rules}, {f.name for f in sent.features}
    parameters, warnings = {p.name for p in sent.parameters}, {w.code for w in sent.warnings}
    rest = [
        RuleFile(f.name, f.text, RuleSet(
            policy=None if sent.policy else f.ruleset.policy,
            features=tuple(x for x in f.ruleset.features if x.name not in features),
            rules=tuple(r for r in f.ruleset.rules if r.id not in ids),
            parameters=tuple(p for p in f.ruleset.parameters if p.name not in parameters),
            warnings=tuple(w for w in f.ruleset.warnings if w.code not in warnings),
        ))
        for f in files
    ]  # fmt: skip
    have = {*where_rules_live(files), *(r.id for r in api_rules)}
    added, replaced = sorted(ids - have), sorted(ids & have)
    try:
        whole = assemble([*rest, new], [r for r in api_rules if r.id not in ids], names)
    except RefusedRulesError as why:
        return Checked(ok=False, problems=list(why.problems), added=added, replaced=replaced)
    results = examples(msgspec.structs.replace(whole, rules=sent.rules), names)
    shown = [ExampleShown(r.rule, r.index, r.expected, r.fired, r.ok, r.problem) for r in results]
    return Checked(ok=True, examples=shown, added=added, replaced=replaced, version=version_of(whole))


@get("/v1/features", summary="The features that are counted", opt={"scope": "read", "answer": list[FeatureShown]})
async def features_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer([FeatureShown(x, f.name) for f in publisher_of(request).files for x in f.ruleset.features])


@get("/v1/policy", summary="The policy in force", opt={"scope": "read", "answer": Policy})
async def policy_show(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(msgspec.structs.asdict(publisher_of(request).ruleset.policy or Policy()))


# lists


@get("/v1/lists", summary="The lists and how many entries each has", opt={"scope": "read", "answer": list[ListInfo]})
async def lists_show(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(await reading(request, store.all_lists))


@put("/v1/lists/{name:str}", summary="Make a list, which may be empty, so that rules may name it",
     opt={"scope": "lists", "reason": True, "body": ListMade, "answer": ListInfo})  # fmt: skip
async def list_make(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "lists")
    made = await body(request, _read_list)
    at, reason = request.app.state.wall(), reason_of(request)
    name = _list_name(name)
    await writing(request, lambda c: store.make_list(c, name, made.effect, by=by, at=at, reason=reason), publish=True)
    return answer(next(one for one in await reading(request, store.all_lists) if one.name == name))


@get(
    "/v1/lists/{name:str}/entries",
    summary="A list's entries, page by page",
    opt={"scope": "read", "answer": EntriesPage},
)
async def entries_list(
    request: AnyRequest,
    name: FromPath[str],
    cursor: Annotated[int, QueryParameter(ge=0, le=2**62)] = 0,
    limit: Limit = PAGE_DEFAULT,
) -> Response[bytes]:
    authorized(request, "read")
    await _need_list(request, name)
    return answer(
        EntriesPage(*await reading(request, lambda c: store.entries_page(c, name, after=cursor, limit=limit)))
    )


@post("/v1/lists/{name:str}/entries", status_code=200, request_max_body_size=ENTRIES_BODY_MAX,
      summary=f"Add one entry or a list of up to {ENTRIES_MAX}; the same again changes nothing",
      opt={"scope": "lists", "reason": True, "body": ListEntry | Entries, "answer": Added})  # fmt: skip
async def entries_add(request: AnyRequest, name: FromPath[str], dry_run: DryRun = False) -> Response[bytes]:
    by = authorized(request, "lists")
    entries = await body(request, _one_or_many)
    at, reason = request.app.state.wall(), "" if dry_run else reason_of(request)
    name = _list_name(name)
    return answer(
        await writing(
            request,
            lambda c: store.add_entries(c, name, entries, by=by, at=at, reason=reason, dry_run=dry_run),
            publish=False,
        )
    )


@delete("/v1/lists/{name:str}/entries", status_code=200, request_max_body_size=ENTRIES_BODY_MAX,
        summary=f"Remove up to {ENTRIES_MAX} entries by subject and value, named in the body",
        opt={"scope": "lists", "reason": True, "body": Subjects, "answer": Removed})  # fmt: skip
async def entries_remove(request: AnyRequest, name: FromPath[str], dry_run: DryRun = False) -> Response[bytes]:
    by = authorized(request, "lists")
    subjects = await body(request, _read_subjects)
    await _need_list(request, name)
    if dry_run:
        return answer(Removed(await reading(request, lambda c: store.count_entries(c, name, subjects))))
    at, reason = request.app.state.wall(), reason_of(request)
    return answer(
        Removed(
            await writing(
                request, lambda c: store.remove_entries(c, name, subjects, by=by, at=at, reason=reason), publish=False
            )
        )
    )


def _one_or_many(raw: bytes) -> list[ListEntry]:
    return _read_entries(raw) if raw.lstrip()[:1] == b"[" else [_read_entry(raw)]


def _list_name(name: str) -> str:
    probe = {"list": name, "effect": "watch", "subject": "phone", "value": "-", "purpose": "", "source": ""}
    try:
        return msgspec.convert(probe, ListEntry).list
    except msgspec.ValidationError as why:
        raise InputError(
            "a list's name has small letters, digits and _, begins with a letter, and has at most 40 characters", "path"
        ) from why


async def _need_list(request: AnyRequest, name: str) -> None:
    if plain_name(name) not in await reading(request, store.list_names):
        raise NotFoundError("there is no list with this name", "path")


# changes


@get(
    "/v1/changes",
    summary="Who changed what, when and why; the newest first",
    opt={"scope": "admin", "answer": ChangesPage},
)
async def changes_list(
    request: AnyRequest,
    before: Annotated[int | None, QueryParameter(ge=1, le=2**62)] = None,
    limit: Limit = PAGE_DEFAULT,
) -> Response[bytes]:
    authorized(request, "admin")
    found = await reading(request, lambda c: changes(c, before=before, limit=limit + 1))
    page = [_change(one) for one in found[:limit]]
    return answer(ChangesPage(page, page[-1].id if len(found) > limit else None))


def _change(one: Change) -> ChangeShown:
    return ChangeShown(
        id=one.id, at=moment(one.at), who=one.who, act=one.act, what=one.what, reason=one.reason, detail=one.detail
    )


ROUTES: Final = (
    rules_list, rule_show, rule_put, rule_delete, rules_check, features_list, policy_show,
    lists_show, list_make, entries_list, entries_add, entries_remove, changes_list,
)  # fmt: skip
