"""Health: what runs, what is in force, what is on disk, the keys, the settings, and what needs attention with what to do."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from lianfang.console.installation import Console
from lianfang.console.page import page
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import act, signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, Instant
from lianfang.services.identity import store
from lianfang.services.identity.keys import Issued
from lianfang.services.identity.people_store import Session
from lianfang.services.identity.store import StoredKey

ADDRESS: Final = "/console/health"
OLD_KEY: Final = 365 * DAY
"""A key older than this ought to be rotated."""
ENDING: Final = 14 * DAY
"""A key that ends within this is pointed out."""
KEYS_SHOWN: Final = 200
_ABOUT: Final = {
    "decider": "decider", "journal": "journal", "recovery": "recovery", "rules": "rules", "rule": "rules", "records": "rules",
    "lists": "rules", "keys": "rules", "model": "model", "challenger": "model", "models": "model", "following": "following",
    "lake": "lake", "report": "report", "features": "features", "snapshot": "journal", "iso8583": "iso8583",
}  # fmt: skip
"""The head of what needs attention, to the words about it; anything else: `other`."""


def about(key: str) -> str:
    """Which words go with something that needs attention."""
    return _ABOUT.get(key.split(".", 1)[0].split(" ", 1)[0], "other")


def key_state(one: StoredKey, now: Instant) -> str:
    """`revoked`, `ended`, `rotated` (works until it ends), `ending` (soon), `old`, or `good`."""
    if one.revoked_at is not None:
        return "revoked"
    if not one.in_force(now):
        return "ended"
    if one.key.successor:
        return "rotated"
    if one.key.expires_at is not None and one.key.expires_at - now < ENDING:
        return "ending"
    return "old" if now - one.key.created_at > OLD_KEY else "good"


@get(ADDRESS, include_in_schema=False)
async def health(request: AnyRequest, done: FromQuery[str] = "") -> Response[bytes]:
    return await _page(request, await signed(request), done=done)


async def _page(request: AnyRequest, session: Session, done: str = "", issued: Issued | None = None) -> Response[bytes]:
    console: Console = request.app.state.console
    state = await asyncio.to_thread(console.watched.state)
    keys = await reading(request, store.all_keys)
    now = Instant(request.app.state.wall())
    newest = sorted(keys, key=lambda one: (not one.in_force(now), -one.key.created_at))
    return page(
        request, "health.html", session, done=done, issued=issued, state=state,
        attention=[(about(key), key, said) for key, said in sorted(state.attention.items())],
        keys=[(one, key_state(one, now)) for one in newest[:KEYS_SHOWN]], keys_more=max(len(keys) - KEYS_SHOWN, 0),
        adjusted={one.name for one in state.settings if one.value != one.default},
    )  # fmt: skip


@post(f"{ADDRESS}/keys/{{key_id:str}}", include_in_schema=False, status_code=200)
async def key_change(request: AnyRequest, key_id: FromPath[str]) -> Any:
    """A key rotated (the successor is shown once), or revoked."""
    who = await act(request, "operate")
    what = who.form.get("what")
    if what == "rotate":
        issued = await writing(
            request,
            lambda c: store.rotate_key(c, key_id, secrets.token_bytes, by=who.by, at=who.at, reason=who.reason),
            publish=True,
        )
        if issued is None:
            raise NotFoundError("no key in force has this id", "path")
        return await _page(request, who.session, issued=issued)
    if what != "revoke":
        raise InputError("there is no such change", "what")
    gone = await writing(
        request, lambda c: store.revoke_key(c, key_id, by=who.by, at=who.at, reason=who.reason), publish=True
    )
    if not gone:
        raise NotFoundError("no key in force has this id", "path")
    return done(ADDRESS, "revoked")


ROUTES: Final = (health, key_change)
