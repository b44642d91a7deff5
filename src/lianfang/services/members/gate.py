"""The door of the hub and of each keyholder: a member proves itself by signature and gets a short-lived secret.

The member's state is looked at with every request, so an expulsion cuts off at once, whatever secrets are out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from lianfang.engines.sealing import check_signature, signed_bytes
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, EvidenceError
from lianfang.kernel.instant import MINUTE, SECOND
from lianfang.services.members.roster import Roster
from lianfang.wire import MemberEntry, SessionRequest

LIFE_US: Final = 10 * MINUTE
SESSIONS_MAX: Final = 64
"""Of one member at a time; the oldest ends for a new one."""
SKEW_US: Final = limits.CLOCK_SKEW_MAX_S * SECOND
SECRET_BYTES: Final = 32


class Session(msgspec.Struct, frozen=True):
    """What a member sends along from now on: `Authorization: Bearer <secret>`."""

    secret: str
    expires_at: int
    """Microseconds, UTC."""


class _Open(msgspec.Struct):
    member: str
    signing: bytes
    until: int


class Gate:
    """`audience`: whose door this is. `random(n)` gives n secret bytes. Times are arguments, microseconds UTC."""

    def __init__(self, audience: str, roster: Roster, random: Callable[[int], bytes]) -> None:
        self._audience = audience
        self._roster = roster
        self._random = random
        self._open: dict[bytes, _Open] = {}
        self._nonces: dict[str, int] = {}

    def open(self, request: SessionRequest, now: int) -> Session:
        """A session for a request that proves its member. Raises `AccessError` with what is wrong."""
        if request.audience != self._audience:
            raise AccessError(f"this request is for {request.audience}; this is {self._audience}", "wrong-audience")
        member = self._roster.member(request.member)
        if abs(request.at - now) > SKEW_US:
            raise AccessError(
                f"the request's time differs from this clock by more than {limits.CLOCK_SKEW_MAX_S} s: set your clock (NTP)",
                "clock-skew",
            )
        try:
            check_signature(signed_bytes(request), request.signature, member.signing)
        except EvidenceError as why:
            raise AccessError(f"the request is not signed by {member.id}'s key", "bad-signature") from why
        self._once(request, now)
        secret = self._random(SECRET_BYTES).hex()
        self._make_room(member.id, now)
        self._open[_digest(secret)] = _Open(member.id, member.signing, now + LIFE_US)
        return Session(secret, now + LIFE_US)

    def member(self, header: str | None, now: int) -> MemberEntry:
        """Who sends this `Authorization` header. Raises `AccessError`: none, ended, expelled, key rotated."""
        scheme, _, secret = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise AccessError("open a session first: POST /v1/sessions", "no-session")
        found = self._open.get(_digest(secret.strip()))
        if found is None or found.until <= now:
            raise AccessError("this session has ended; open another: POST /v1/sessions", "no-session")
        member = self._roster.member(found.member)
        if member.signing != found.signing:
            raise AccessError("the key that opened this session was rotated; open another", "no-session")
        return member

    def _once(self, request: SessionRequest, now: int) -> None:
        self._nonces = (
            {n: until for n, until in self._nonces.items() if until > now} if self._due(now) else self._nonces
        )
        if request.nonce in self._nonces:
            raise AccessError("this request was used before: make each with a nonce of its own", "replayed")
        self._nonces[request.nonce] = request.at + 2 * SKEW_US

    def _due(self, now: int) -> bool:
        """Whether forgotten nonces are worth a walk: about once in so many requests as are remembered."""
        return bool(self._nonces) and next(iter(self._nonces.values())) <= now

    def _make_room(self, member: str, now: int) -> None:
        self._open = {key: one for key, one in self._open.items() if one.until > now}
        own = [key for key, one in self._open.items() if one.member == member]
        for key in own[: max(0, len(own) - SESSIONS_MAX + 1)]:
            del self._open[key]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
