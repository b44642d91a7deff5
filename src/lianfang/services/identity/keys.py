"""API keys: random secrets of which only a hash is kept, with scopes, a rate, an expiry, and a successor when rotated.

A key reads `lf_<id>_<secret>`. The secret has 160 random bits, so one SHA-256 is hash enough (no dictionary reaches it).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from lianfang.kernel.errors import AccessError, InputError
from lianfang.kernel.instant import SECOND, Instant

Scope = Literal["decide", "read", "outcomes", "rules", "approve", "lists", "share", "admin", "operator"]
SCOPES: Final[dict[Scope, str]] = {
    "decide": "ask for decisions",
    "read": "read decisions, rules and lists",
    "outcomes": "report what payments turned out to be",
    "rules": "change rules",
    "approve": "approve what others have drafted",
    "lists": "change lists",
    "share": "say, contest and look up what the alliance shares",
    "admin": "issue, rotate and revoke keys",
}
HUB_SCOPES: Final[dict[Scope, str]] = {"operator": "run the hub: members, vetoes, appeals, ceremonies"}
"""Of keys of a hub; a node issues none."""
SECRET_BYTES: Final = 20
ID_BYTES: Final = 5
RATE_MAX: Final = 1_000_000
NO_END: Final = 1 << 62
SEEN_S: Final = 1.0
"""A header found good is not hashed again for so long."""
ROTATION_GRACE_S: Final = 86_400
"""How long a rotated key still works, so that callers can change over."""

Random = Callable[[int], bytes]
"""Gives so many random bytes: `secrets.token_bytes`."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key. `digest`: SHA-256 of the whole key, hex. `rate_per_s`: payments a second, with `burst`."""

    id: str
    digest: str
    scopes: tuple[Scope, ...]
    note: str = ""
    rate_per_s: Annotated[float, Meta(gt=0, le=RATE_MAX)] = 100_000.0
    burst: Annotated[float, Meta(ge=1, le=RATE_MAX)] = 100_000.0
    created_at: int
    expires_at: int | None = None
    successor: str | None = None


class Issued(NamedTuple):
    """A new key: its text, shown once, and what is kept."""

    text: str
    key: ApiKey


def issue(
    scopes: Iterable[str],
    now: Instant,
    random: Random,
    *,
    note: str = "",
    rate_per_s: float = 100_000.0,
    lifetime_s: int | None = None,
) -> Issued:
    """A new key. Raises `InputError` for an unknown scope."""
    wanted = tuple(dict.fromkeys(scopes))
    unknown = [s for s in wanted if s not in SCOPES and s not in HUB_SCOPES]
    if unknown or not wanted:
        raise InputError(
            f"unknown scope {unknown[0]!r}; there are {', '.join(SCOPES)}" if unknown else "a key needs a scope"
        )
    key_id = base64.b32encode(random(ID_BYTES)).decode().lower()
    text = f"lf_{key_id}_{base64.b32encode(random(SECRET_BYTES)).decode().lower()}"
    key = ApiKey(
        id=key_id,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        scopes=wanted,  # type: ignore[arg-type]
        note=note,
        rate_per_s=rate_per_s,
        burst=max(rate_per_s, 1.0),
        created_at=now,
        expires_at=None if lifetime_s is None else now + lifetime_s * SECOND,
    )
    return Issued(text, key)


def rotate(old: ApiKey, now: Instant, random: Random, grace_s: int = ROTATION_GRACE_S) -> tuple[ApiKey, Issued]:
    """(the old key, which ends after `grace_s`; its successor with the same scopes, rate and length of life)."""
    if old.successor:
        raise InputError(f"the key {old.id} was already rotated; rotate {old.successor}")
    lifetime_s = None if old.expires_at is None else (old.expires_at - old.created_at) // SECOND
    issued = issue(old.scopes, now, random, note=old.note, rate_per_s=old.rate_per_s, lifetime_s=lifetime_s)
    ends = min(old.expires_at or NO_END, now + grace_s * SECOND)
    return msgspec.structs.replace(old, expires_at=ends, successor=issued.key.id), issued


class _Live:
    """A key in force and its token bucket."""

    __slots__ = ("burst", "expires_at", "key", "rate", "scopes", "since", "tokens")

    def __init__(self, key: ApiKey, now: float) -> None:
        self.key = key
        self.rate = key.rate_per_s
        self.burst = key.burst
        self.scopes = frozenset(key.scopes)
        self.expires_at = key.expires_at or NO_END
        self.tokens = key.burst
        self.since = now


class KeyRing:
    """Checks keys. `wall`: microseconds UTC; `ticks`: monotonic seconds, for the rates."""

    def __init__(self, keys: Iterable[ApiKey], wall: Callable[[], int], ticks: Callable[[], float]) -> None:
        self._wall = wall
        self._ticks = ticks
        self._live: dict[bytes, _Live] = {}
        self._seen: dict[bytes, _Live] = {}
        self._look_again = 0.0
        self.replace(keys)

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """Use these keys from now on. Buckets of keys that stay are kept."""
        now = self._ticks()
        known = {live.key: live for live in self._live.values()}
        self._live = {bytes.fromhex(k.digest): known.get(k) or _Live(k, now) for k in keys}
        self._seen.clear()

    def __call__(self, header: bytes | None, scope: str, cost: int = 1) -> ApiKey:
        """The key of an `Authorization: Bearer` header. Raises `AccessError`: no-key, bad-key, wrong-scope, rate-limited."""
        now = self._ticks()
        if now >= self._look_again:
            self._seen.clear()
            self._look_again = now + SEEN_S
        live = self._seen.get(header) if header is not None else None
        if live is None or live.expires_at != NO_END:
            live = self._seen[header or b""] = self._find(header)
        if scope not in live.scopes:
            raise AccessError(
                f"this API key may not do this: it lacks the scope {scope!r} ({dict(SCOPES).get(scope, scope)})",  # type: ignore[call-overload]
                "wrong-scope",
            )
        tokens = min(live.burst, live.tokens + (now - live.since) * live.rate)
        live.since = now
        needed = min(cost, live.burst)  # a batch larger than the burst waits for a full bucket and leaves a debt
        if tokens < needed:
            live.tokens = tokens
            raise AccessError("this API key's rate is used up", "rate-limited", (needed - tokens) / live.rate)
        live.tokens = tokens - cost
        return live.key

    def _find(self, header: bytes | None) -> _Live:
        """The valid key of a header never seen, or not within the last `SEEN_S`."""
        if header is None:
            raise AccessError("send your API key: Authorization: Bearer lf_...", "no-key")
        if header[:7].lower() != b"bearer ":
            raise AccessError("the Authorization header must read: Bearer lf_...", "bad-key")
        live = self._live.get(hashlib.sha256(header[7:].strip()).digest())
        if live is None or self._wall() >= live.expires_at:
            raise AccessError("this API key is not known or no longer valid", "bad-key")
        return live
