"""Signing in and out, the first set-up, and the language and theme of the pages."""

from __future__ import annotations

import asyncio
import hmac
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect

from lianfang.console.installation import Installation
from lianfang.console.page import LANG_COOKIE, THEME_COOKIE, THEMES, page
from lianfang.console.signed import Form, begin, end, ours, signed
from lianfang.console.words import LANGS
from lianfang.infra.asgi import AnyRequest
from lianfang.infra.sql import record
from lianfang.kernel.errors import AccessError, InputError, LianfangError
from lianfang.kernel.instant import Instant
from lianfang.services.identity import ROLES
from lianfang.services.identity import people_store as store
from lianfang.services.identity.passwords import fits, hashed, totp_step
from lianfang.services.identity.people import checked_password, failed, may_try, new_person, succeeded

HOME: Final = "/console"
"""Leads on to what this installation shows first."""
YEAR_S: Final = 365 * 86_400
Next = Annotated[str, QueryParameter(name="next", description="Where to go afterwards")]


@get("/console", include_in_schema=False)
async def home(request: AnyRequest) -> Redirect:
    console: Installation = request.app.state.console
    return Redirect(console.home, status_code=303)


@get("/console/sign-in", include_in_schema=False)
async def sign_in_page(request: AnyRequest, back: Next = "") -> Any:
    console: Installation = request.app.state.console
    if await asyncio.to_thread(console.setup_code) is not None:
        return Redirect("/console/setup", status_code=303)
    return page(request, "sign-in.html", None, back=inside(back), name="", said="", code=False)


@post("/console/sign-in", include_in_schema=False, status_code=200)
async def sign_in(request: AnyRequest) -> Any:
    form = await ours(request, None)
    name, back = form.get("name").lower(), inside(form.get("next"))
    try:
        await asyncio.to_thread(_prove, request, form, name)
    except AccessError as why:
        needs_code = why.code == "code-needed"
        status = 200 if needs_code else (429 if why.retry_after_s else 403)
        said = "" if needs_code else why.code
        return page(request, "sign-in.html", None, status=status, back=back, name=name, said=said, code=needs_code)
    return Redirect(back, status_code=303, cookies=[await begin(request, name)])


def _prove(request: AnyRequest, form: Form, name: str) -> None:
    """Raises `AccessError`: wrong-password, disabled, rate-limited, code-needed, wrong-code."""
    at = Instant(request.app.state.wall())
    database = request.app.state.database
    with database.reading() as connection:
        person = store.one_person(connection, name)
    if person is not None:
        may_try(person, at)
    fitting = fits(person.password if person else None, form.get("password"))
    if person is None:
        raise AccessError("the name or the password is wrong", "wrong-password")
    code = form.get("code")
    if fitting and person.totp and not code:
        raise AccessError("now the code", "code-needed")
    with database.writing() as connection:
        good = _attempted(connection, name, fitting, code, person.password, at)
    if not good:
        raise AccessError("the name or the password is wrong", "wrong-code" if code else "wrong-password")


def _attempted(connection: Any, name: str, fitting: bool, code: str, password: str | None, at: Instant) -> bool:
    """Whether an attempt is good, and what it leaves, in one transaction: attempts made at once are all counted, and a code that
    two of them carry opens for one. Raises `AccessError` where the others have locked the account meanwhile."""
    person = store.one_person(connection, name)
    assert person is not None  # nobody is ever removed
    may_try(person, at)
    good, step = fitting and person.password == password, None
    if good and person.totp:
        step = totp_step(person.totp, code, at, person.totp_step)
        good = step is not None
    after = succeeded(person) if good else failed(person, at)
    if step is not None:
        after = msgspec.structs.replace(after, totp_step=step)
    store.keep_attempt(connection, after)
    act = "person.sign-in" if good else "person.refused"
    record(connection, who=person.by, act=act, what=name, reason="sign-in", at=at)
    return good


@post("/console/sign-out", include_in_schema=False, status_code=200)
async def sign_out(request: AnyRequest) -> Redirect:
    session = await signed(request)
    await ours(request, session.csrf)
    return Redirect("/console/sign-in", status_code=303, cookies=[await end(request)])


@get("/console/setup", include_in_schema=False)
async def setup_page(request: AnyRequest) -> Any:
    console: Installation = request.app.state.console
    if await asyncio.to_thread(console.setup_code) is None:
        return Redirect("/console/sign-in", status_code=303)
    return page(request, "setup.html", None, said="", where="", name="", shown="")


@post("/console/setup", include_in_schema=False, status_code=200)
async def setup(request: AnyRequest) -> Any:
    form = await ours(request, None)
    name, shown = form.get("name").lower(), form.get("shown")
    try:
        await asyncio.to_thread(_first_person, request, form, name, shown)
    except LianfangError as why:
        said = why.what if isinstance(why, InputError) else str(why)
        where = getattr(why, "where", "")
        return page(request, "setup.html", None, status=400, said=said, where=where, name=name, shown=shown)
    return Redirect(HOME, status_code=303, cookies=[await begin(request, name)])


def _first_person(request: AnyRequest, form: Form, name: str, shown: str) -> None:
    console: Installation = request.app.state.console
    expected = console.setup_code()
    if expected is None or not hmac.compare_digest(expected.encode(), form.get("code").encode()):
        raise InputError(
            "this is not the code that the node printed at its start (also in the file first.code)", "code"
        )
    at = Instant(request.app.state.wall())
    kept = hashed(checked_password(form.get("password"), name))
    person = new_person(name, tuple(ROLES), kept, at, shown=shown)
    with request.app.state.database.writing() as connection:
        if store.all_people(connection):
            raise InputError("this node has been set up already: sign in", "code")
        store.add_person(connection, person, by="node", at=at, reason="first set-up of this node's console")
    console.setup_code()  # it opens nothing any more, and goes


@get("/console/look", include_in_schema=False)
async def look(
    request: AnyRequest, lang: FromQuery[str] = "", theme: FromQuery[str] = "", back: Next = ""
) -> Response[Any]:
    """Choose the language or the theme, then go back."""
    cookies = []
    if lang in LANGS:
        cookies.append(Cookie(key=LANG_COOKIE, value=lang, max_age=YEAR_S, path="/", samesite="lax", httponly=True))
    if theme in THEMES:
        cookies.append(Cookie(key=THEME_COOKIE, value=theme, max_age=YEAR_S, path="/", samesite="lax", httponly=True))
    return Redirect(inside(back), status_code=303, cookies=cookies)


def inside(back: str) -> str:
    """An address within the console; the home page for any other."""
    plain = back.startswith("/console/") and "\\" not in back and "//" not in back and back.isprintable()
    return back if plain and not back.startswith("/console/look") else HOME


ROUTES: Final = (home, sign_in_page, sign_in, sign_out, setup_page, setup, look)
