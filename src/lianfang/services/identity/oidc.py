"""Sign-in through an institution's own OpenID Connect provider: code flow with PKCE (OpenID Connect Core 1.0, RFC 7636).

The provider says who somebody is and, in one claim, which of our roles they have; it says nothing else that is believed. What
is expected back is kept here for ten minutes, bound to the browser that began by a cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from lianfang.kernel.errors import AccessError, DependencyError, InputError
from lianfang.kernel.instant import MINUTE, SECOND, Instant
from lianfang.services.identity.people import ROLES, Role

WAIT_US: Final = 10 * MINUTE
WAITING_MAX: Final = 1_000
"""Sign-ins begun and not ended; the oldest make room."""
KNOWN_US: Final = 60 * MINUTE
"""What the provider says of itself is asked again after so long."""
ANSWER_MAX: Final = 1 << 20
TIMEOUT_S: Final = 5.0
LEEWAY_S: Final = 60
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Provider(NamedTuple):
    """Who is trusted: from the settings. `claim`: where the roles stand."""

    issuer: str
    client_id: str
    client_secret: str
    claim: str


class Proved(NamedTuple):
    """Who somebody is, as the provider says. `subject`: issuer and its own name for them, for good."""

    subject: str
    name: str
    shown: str
    roles: tuple[Role, ...]


class _Begun(NamedTuple):
    nonce: str
    verifier: str
    back: str
    at: int


class Oidc:
    """The relying party. Thread-safe; its methods wait for the network. `random(n)`: n random bytes."""

    def __init__(self, provider: Provider, random: Callable[[int], bytes]) -> None:
        parts = urlsplit(provider.issuer)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise InputError("an OIDC issuer is reached by https", "oidc_issuer")
        self._provider = provider
        self._random = random
        self._lock = threading.Lock()
        self._waiting: dict[str, _Begun] = {}
        self._known: tuple[int, dict[str, Any], KeySet] | None = None

    def begin(self, redirect_uri: str, back: str, now: Instant) -> tuple[str, str]:
        """(where to send the browser, the state that its cookie must hold when it comes back)."""
        said = self._discovered(now)[0]
        state, nonce, verifier = (base64.urlsafe_b64encode(self._random(24)).decode() for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        with self._lock:
            self._waiting = {k: v for k, v in self._waiting.items() if now - v.at < WAIT_US}
            while len(self._waiting) >= WAITING_MAX:
                self._waiting.pop(next(iter(self._waiting)))
            self._waiting[state] = _Begun(nonce, verifier, back, now)
        asked = {
            "response_type": "code", "client_id": self._provider.client_id, "redirect_uri": redirect_uri,
            "scope": "openid profile", "state": state, "nonce": nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        address = str(said["authorization_endpoint"])
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", state

    def end(self, state: str, cookie: str, code: str, redirect_uri: str, now: Instant) -> tuple[Proved, str]:
        """(who it is, where they wanted to go). Raises `AccessError` for anything that does not fit what was begun."""
        with self._lock:
            begun = self._waiting.pop(state, None)
        if begun is None or now - begun.at >= WAIT_US or not hmac.compare_digest(state.encode(), cookie.encode()):
            raise AccessError("this sign-in was not begun here, or too long ago: begin again", "oidc-state")
        said, _ = self._discovered(now)
        token = self._token(str(said["token_endpoint"]), code, begun.verifier, redirect_uri)
        return self._proved(token, begun.nonce, now), begun.back

    def _token(self, address: str, code: str, verifier: str, redirect_uri: str) -> str:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        auth = (self._provider.client_id, self._provider.client_secret)
        answer = _asked(lambda client: client.post(address, data=form, auth=auth))
        found = answer.get("id_token")
        if not isinstance(found, str):
            raise AccessError("the provider did not say who this is: begin again", "oidc-token")
        return found

    def _proved(self, token: str, nonce: str, now: Instant) -> Proved:
        """Signature, issuer, audience, time and nonce (OpenID Connect Core 1.0 section 3.1.3.7)."""
        rules = jwt.JWTClaimsRegistry(
            now=now // SECOND, leeway=LEEWAY_S,
            iss={"essential": True, "value": self._provider.issuer}, aud={"essential": True, "value": self._provider.client_id},
            exp={"essential": True}, iat={"essential": True}, sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        try:
            claims = jwt.decode(token, self._discovered(now)[1], algorithms=list(ALGORITHMS)).claims
            rules.validate(claims)
        except (JoseError, ValueError) as why:
            self._known = None  # its keys may be new
            raise AccessError("what the provider sent does not prove who this is: begin again", "oidc-token") from why
        return self._named(claims)

    def _named(self, claims: dict[str, Any]) -> Proved:
        given = claims.get(self._provider.claim)
        named = given if isinstance(given, list) else [given]
        roles = tuple(role for role in ROLES if role in named)
        if not roles:
            raise AccessError("the provider gives you none of this node's roles: ask an operator", "oidc-roles")
        subject = f"{self._provider.issuer} {claims['sub']}"
        wanted = str(claims.get("preferred_username") or claims["sub"]).partition("@")[0].lower()
        name = re.sub(r"[^a-z0-9._-]", "-", wanted).lstrip("-._0123456789")[:32]
        if len(name) < 2:
            name = "p-" + hashlib.sha256(subject.encode()).hexdigest()[:10]
        return Proved(subject, name, str(claims.get("name") or name)[:64], roles)

    def _discovered(self, now: Instant) -> tuple[dict[str, Any], KeySet]:
        known = self._known
        if known is None or now - known[0] >= KNOWN_US:
            issuer = self._provider.issuer.rstrip("/")
            said = _asked(lambda client: client.get(f"{issuer}/.well-known/openid-configuration"))
            if said.get("issuer") != self._provider.issuer:
                raise DependencyError("the OIDC provider calls itself otherwise than oidc_issuer does", "oidc-issuer")
            keys = _asked(lambda client: client.get(str(said.get("jwks_uri"))))
            try:
                known = (now, said, KeySet.import_key_set(keys))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as why:
                raise DependencyError("the keys of the OIDC provider cannot be read", "oidc-keys") from why
            self._known = known
        return known[1], known[2]


def _asked(ask: Callable[[httpx.Client], httpx.Response]) -> dict[str, Any]:
    """One answer in JSON. Raises `DependencyError` when the provider fails, `AccessError` when it refuses."""
    try:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            answer = ask(client)
        if len(answer.content) > ANSWER_MAX or answer.status_code >= 500:
            raise DependencyError("the OIDC provider does not answer as it should; try again", "oidc-down")
        if answer.status_code >= 300:
            raise AccessError("the OIDC provider refused: begin again", "oidc-refused")
        return msgspec.json.decode(answer.content, type=dict[str, Any])
    except (httpx.HTTPError, httpx.InvalidURL) as why:
        raise DependencyError(f"the OIDC provider does not answer: {type(why).__name__}", "oidc-down") from why
    except msgspec.MsgspecError as why:
        raise DependencyError("the OIDC provider answered with something else than JSON", "oidc-down") from why
