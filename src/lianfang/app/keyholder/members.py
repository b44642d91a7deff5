"""Who is a member now: asked every second of the hub, or read from a file. While neither can be had, nobody new comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import msgspec

from lianfang.kernel.errors import DependencyError, EvidenceError, InputError
from lianfang.services.members import Roster
from lianfang.wire import MemberEntry, Reader
from lianfang.wire.payment import Part

EVERY_S: Final = 1.0
STALE_S: Final = 30.0
"""So long without news the door closes: somebody may have been expelled meanwhile."""
TIMEOUT_S: Final = 5.0
MEMBERS_BYTES_MAX: Final = 4 << 20


class MembersSaid(Part, frozen=True, kw_only=True):
    """As the hub says it: everybody, as of a size of its log."""

    size: int = 0
    members: tuple[MemberEntry, ...]


_read: Final = Reader(MembersSaid)


class Source(Protocol):
    """Where members are known."""

    def ask(self) -> MembersSaid: ...


class FromFile:
    """A file as the hub would answer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self) -> MembersSaid:
        """Raises `DependencyError`, `EvidenceError`."""
        try:
            raw = self._path.read_bytes()
        except OSError as why:
            raise DependencyError(f"the members in {self._path} cannot be read: {why.strerror}") from why
        return _checked(raw, str(self._path))


class FromHub:
    """The hub's `GET /v1/members`, which needs no session: it names no secret."""

    def __init__(self, url: str, verify: Any = True) -> None:
        self._url = url.rstrip("/") + "/v1/members"
        self._http = httpx.Client(timeout=TIMEOUT_S, verify=verify, trust_env=False)

    def ask(self) -> MembersSaid:
        """Raises `DependencyError`, `EvidenceError`."""
        try:
            said = self._http.get(self._url)
        except httpx.HTTPError as why:
            raise DependencyError(f"the hub does not answer at {self._url}: {type(why).__name__}") from why
        if said.status_code != 200 or len(said.content) > MEMBERS_BYTES_MAX:
            raise DependencyError(f"the hub answers {said.status_code} at {self._url}")
        return _checked(said.content, self._url)


def _checked(raw: bytes, where: str) -> MembersSaid:
    try:
        return _read(raw)
    except InputError as why:
        raise EvidenceError(f"what {where} says is no list of members: {why}") from why


def take_up(roster: Roster, said: MembersSaid) -> list[str]:
    """What is new, into the roster; the ids of members that changed. Who is no longer named at all counts as expelled."""
    changed = []
    known = {one.id: one for one in roster.everybody}
    named = {one.id: one for one in said.members}
    gone = [msgspec.structs.replace(one, state="expelled") for id_, one in known.items() if id_ not in named]
    for one in [*said.members, *gone]:
        if known.get(one.id) != one:
            roster.apply(one, said.size)
            changed.append(one.id)
    return changed
