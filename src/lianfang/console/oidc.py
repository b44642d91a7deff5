"""Sign-in through the institution's own provider: there and back, and the person's roles as it now says."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.datastructures import Cookie
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect

from lianfang.console.entrance import inside
from lianfang.console.installation import Installation
from lianfang.console.page import page
from lianfang.console.reach import writing
from lianfang.console.signed import begin
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.sql import record
from lianfang.kernel.errors import AccessError, ConflictError
from lianfang.kernel.instant import Instant
from lianfang.services.identity import Person
from lianfang.services.identity import people_store as store
from lianfang.services.identity.oidc import Oidc, Proved

COOKIE: Final = "lianfang_oidc"
COOKIE_S: Final = 600
Next = Annotated[str, QueryParameter(name="next", description="Where to go afterwards")]

Begun = Annotated[str, QueryParameter(name="state")]


def _oidc(request: AnyRequest) -> Oidc:
    console: Installation = request.app.state.console
    if console.oidc is None:
        raise NotFoundError("this node has no OIDC provider (setting oidc_issuer)", "path")
    return console.oidc


def _back(request: AnyRequest) -> str:
    console: Installation = request.app.state.console
    return f"{'https' if console.secure else 'http'}://{request.headers['host']}/console/oidc/back"


@get("/console/oidc", include_in_schema=False)
async def there(request: AnyRequest, back: Next = "") -> Redirect:
    oidc, now = _oidc(request), Instant(request.app.state.wall())
    address, state = await asyncio.to_thread(oidc.begin, _back(request), inside(back), now)
    return Redirect(address, status_code=303, cookies=[_cookie(request, state, COOKIE_S)])


@get("/console/oidc/back", include_in_schema=False)
async def back(request: AnyRequest, begun: Begun = "", code: FromQuery[str] = "") -> Any:
    oidc, now = _oidc(request), Instant(request.app.state.wall())
    cookie = request.cookies.get(COOKIE, "")
    try:
        proved, where = await asyncio.to_thread(oidc.end, begun, cookie, code, _back(request), now)
        person = await writing(request, lambda c: _person(c, proved, now))
    except AccessError as why:
        return page(request, "sign-in.html", None, status=403, back="", name="", said=why.code, code=False)
    cookies = [await begin(request, person.name), _cookie(request, "", 0)]
    return Redirect(where, status_code=303, cookies=cookies)


def _cookie(request: AnyRequest, value: str, max_age: int) -> Cookie:
    console: Installation = request.app.state.console
    return Cookie(
        key=COOKIE, value=value, max_age=max_age, path="/console/oidc", secure=console.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip


def _person(connection: Any, proved: Proved, at: Instant) -> Person:
    """Whoever the provider says it is: made at the first sign-in, given the roles it says now."""
    known = store.person_of(connection, proved.subject)
    reason = "as the OIDC provider says"
    if known is None:
        known = Person(name=proved.name, shown=proved.shown, roles=proved.roles, subject=proved.subject, created_at=at)
        if store.one_person(connection, known.name) is not None:
            raise ConflictError(f"another account is called {known.name}: ask an operator", "name")
        store.add_person(connection, known, by="oidc", at=at, reason=reason)
    if known.disabled_at is not None:
        raise AccessError("this account is switched off; ask an operator", "disabled")
    if known.roles != proved.roles:
        known = msgspec.structs.replace(known, roles=proved.roles)
        store.change_person(connection, known, by="oidc", at=at, reason=reason, act="person.roles")
    record(connection, who=known.by, act="person.sign-in", what=known.name, reason="sign-in by OIDC", at=at)
    return known


ROUTES: Final = (there, back)
