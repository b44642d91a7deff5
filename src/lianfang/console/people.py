"""Who may sign in, by operators; and each person's own page: password, second factor, what they may do."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import msgspec
import segno
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from lianfang.console.page import page
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import Act, Form, act, begin, signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.services.identity import EXTRA, ROLES, Permission, Person
from lianfang.services.identity import people_store as store
from lianfang.services.identity.passwords import first_password, fits, hashed, new_totp, totp_address, totp_step
from lianfang.services.identity.people import checked_password, checked_roles, new_person


@get("/console/people", include_in_schema=False)
async def people(request: AnyRequest, done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request, "people")
    everybody = await reading(request, store.all_people)
    return _people_page(request, session, everybody, done=done)


def _people_page(request: AnyRequest, session: Any, everybody: list[Person], **more: Any) -> Response[bytes]:
    values = {"done": "", "made": None, "password": "", **more}
    return page(request, "people.html", session, people=everybody, roles=ROLES, extra=EXTRA, **values)


@post("/console/people", include_in_schema=False, status_code=200)
async def people_add(request: AnyRequest) -> Response[bytes]:
    """A new person, with a first password shown once to whoever made them."""
    who = await act(request, "people")
    password = first_password(secrets.token_bytes)
    kept = await asyncio.to_thread(hashed, password)
    made = new_person(
        who.form.get("name").lower(), who.form.all("roles"), kept, who.at, shown=who.form.get("shown"),
        also=_extra(who.form),
    )  # fmt: skip
    await writing(request, lambda c: store.add_person(c, made, by=who.by, at=who.at, reason=who.reason))
    everybody = await reading(request, store.all_people)
    return _people_page(request, who.session, everybody, made=made, password=password)


@post("/console/people/{name:str}", include_in_schema=False, status_code=200)
async def people_change(request: AnyRequest, name: FromPath[str]) -> Any:
    """Roles, a new first password, the second factor taken away, switched off or on again."""
    who = await act(request, "people")
    what = who.form.get("what")
    person = await _known(request, name)
    if what == "password":
        return await _new_first_password(request, who, person)
    changes: dict[str, dict[str, Any]] = {
        "roles": {"roles": checked_roles(who.form.all("roles")) if what == "roles" else (), "also": _extra(who.form)},
        "totp": {"totp": None, "totp_step": 0},
        "off": {"disabled_at": who.at},
        "on": {"disabled_at": None, "failures": 0, "locked_until": 0},
    }
    if what not in changes:
        raise InputError("there is no such change", "what")
    if what == "off" and person.name == who.session.person.name:
        raise ConflictError("nobody switches off their own account", "name")
    after = msgspec.structs.replace(person, **changes[what])
    await writing(request, lambda c: _keep(c, after, who, f"person.{what}", end_sessions=what == "off"))
    return done("/console/people", what)


async def _new_first_password(request: AnyRequest, who: Act, person: Person) -> Response[bytes]:
    password = first_password(secrets.token_bytes)
    kept = await asyncio.to_thread(hashed, password)
    after = msgspec.structs.replace(person, password=kept, failures=0, locked_until=0)
    await writing(request, lambda c: _keep(c, after, who, "person.password", end_sessions=True))
    everybody = await reading(request, store.all_people)
    return _people_page(request, who.session, everybody, made=after, password=password)


def _keep(connection: Any, after: Person, who: Act, name: str, *, end_sessions: bool = False) -> None:
    store.change_person(connection, after, by=who.by, at=who.at, reason=who.reason, act=name)
    if end_sessions:
        store.close_sessions(connection, after.name)


async def _known(request: AnyRequest, name: str) -> Person:
    person = await reading(request, lambda c: store.one_person(c, name))
    if person is None:
        raise NotFoundError("nobody has this name", "path")
    return person


def _extra(form: Form) -> tuple[Permission, ...]:
    wanted = form.all("also")
    return tuple(one for one in EXTRA if one in wanted)


@get("/console/me", include_in_schema=False)
async def me(request: AnyRequest, done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    return page(request, "me.html", session, done=done, secret="", picture="")


@post("/console/me/password", include_in_schema=False, status_code=200)
async def me_password(request: AnyRequest) -> Any:
    who = await act(request, "see", reasoned=False)
    person = who.session.person
    if not await asyncio.to_thread(fits, person.password, who.form.get("old")):
        raise InputError("the old password is wrong", "old")
    new = checked_password(who.form.get("password"), person.name)
    after = msgspec.structs.replace(person, password=await asyncio.to_thread(hashed, new))
    mine = who._replace(reason="own password")
    await writing(request, lambda c: _keep(c, after, mine, "person.password", end_sessions=True))
    answer = done("/console/me", "password")
    answer.cookies.append(await begin(request, person.name))
    return answer


@post("/console/me/totp", include_in_schema=False, status_code=200)
async def me_totp(request: AnyRequest) -> Any:
    """First a new secret is shown as a picture; then a code proves that the authenticator has it."""
    who = await act(request, "see", reasoned=False)
    person, code = who.session.person, who.form.get("code")
    secret = who.form.get("secret", 64) if code else new_totp()
    step = totp_step(secret, code, who.at, 0) if code else None
    if step is None:
        shown = totp_address(secret, person.name)
        return page(
            request, "me.html", who.session, status=400 if code else 200, done="wrong-code" if code else "",
            secret=secret, picture=_picture(shown),
        )  # fmt: skip
    after = msgspec.structs.replace(person, totp=secret, totp_step=step)
    mine = who._replace(reason="own second factor")
    await writing(request, lambda c: _keep(c, after, mine, "person.totp"))
    return done("/console/me", "totp")


def _picture(text: str) -> str:
    """A QR code as an image's data."""
    return str(segno.make(text, error="m").svg_data_uri(scale=5, border=3, light="#fff"))


ROUTES: Final = (people, people_add, people_change, me, me_password, me_totp)
