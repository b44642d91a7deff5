"""A member's connection to a hub: a session when one is needed, files of the log, the stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from lianfang.engines.sealing import SigningKey, sign_entry
from lianfang.engines.tlog import BUNDLE_BYTES_MAX, Tile
from lianfang.engines.tlog.note import NOTE_BYTES_MAX
from lianfang.kernel.errors import AccessError, ConflictError, DependencyError, EvidenceError, InputError, LianfangError
from lianfang.wire import SessionRequest, write

TIMEOUT_S: Final = 20.0
"""Of one request; of the feed, which has a heartbeat each 5 s, without any byte."""
REFERENCE_HEADER: Final = "Lianfang-Reference"
_AGAIN: Final = frozenset({"no-session"})


class Identity(NamedTuple):
    """Who asks. `audience`: whose door it is."""

    member: str
    key: SigningKey
    audience: str = "hub"


class HubConnection:
    """`http` is the caller's, with its TLS context; `who` is None for a log that everybody may read.

    `wall`: microseconds UTC; `random(n)`: n secret bytes.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        who: Identity | None,
        wall: Callable[[], int],
        random: Callable[[int], bytes],
        log_path: str = "/log",
    ) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._who = who
        self._wall = wall
        self._random = random
        self._log = log_path
        self._secret = ""

    async def tile(self, tile: Tile) -> bytes | None:
        """A tile's or bundle's bytes, unverified; None: there is none. Raises `DependencyError`, `AccessError`."""
        said = await self.ask("GET", f"{self._log}/{tile.path}")
        if said.status_code == 404:
            return None
        return _within(said, BUNDLE_BYTES_MAX)

    async def checkpoint(self) -> bytes:
        """The newest checkpoint that counts, unverified."""
        return _within(await self.ask("GET", f"{self._log}/checkpoint"), NOTE_BYTES_MAX)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """A JSON route of the hub, as a session's owner. Raises its refusal as one of our errors."""
        said = await self.ask(method, path, None if body is None else write(body))
        if said.status_code >= 400:
            raise error_of(said.status_code, said.content)
        return msgspec.json.decode(said.content) if said.content else None

    async def ask(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        """A request, its session opened or opened anew. Raises `DependencyError`, `AccessError`; other answers are returned."""
        for attempt in (1, 2):
            headers = await self._headers(fresh=attempt == 2)
            try:
                said = await self._http.request(
                    method, self._url + path, content=body, headers=headers, timeout=TIMEOUT_S
                )
            except httpx.HTTPError as why:
                raise DependencyError(
                    f"the hub at {self._url} does not answer: {type(why).__name__}", "hub-away"
                ) from why
            if said.status_code in (401, 403):
                refused = error_of(said.status_code, said.content)
                if attempt == 1 and refused.code in _AGAIN and self._who is not None:
                    continue
                raise refused
            if said.status_code == 429 or said.status_code >= 500:
                raise error_of(said.status_code, said.content)
            return said
        raise AssertionError

    @asynccontextmanager
    async def events(self, place: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The feed from entry `place` on, as raw bytes. Raises `DependencyError`, `AccessError`."""
        headers = await self._headers(fresh=False)
        path = f"{self._url}/v1/feed?from={place}"
        try:
            async with self._http.stream("GET", path, headers=headers, timeout=TIMEOUT_S) as said:
                if said.status_code != 200:
                    await said.aread()
                    why = error_of(said.status_code, said.content)
                    if why.code in _AGAIN:
                        self._secret = ""
                        raise DependencyError(str(why), "hub-away")
                    raise why
                yield said.aiter_raw()
        except httpx.HTTPError as why:
            raise DependencyError(f"the feed of {self._url} broke off: {type(why).__name__}", "hub-away") from why

    async def _headers(self, *, fresh: bool) -> dict[str, str]:
        headers = {"Content-Type": "application/json", REFERENCE_HEADER: self._random(16).hex()}
        if self._who is not None:
            if fresh or not self._secret:
                await self._open()
            headers["Authorization"] = f"Bearer {self._secret}"
        return headers

    async def _open(self) -> None:
        assert self._who is not None
        asked = sign_entry(
            SessionRequest(
                member=self._who.member,
                audience=self._who.audience,
                nonce=self._random(16).hex(),
                at=self._wall(),
                signature=bytes(64),
            ),
            self._who.key,
        )
        headers = {"Content-Type": "application/json"}
        try:
            said = await self._http.post(
                f"{self._url}/v1/sessions", content=write(asked), headers=headers, timeout=TIMEOUT_S
            )
        except httpx.HTTPError as why:
            raise DependencyError(f"the hub at {self._url} does not answer: {type(why).__name__}", "hub-away") from why
        if said.status_code != 201:
            raise error_of(said.status_code, said.content)
        self._secret = str(msgspec.json.decode(said.content)["secret"])


def _within(said: httpx.Response, limit: int) -> bytes:
    if said.status_code != 200:
        raise error_of(said.status_code, said.content)
    if len(said.content) > limit:
        raise EvidenceError(f"the hub sent {len(said.content):,} bytes where at most {limit:,} can be")
    return said.content


def error_of(status: int, content: bytes) -> LianfangError:
    """A problem document as the error it was made of."""
    try:
        said = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = {}
    detail = str(said.get("detail", f"the hub answers {status}"))
    code, where = str(said.get("code", "")), str(said.get("where", ""))
    found: LianfangError
    if status in (401, 403, 429):
        return AccessError(detail, code or "forbidden")
    if status == 409:
        found = ConflictError(detail, where)
    elif status < 500:
        found = InputError(detail, where)
    else:
        return DependencyError(detail, code or "hub-away")
    found.code = code or found.code
    return found
