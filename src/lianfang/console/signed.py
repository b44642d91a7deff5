"""Who looks, and whether they may: the session cookie, permissions, and proof that a form is ours."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from lianfang.console.installation import Installation
from lianfang.console.page import unmasked
from lianfang.infra.asgi import AnyRequest
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, InputError, TooLargeError
from lianfang.kernel.instant import Instant
from lianfang.services.identity import Permission
from lianfang.services.identity import people_store as store
from lianfang.services.identity.people_store import Session

COOKIE: Final = "lianfang_session"
SECURE_COOKIE: Final = "__Host-lianfang_session"
FORM_FIELD: Final = "_csrf"
FORM_HEADER: Final = "x-lianfang-form"
FORM_BYTES_MAX: Final = 1 << 20


class SignInNeededError(AccessError):
    """Nobody is signed in, or no longer."""

    def __init__(self) -> None:
        super().__init__("sign in first", "no-session")


class Act(NamedTuple):
    """One privileged act about to be done: who, when, why, and what the form said."""

    by: str
    at: Instant
    reason: str
    form: Form
    session: Session


class Form:
    """A form's fields. A field that is not there is empty."""

    def __init__(self, fields: Any) -> None:
        self._fields = fields

    def get(self, name: str, most: int = limits.TEXT_LENGTH_MAX) -> str:
        """One field, without blanks around it. Raises `TooLargeError` naming the field."""
        value = self._fields.get(name, "")
        text = value.strip() if isinstance(value, str) else ""
        if len(text) > most:
            raise TooLargeError(f"this is longer than {most} characters", name)
        return text

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may stand several times."""
        return tuple(value for value in self._fields.getall(name, []) if isinstance(value, str))

    def raw(self, name: str) -> Any:
        """As sent: text, or an uploaded file."""
        return self._fields.get(name)


async def signed(request: AnyRequest, need: Permission = "see") -> Session:
    """The session of whoever looks. Raises `SignInNeededError`, or `AccessError` when their roles do not allow it."""
    secret = request.cookies.get(_cookie_name(request))
    if not secret or len(secret) > 100:
        raise SignInNeededError
    found = await asyncio.to_thread(_session, request, secret)
    if found is None:
        raise SignInNeededError
    if need not in found.person.permissions:
        raise AccessError(f"your roles do not include this: {need}", "wrong-role")
    return found


def _session(request: AnyRequest, secret: str) -> Session | None:
    database, at = request.app.state.database, Instant(request.app.state.wall())
    with database.reading() as connection:
        found = store.session(connection, secret, at)
    if found is None:
        return None
    if found[1]:
        with database.writing() as connection:
            store.touch(connection, secret, at)
    return found[0]


async def still_signed(request: AnyRequest) -> bool:
    """Whether the session of a page that stays open still stands. Asking is no use of it: nobody may be there."""

    def look() -> bool:
        secret = request.cookies.get(_cookie_name(request), "")
        with request.app.state.database.reading() as connection:
            return store.session(connection, secret, Instant(request.app.state.wall())) is not None

    return await asyncio.to_thread(look)


async def act(request: AnyRequest, need: Permission, *, reasoned: bool = True) -> Act:
    """A form sent by whoever may. Raises `AccessError` for a form that is not ours, `InputError` for one without a reason."""
    session = await signed(request, need)
    form = await ours(request, session.csrf)
    reason = form.get("reason")
    if reasoned and not reason:
        raise InputError("say why: the reason is kept with the change", "reason")
    return Act(session.person.by, Instant(request.app.state.wall()), reason, form, session)


async def ours(request: AnyRequest, secret: str | None) -> Form:
    """The form, if a page of ours sent it: by its origin, and by the session's secret where there is a session."""
    same_origin(request)
    if int(request.headers.get("content-length") or 0) > FORM_BYTES_MAX:
        raise TooLargeError(f"a form has at most {FORM_BYTES_MAX} bytes", "form")
    fields = await request.form()
    if secret is not None:
        sent = request.headers.get(FORM_HEADER) or fields.get(FORM_FIELD) or ""
        if not isinstance(sent, str) or not hmac.compare_digest(unmasked(sent).encode(), secret.encode()):
            raise AccessError("this form is too old or not ours: load the page again, then send it", "bad-form")
    return Form(fields)


def same_origin(request: AnyRequest) -> None:
    """Raises `AccessError` for what another site's page sends (Fetch Metadata; `Origin` where that is missing)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        good = site in ("same-origin", "none")
    else:
        origin = request.headers.get("origin")
        good = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not good:
        raise AccessError("another site's page sent this; it was not done", "other-origin")


def _cookie_name(request: AnyRequest) -> str:
    console: Installation = request.app.state.console
    return SECURE_COOKIE if console.secure else COOKIE


async def begin(request: AnyRequest, name: str) -> Cookie:
    """A new session for a person who has just proved who they are."""
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    at = Instant(request.app.state.wall())

    def keep() -> None:
        with request.app.state.database.writing() as connection:
            store.open_session(connection, name, secret, csrf, at)

    await asyncio.to_thread(keep)
    return cookie(request, secret)


async def end(request: AnyRequest) -> Cookie:
    """Signed out: the session is gone, and so is its cookie."""
    secret = request.cookies.get(_cookie_name(request), "")

    def drop() -> None:
        with request.app.state.database.writing() as connection:
            store.close_session(connection, secret)

    await asyncio.to_thread(drop)
    return cookie(request, "", 0)


def cookie(request: AnyRequest, value: str, max_age: int | None = None) -> Cookie:
    """The session's cookie: never for scripts, never for other sites."""
    console: Installation = request.app.state.console
    return Cookie(
        key=_cookie_name(request), value=value, max_age=max_age, path="/", secure=console.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip
