"""What a console must be told of the node it belongs to. `app` fills it in and keeps it as `app.state.console`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from lianfang.console.watched import Watched
from lianfang.services.identity.oidc import Oidc


class Said(NamedTuple):
    """The decider's answer."""

    status: int
    body: bytes


class AskDecider(Protocol):
    """One request to the decider on behalf of a person who was found allowed; raises `DependencyError`."""

    def __call__(self, method: str, target: str, body: bytes = b"") -> Said: ...


@dataclass(frozen=True)
class Console:
    """`node`: what this installation is called; `zone`: of times that people read; `secure`: the door speaks TLS."""

    node: str
    zone: ZoneInfo
    secure: bool
    ask_decider: AskDecider
    oidc: Oidc | None
    """The institution's own sign-in, where it has one."""
    setup_code: Callable[[], str | None]
    """The one-time code of the first set-up; None once somebody can sign in."""
    watched: Watched
    """The node as the pages that watch see it."""
