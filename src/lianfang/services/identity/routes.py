"""HTTP of API keys, at the desk. A key's text is shown once, when it is made; only its hash is kept.

`app.state.database` holds the keys, `app.state.keys_changed()` puts a change in force everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath
from msgspec import Meta

from lianfang.infra.asgi import AnyRequest, NotFoundError, answer, authorized, body, reason_of
from lianfang.kernel import limits
from lianfang.kernel.instant import DAY, SECOND, Instant, moment
from lianfang.services.identity import store
from lianfang.services.identity.keys import RATE_MAX, ROTATION_GRACE_S, Issued, Scope, issue
from lianfang.services.identity.store import StoredKey
from lianfang.wire import Reader

LIFETIME_MAX_S: Final = 10 * 366 * DAY // SECOND
T = TypeVar("T")


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be issued. `rate_per_s`: payments (or other requests) a second; `lifetime_s`: null for no end."""

    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=7)]
    note: Annotated[str, Meta(max_length=limits.TEXT_LENGTH_MAX)] = ""
    rate_per_s: Annotated[float, Meta(gt=0, le=RATE_MAX)] = 1_000.0
    lifetime_s: Annotated[int, Meta(ge=1, le=LIFETIME_MAX_S)] | None = None


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; never the key."""

    id: str
    scopes: tuple[Scope, ...]
    note: str
    rate_per_s: float
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    successor: str | None
    in_force: bool


class KeyIssued(msgspec.Struct, frozen=True):
    """A new key: `text` is what callers send, shown this once."""

    text: str
    key: KeyShown


_read_wanted: Final = Reader(KeyWanted)


def _shown(one: StoredKey, at: Instant) -> KeyShown:
    def when(us: int | None) -> datetime | None:
        return None if us is None else moment(us)

    key = one.key
    return KeyShown(
        id=key.id,
        scopes=key.scopes,
        note=key.note,
        rate_per_s=key.rate_per_s,
        created_at=moment(key.created_at),
        expires_at=when(key.expires_at),
        revoked_at=when(one.revoked_at),
        successor=key.successor,
        in_force=one.in_force(at),
    )


async def _writing(request: AnyRequest, change: Callable[[Any], T]) -> T:
    def run() -> T:
        with request.app.state.database.writing() as connection:
            result = change(connection)
        request.app.state.keys_changed()
        return result

    return await asyncio.to_thread(run)


def _issued(issued: Issued, at: Instant) -> Response[bytes]:
    return answer(KeyIssued(issued.text, _shown(StoredKey(issued.key, None), at)), 201)


@get("/v1/keys", summary="Every key there ever was, without its text", opt={"scope": "admin", "answer": list[KeyShown]})
async def keys_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "admin")

    def run() -> list[KeyShown]:
        with request.app.state.database.reading() as connection:
            return [_shown(one, request.app.state.wall()) for one in store.all_keys(connection)]

    return answer(await asyncio.to_thread(run))


@post("/v1/keys", summary="Issue a key; its text is shown this once",
      opt={"scope": "admin", "reason": True, "body": KeyWanted, "answer": KeyIssued})  # fmt: skip
async def key_issue(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "admin")
    wanted = await body(request, _read_wanted)
    at, reason = request.app.state.wall(), reason_of(request)
    made = issue(
        wanted.scopes,
        at,
        request.app.state.random,
        note=wanted.note,
        rate_per_s=wanted.rate_per_s,
        lifetime_s=wanted.lifetime_s,
    )
    await _writing(request, lambda c: store.add_key(c, made.key, by=by, at=at, reason=reason))
    return _issued(made, at)


@post("/v1/keys/{key_id:str}/rotate", summary=f"A successor for a key, which itself ends in {ROTATION_GRACE_S // 3600} hours",
      opt={"scope": "admin", "reason": True, "answer": KeyIssued})  # fmt: skip
async def key_rotate(request: AnyRequest, key_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "admin")
    at, reason, random = request.app.state.wall(), reason_of(request), request.app.state.random
    made = await _writing(request, lambda c: store.rotate_key(c, _plain(key_id), random, by=by, at=at, reason=reason))
    if made is None:
        raise NotFoundError("no key in force has this id", "path")
    return _issued(made, at)


@delete("/v1/keys/{key_id:str}", status_code=200, summary="Revoke a key at once",
        opt={"scope": "admin", "reason": True, "answer": KeyShown})  # fmt: skip
async def key_revoke(request: AnyRequest, key_id: FromPath[str]) -> Response[bytes]:
    by = authorized(request, "admin")
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> StoredKey | None:
        done = store.revoke_key(connection, _plain(key_id), by=by, at=at, reason=reason)
        return store.one_key(connection, key_id) if done else None

    gone = await _writing(request, change)
    if gone is None:
        raise NotFoundError("no key in force has this id", "path")
    return answer(_shown(gone, at))


def _plain(name: str) -> str:
    if not name.isprintable():
        raise NotFoundError("no key in force has this id", "path")
    return name


ROUTES: Final = (keys_list, key_issue, key_rotate, key_revoke)
