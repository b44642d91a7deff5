"""What is hot at the hub, on bare ASGI in front of Litestar: entries in, the feed and the log's files out.

Litestar would take a third of a processor at ten thousand entries a second (docs/reference/hub.md); everything else is its.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from lianfang.engines.tlog import parse_tile_path
from lianfang.infra.asgi import NotFoundError
from lianfang.infra.http.messages import problem_body, problem_headers, status_of
from lianfang.kernel.errors import AccessError, InputError, LianfangError, TooLargeError
from lianfang.services.hub.accepting import BATCH_MAX
from lianfang.services.hub.access import REFERENCE_HEADER, Accesses
from lianfang.services.hub.feed import FOLLOWERS_MAX, FOLLOWERS_OF_ONE_MAX, HEARTBEAT, Follower, entry_events
from lianfang.services.hub.hub import Hub
from lianfang.wire import Entry, MemberEntry, Reader

Scope = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]
BODY_BYTES_MAX: Final = 8 << 20
"""1,000 tags of the largest size."""
ABORT: Final = "lianfang.abort"
"""In a scope: ends its connection now, whatever waits to be sent."""
CUT_AFTER_S: Final = 0.2
"""A follower that is closed is told why; one that does not take even that is cut."""
_AUTHORIZATION: Final = b"authorization"
_JSON: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_STREAM: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_read_one: Final[Reader[Entry]] = Reader(Entry)  # type: ignore[arg-type]
_read_many: Final = Reader(list[Entry])


def header(scope: Scope, name: bytes) -> str | None:
    """A request's header."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


class Door:
    """The ASGI application. `behind`: Litestar. `check(member, scope)` raises for a wrong certificate."""

    def __init__(
        self,
        hub: Hub,
        accesses: Accesses,
        log_folder: Path,
        behind: Any,
        check: Callable[[str, Scope], None],
        *,
        log_public: bool,
    ) -> None:
        self._hub = hub
        self._accesses = accesses
        self._folder = log_folder
        self._behind = behind
        self._check = check
        self._public = log_public
        self._streams: dict[Follower, tuple[asyncio.Task[None], Callable[[], None]]] = {}
        hub.feed.on_closed = self._closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            if path == "/v1/entries" and method == "POST":
                await self._answered(self._entries, scope, receive, send)
                return
            if path == "/v1/feed" and method == "GET":
                await self._answered(self._feed, scope, receive, send)
                return
            if path.startswith("/log/") and method in ("GET", "HEAD"):
                await self._answered(self._file, scope, receive, send)
                return
        await self._behind(scope, receive, send)

    async def _answered(self, handle: Callable[..., Any], scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await handle(scope, receive, send)
        except LianfangError as why:
            status = status_of(why)
            detail = why.what if isinstance(why, InputError) else str(why)
            content = problem_body(status, why.code, detail, getattr(why, "where", ""))
            more = [(name.lower().encode(), value.encode("latin-1")) for name, value in problem_headers(why)]
            kind = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
            await _say(send, status, content, [*kind, *more])

    def _member(self, scope: Scope) -> MemberEntry:
        member = self._hub.gate.member(header(scope, _AUTHORIZATION), self._hub.wall())
        self._check(member.id, scope)
        return member

    async def _entries(self, scope: Scope, receive: Receive, send: Send) -> None:
        member = self._member(scope)
        raw = await _body(receive)
        entries = read_entries(raw)
        try:
            first = await self._hub.accept(entries, member)
        except LianfangError:
            self._accesses.published(member.id, len(entries), refused=True)
            raise
        self._accesses.published(member.id, len(entries), refused=False)
        if len(entries) == 1:
            said = b'{"indexes":[%d]}' % first
        else:
            said = msgspec.json.encode({"indexes": list(range(first, first + len(entries)))})
        await _say(send, 200, said, _JSON)

    async def _file(self, scope: Scope, _: Receive, send: Send) -> None:
        name = scope["path"].removeprefix("/log/")
        if not self._public:
            member = self._member(scope)
            await self._accesses.log("log", member.id, header(scope, REFERENCE_HEADER.encode()), path=name[:80])
        if name in ("checkpoint", "pending"):
            note = self._hub.note if name == "checkpoint" else self._hub.pending
            if not note:
                raise NotFoundError(f"there is no {name}: look at /v1/state", "path")
            kind, kept = b"text/plain; charset=utf-8", b"no-store"
        else:
            note = await asyncio.to_thread(self._tile, name)
            kind, kept = b"application/octet-stream", b"public, max-age=604800, immutable"
        await _say(send, 200, note, [(b"content-type", kind), (b"cache-control", kept)])

    def _tile(self, name: str) -> bytes:
        tile = parse_tile_path(name)
        try:
            return (self._folder / tile.path).read_bytes()
        except OSError as why:
            raise NotFoundError("the log has no such tile: it is smaller, or the tile is whole by now", "path") from why

    async def _feed(self, scope: Scope, receive: Receive, send: Send) -> None:
        member, feed = self._member(scope), self._hub.feed
        if len(feed) >= FOLLOWERS_MAX or sum(1 for _ in feed.of(member.id)) >= FOLLOWERS_OF_ONE_MAX:
            raise AccessError(
                f"the feed has {len(feed)} followers, at most {FOLLOWERS_OF_ONE_MAX} of one member: close one of yours",
                "rate-limited",
                5.0,
            )
        place = self._place(scope)
        await self._accesses.log("feed", member.id, header(scope, REFERENCE_HEADER.encode()), place=place)
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})
        follower = feed.join(member.id, place)
        sending = asyncio.create_task(self._stream(follower, send))
        gone = asyncio.create_task(_gone(receive))
        abort = scope.get(ABORT, _nothing)
        self._streams[follower] = sending, abort
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            feed.leave(follower)
            self._streams.pop(follower, None)
            unfinished = not sending.done() or sending.cancelled()
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            if unfinished:
                abort()

    def _place(self, scope: Scope) -> int:
        """Where to begin: after `Last-Event-ID`, or at `?from=`."""
        last = header(scope, b"last-event-id")
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("from", ["0"])[0]
        text = last if last is not None else asked
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise InputError("from is the number of the next entry wanted, 0 for all", "from")
        place = int(text) + (last is not None)
        if place > self._hub.log.size:
            raise InputError(f"the log has {self._hub.log.size} entries; there is no entry {place - 1} yet", "from")
        return place

    async def _stream(self, follower: Follower, send: Send) -> None:
        feed = self._hub.feed
        feed.entries_came()
        while not follower.closed and (wanted := feed.past(follower)) is not None:
            begin, end = wanted
            entries = await asyncio.to_thread(self._hub.log.read, begin, end)
            await send({"type": "http.response.body", "body": entry_events(begin, entries), "more_body": True})
            follower.place = end
        while chunk := await follower.next():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        bye = b"event: closed\ndata: %b\n\n" % follower.closed.encode()
        await send({"type": "http.response.body", "body": bye, "more_body": False})

    def _closed(self, follower: Follower) -> None:
        """A follower is closed: it may have been because it does not read, so it is not waited for."""
        stream = self._streams.get(follower)
        if stream is not None:
            task, _ = stream
            if follower.closed == "slow":
                task.cancel()
            else:
                asyncio.get_running_loop().call_later(CUT_AFTER_S, task.cancel)


def read_entries(raw: bytes) -> list[Entry]:
    """One entry, or an array of them. Raises `InputError`."""
    if raw[:1] == b"[" or raw.lstrip()[:1] == b"[":
        found = _read_many(raw)
        if len(found) > BATCH_MAX:
            raise TooLargeError(
                f"a request has at most {BATCH_MAX} entries, and this has {len(found)}: send several", "$"
            )
        return found
    return [_read_one(raw)]


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InputError("the connection ended within the body: send it again")
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise TooLargeError(f"a body has at most {BODY_BYTES_MAX:,} bytes: send fewer entries at a time", "$")
        if not message.get("more_body", False):
            return part if not parts else b"".join((*parts, part))
        parts.append(part)


async def _say(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _nothing() -> None:
    pass
