"""Lists: what each does, its entries, one more or one less, a whole file after a dry run. Values are masked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from lianfang.console.installation import Console, ReadList
from lianfang.console.page import page
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import Act, act, signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.sql import changes, record
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.services.decide import store
from lianfang.services.decide.store import Added, ListInfo, Subject
from lianfang.services.identity.people_store import Session
from lianfang.wire import ListEffect, ListEntry, Side, SubjectKind

EFFECTS: Final = get_args(ListEffect)
SUBJECTS: Final = get_args(SubjectKind)
SIDES: Final = get_args(Side)
PAGE: Final = 50
CHANGES_SHOWN: Final = 15
REFUSED_SHOWN: Final = 100
IMPORT_CHARACTERS_MAX: Final = 1_000_000
KINDS: Final[dict[str, Literal["csv", "jsonl", "txt"]]] = {"csv": "csv", "jsonl": "jsonl", "txt": "txt"}
Cursor = Annotated[int, QueryParameter(ge=0, le=2**62)]


@get("/console/lists", include_in_schema=False)
async def lists(request: AnyRequest, done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    found = await reading(request, store.all_lists)
    return page(request, "lists.html", session, lists=found, effects=EFFECTS, done=done)


@post("/console/lists", include_in_schema=False)
async def list_make(request: AnyRequest) -> Any:
    """A new list, which may stay empty."""
    who = await act(request, "lists")
    probe = _converted({**_PROBE, "list": who.form.get("name"), "effect": who.form.get("effect")})
    await writing(
        request,
        lambda c: store.make_list(c, probe.list, probe.effect, by=who.by, at=who.at, reason=who.reason),
        publish=True,
    )
    return done(f"/console/lists/{probe.list}", "made")


_PROBE: Final = {"subject": "phone", "value": "-", "purpose": "", "source": ""}


def _converted(values: dict[str, Any]) -> ListEntry:
    try:
        return msgspec.convert(values, ListEntry)
    except msgspec.ValidationError as why:
        if "list" in str(why):
            raise InputError(
                "a list's name has small letters, digits and _, begins with a letter, and has at most 40 characters",
                "name",
            ) from why
        raise InputError(f"not a list entry: {why}", "value") from why


@get("/console/lists/{name:str}", include_in_schema=False)
async def one_list(
    request: AnyRequest, name: FromPath[str], after: Cursor = 0, done: FromQuery[str] = ""
) -> Response[bytes]:
    session = await signed(request)
    return await _list_page(request, session, name, after=after, done=done)


async def _list_page(
    request: AnyRequest, session: Session, name: str, *, after: int = 0, value: str = "", **more: Any
) -> Response[bytes]:
    def ask(connection: Any) -> dict[str, Any]:
        found = store.numbered_entries(connection, name, after=after, limit=PAGE + 1, value=value)
        return {
            "info": _known(connection, name),
            "entries": found[:PAGE],
            "next": found[PAGE - 1][0] if len(found) > PAGE else None,
            "changes": changes(connection, what=name, limit=CHANGES_SHOWN),
        }

    values = {"done": "", "clear": False, "found": bool(value), "report": None, "content": "", "given": {}, **more}
    return page(
        request, "list.html", session, local_zone=request.app.state.console.zone, after=after, subjects=SUBJECTS, sides=SIDES,
        **await reading(request, ask), **values,
    )  # fmt: skip


def _known(connection: Any, name: str) -> ListInfo:
    for one in store.all_lists(connection):
        if one.name == name:
            return one
    raise NotFoundError("there is no list with this name", "path")


@post("/console/lists/{name:str}/unmask", include_in_schema=False, status_code=200)
async def list_unmask(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """One page in the clear, on record with its reason."""
    who = await act(request, "unmask")
    after = _number(who.form.get("after") or "0")

    def keep(connection: Any) -> None:
        _known(connection, name)
        detail = {"after": after, "limit": PAGE}
        record(connection, who=who.by, act="list.unmask", what=name, reason=who.reason, at=who.at, detail=detail)

    await writing(request, keep)
    return await _list_page(request, who.session, name, after=after, clear=True)


@post("/console/lists/{name:str}/find", include_in_schema=False, status_code=200)
async def list_find(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Whether a value stands on the list. A form, so that it is in no address and no log."""
    who = await act(request, "see", reasoned=False)
    value = who.form.get("value")
    if not value:
        return done(f"/console/lists/{name}")
    return await _list_page(request, who.session, name, value=value)


@post("/console/lists/{name:str}/add", include_in_schema=False)
async def list_add(request: AnyRequest, name: FromPath[str]) -> Any:
    who = await act(request, "lists")
    info = await reading(request, lambda c: _known(c, name))
    entry = _converted({
        "list": name, "effect": info.effect, "side": who.form.get("side") or "both",
        **{field: who.form.get(field) for field in ("subject", "value", "purpose", "source")},
        **{field: _time(request, who.form.get(field), field) for field in ("valid_from", "valid_until")},
    })  # fmt: skip
    await _add(request, who, name, [entry])
    return done(f"/console/lists/{name}", "added")


async def _add(
    request: AnyRequest, who: Act, name: str, entries: Sequence[ListEntry], *, dry_run: bool = False
) -> Added:
    added: Added = await writing(
        request,
        lambda c: store.add_entries(c, name, entries, by=who.by, at=who.at, reason=who.reason, dry_run=dry_run),
    )
    return added


def _time(request: AnyRequest, text: str, field: str) -> datetime | None:
    """A local time of the node's zone, as a browser's field gives it."""
    if not text:
        return None
    console: Console = request.app.state.console
    try:
        return datetime.fromisoformat(text).replace(tzinfo=console.zone)
    except ValueError as why:
        raise InputError("this is not a time", field) from why


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InputError("this is not an entry's number", "number")
    return int(text)


@post("/console/lists/{name:str}/remove", include_in_schema=False)
async def list_remove(request: AnyRequest, name: FromPath[str]) -> Any:
    """One entry, by its number: its value stays masked."""
    who = await act(request, "lists")
    number = _number(who.form.get("number"))

    def change(connection: Any) -> None:
        found = store.numbered_entries(connection, name, number=number)
        if not found:
            raise NotFoundError("this entry is no longer there", "number")
        subject = Subject(found[0][1].subject, found[0][1].value)
        store.remove_entries(connection, name, [subject], by=who.by, at=who.at, reason=who.reason)

    await writing(request, change)
    return done(f"/console/lists/{name}", "removed")


@post("/console/lists/{name:str}/import", include_in_schema=False, status_code=200)
async def list_import(request: AnyRequest, name: FromPath[str]) -> Any:
    """First a dry run: what would be added, what is refused and why. Then, with a reason, the same content for good."""
    who = await act(request, "lists", reasoned=False)
    info = await reading(request, lambda c: _known(c, name))
    kind = KINDS.get(who.form.get("kind"))
    if kind is None:
        raise InputError("a list comes as csv, jsonl or txt", "kind")
    content = await _content(who)
    given = {field: who.form.get(field) for field in ("subject", "purpose", "source")}
    defaults = {"list": name, "effect": info.effect, **{k: v for k, v in given.items() if v}}
    console: Console = request.app.state.console
    read = await asyncio.to_thread(console.read_list, content.encode(), kind, defaults)
    if who.form.get("apply") == "1":
        if not who.reason:
            raise InputError("say why: the reason is kept with the change", "reason")
        await _add(request, who, name, read.entries)
        return done(f"/console/lists/{name}", "imported")
    report = await _dry(request, who, name, read)
    return await _list_page(request, who.session, name, report=report, content=content, given={**given, "kind": kind})


async def _content(who: Act) -> str:
    file = who.form.raw("file")
    raw = b"" if file is None or isinstance(file, str) else await file.read()
    try:
        text = raw.decode("utf-8-sig") if raw else who.form.get("content", IMPORT_CHARACTERS_MAX)
    except UnicodeDecodeError as why:
        raise InputError("the text is not valid UTF-8", "file") from why
    if not text.strip():
        raise InputError("choose a file, or paste its text", "file")
    return text + "\n"


async def _dry(request: AnyRequest, who: Act, name: str, read: ReadList) -> dict[str, Any]:
    try:
        added, wrong = await _add(request, who, name, read.entries, dry_run=True), ""
    except LianfangError as why:
        added, wrong = Added(0, 0, 0), str(why)
    return {
        "added": added, "wrong": wrong, "refused": read.refused[:REFUSED_SHOWN], "refused_all": len(read.refused),
        "repeated": read.repeated, "entries": len(read.entries),
    }  # fmt: skip


ROUTES: Final = (lists, list_make, one_list, list_unmask, list_find, list_add, list_remove, list_import)
