"""What a console must be told of the installation it belongs to. `app` fills it in and keeps it as `app.state.console`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from lianfang.console.watched import Watched
from lianfang.services.identity import Permission
from lianfang.services.identity.oidc import Oidc
from lianfang.wire import ListEntry, RuleSet


class Said(NamedTuple):
    """The decider's answer."""

    status: int
    body: bytes


class AskDecider(Protocol):
    """One request to the decider on behalf of a person who was found allowed; raises `DependencyError`."""

    def __call__(self, method: str, target: str, body: bytes = b"") -> Said: ...


class BacktestJob(NamedTuple):
    """What a backtest is to judge. `current`: what is in force, None where nothing is to be compared; `model`: a version."""

    draft: int
    proposed: RuleSet
    current: RuleSet | None
    model: str
    by: str
    at: int


class BacktestState(NamedTuple):
    """How far the newest backtest of a draft is. Times in microseconds UTC; `said`: its last line, or what went wrong."""

    state: Literal["running", "done", "failed"]
    draft: int
    by: str
    begun: int
    ended: int | None
    said: str


class Backtests(Protocol):
    """Backtests on the node's own lake, one at a time, in a process that gives way to everything else."""

    def start(self, job: BacktestJob) -> None:
        """Raises `ConflictError` while one runs."""

    def of(self, draft: int) -> BacktestState | None:
        """The newest of this draft since the desk started, or what it left before."""

    def file(self, draft: int, name: Literal["figures.json", "report.html"]) -> bytes | None:
        """What the newest one that ended well wrote."""


class RefusedLine(NamedTuple):
    """A line of a list's file that was not taken, and why."""

    where: str
    what: str


class ReadList(NamedTuple):
    """A file of list entries. `repeated`: lines that say again what an earlier one said."""

    entries: list[ListEntry]
    refused: list[RefusedLine]
    repeated: int


ReadListText = Callable[[bytes, Literal["csv", "jsonl", "txt"], Mapping[str, Any]], ReadList]
"""Text, its format, and what its lines leave out. Raises `InputError` for what cannot be read at all."""


Navigation = tuple[tuple[str, tuple[tuple[str, str, Permission], ...]], ...]
"""Group, then (key of its words, address, permission)."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What every console is told: a node's, the hub's. `zone`: of times that people read; `secure`: the door speaks TLS."""

    node: str
    """What this installation is called."""
    zone: ZoneInfo
    secure: bool
    oidc: Oidc | None
    """The institution's own sign-in, where it has one."""
    setup_code: Callable[[], str | None]
    """The one-time code of the first set-up; None once somebody can sign in."""
    navigation: Navigation
    home: str
    """The page that a person who has signed in sees first."""


@dataclass(frozen=True, kw_only=True)
class Console(Installation):
    """What a node's console is told besides."""

    ask_decider: AskDecider
    watched: Watched
    """The node as the pages that watch see it."""
    backtests: Backtests
    read_list: ReadListText
    newest_watch: Callable[[], bytes | None]
    """The newest report of drift (JSON), or None."""
