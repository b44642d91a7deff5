"""A member's side of a session at the hub or a keyholder: opened by a signature, opened again when it ends, errors as ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec

from lianfang.engines.sealing import SigningKey, sign_entry
from lianfang.kernel.errors import AccessError, ConflictError, DependencyError, InputError, LianfangError, TooLargeError
from lianfang.kernel.instant import MINUTE
from lianfang.wire import SessionRequest, write

ANSWER_BYTES_MAX: Final = 8 << 20
RENEWED_BEFORE_US: Final = MINUTE
_JSON: Final = {"content-type": "application/json"}


class _Session(msgspec.Struct):
    secret: str
    expires_at: int


class _Problem(msgspec.Struct):
    code: str = "error"
    detail: str = "no reason given"
    where: str = ""


_read_session: Final = msgspec.json.Decoder(_Session).decode
_read_problem: Final = msgspec.json.Decoder(_Problem).decode


class MemberHttp:
    """Speaks to one party as one member. `wall()`: microseconds UTC; `random(n)`: n random bytes."""

    def __init__(
        self,
        url: str,
        audience: str,
        member: str,
        key: SigningKey,
        http: httpx.AsyncClient,
        wall: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self.url = url.rstrip("/")
        self.audience = audience
        self._member = member
        self._key = key
        self._http = http
        self._wall = wall
        self._random = random
        self._session: _Session | None = None

    async def headers(self) -> dict[str, str]:
        """What proves who asks. Raises as `ask`."""
        session = self._session
        if session is None or session.expires_at - RENEWED_BEFORE_US <= self._wall():
            asked = SessionRequest(
                member=self._member,
                audience=self.audience,
                nonce=self._random(16).hex(),
                at=self._wall(),
                signature=bytes(64),
            )
            said = await self._send("POST", "/v1/sessions", write(sign_entry(asked, self._key)), {})
            session = self._session = _read_session(checked(said, self.url))
        return {"authorization": f"Bearer {session.secret}"}

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of a good answer. A session that has ended is opened again, once.

        Raises `AccessError`, `InputError`, ... as the other side means them; `DependencyError` when it does not answer.
        """
        said = await self._send(method, path, body, await self.headers())
        if said.status_code == 401:
            self._session = None
            said = await self._send(method, path, body, await self.headers())
        return checked(said, self.url)

    async def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        try:
            return await self._http.request(method, self.url + path, content=body or None, headers={**_JSON, **headers})
        except (httpx.HTTPError, httpx.InvalidURL) as why:
            raise DependencyError(f"{self.audience} does not answer: {type(why).__name__}", "no-answer") from why


def checked(said: httpx.Response, who: str) -> bytes:
    """The body, or the other side's problem as one of our errors."""
    if len(said.content) > ANSWER_BYTES_MAX:
        raise DependencyError(f"{who} answers more than {ANSWER_BYTES_MAX} bytes", "bad-answer")
    if said.is_success:
        return said.content
    raise error_of(said.status_code, said.content, said.headers.get("retry-after"))


def error_of(status: int, raw: bytes, retry_after: Any = None) -> LianfangError:
    """Problem details as the error that made them."""
    try:
        problem = _read_problem(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = _Problem(detail=f"it answers {status}")
    if status in {401, 403, 429}:
        seconds = float(retry_after) if str(retry_after or "").replace(".", "", 1).isdigit() else None
        return AccessError(problem.detail, problem.code, seconds)
    if status >= 500:
        return DependencyError(problem.detail, problem.code)
    kinds: dict[int, type[InputError]] = {409: ConflictError, 413: TooLargeError}
    made = kinds.get(status, InputError)(problem.detail, problem.where)
    made.code = problem.code
    return made
