"""Following a hub's log: from the tiles what was missed, then live; in order, each entry once, each checkpoint checked.

An entry is `confirmed` when a checkpoint with its quorum covers it. A live entry comes before that (it is used as pending),
and a `Confirmed` says later up to where all of them are. What was handed out and is then not in the tree is a `ForkError`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.engines.tlog import EMPTY_ROOT, TILE_WIDTH, Growing, SignedCheckpoint, leaf_hash
from lianfang.infra.feed.connection import HubConnection
from lianfang.infra.feed.events import Parser, ServerEvent
from lianfang.infra.feed.keeping import Kept
from lianfang.infra.feed.proofs import ForkError, prove
from lianfang.infra.feed.trust import QuorumError, Trust
from lianfang.infra.feed.view import MissingTileError, View
from lianfang.kernel.errors import DependencyError, EvidenceError

FETCHES: Final = 16
"""Bundles fetched at once, 256 entries each."""
BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
WITHHELD_AFTER: Final = 5
"""So many times a covered tile may be missing before that is called withholding."""
CLOCK_SKEW_S: Final = 300


class Arrived(NamedTuple):
    """An entry of the log, its exact bytes."""

    index: int  # type: ignore[assignment]  # its place in the log, not the tuple's method
    entry: bytes
    confirmed: bool


class Confirmed(NamedTuple):
    """A checkpoint that counts: all entries below `size` are what everybody sees. It was kept before this is said."""

    size: int
    root: bytes
    note: bytes


class Pending(NamedTuple):
    """A checkpoint that does not count yet, and why. Entries stay unconfirmed."""

    size: int
    why: str


Event = Arrived | Confirmed | Pending


class _AgainError(DependencyError):
    """The stream cannot be gone on with; the tiles know."""


class Feed:
    """One follower of one hub. `kept` remembers the last checkpoint; `wall` gives microseconds UTC."""

    def __init__(self, hub: HubConnection, trust: Trust, kept: Kept, wall: Callable[[], int]) -> None:
        self.trouble = ""
        """Why it is not connected, while it is not."""
        self._hub = hub
        self._trust = trust
        self._kept = kept
        self._wall = wall
        self._note = kept.note()
        self._next = 0
        self._handed: dict[int, bytes] = {}
        """Leaf hashes of what was handed out unconfirmed."""

    @property
    def folder(self) -> Path:
        """Where proofs are written."""
        return self._kept.folder

    async def follow(self, start: int = 0) -> AsyncGenerator[Event, None]:
        """Entries from `start` on, without end; it reconnects by itself. Give the size confirmed last: what was handed out
        beyond it comes again, and is checked. Close it with `contextlib.aclosing`.

        Raises `ForkError` (with its proof), `EvidenceError`, or `AccessError`: this member may not follow (any more).
        """
        self._next, failures, missing = start, 0, 0
        while True:
            try:
                async with aclosing(self._connected()) as events:
                    async for event in events:
                        failures, missing, self.trouble = 0, 0, ""
                        yield event
            except MissingTileError as why:
                missing += 1
                self.trouble = str(why)
                if missing >= WITHHELD_AFTER:
                    raise self._prove(f"the hub withholds entries: {why}", self._seen or b"") from why
            except (DependencyError, QuorumError) as why:
                if isinstance(why, DependencyError) and not why.retryable:
                    raise
                self.trouble = str(why)
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    _seen: bytes | None = None
    """The newest note that the log signed, whether believed or not."""

    async def _connected(self) -> AsyncGenerator[Event, None]:
        view, note = await self._newest()
        size = view.checkpoint.size
        async with aclosing(self._missed(view)) as missed:
            async for arrived in missed:
                yield arrived
        self._forget(size)
        yield Confirmed(size, view.checkpoint.root, note)
        async with aclosing(self._live(view.tree)) as live:
            async for event in live:
                yield event

    async def _newest(self) -> tuple[View, bytes]:
        """The hub's newest checkpoint, proved to grow out of the last one, kept."""
        note = self._seen = await self._hub.checkpoint()
        signed = self._trust.counts(note, self._latest_s())
        view = View(signed.checkpoint, self._hub.tile)
        old = None if self._note is None else self._trust.signed(self._note)
        if old is not None and signed.checkpoint.size < old.checkpoint.size:
            raise self._prove(
                f"the hub's log went back from {old.checkpoint.size} entries to {signed.checkpoint.size}", note
            )
        try:
            await view.open()
            root = EMPTY_ROOT if old is None else await view.root_at(old.checkpoint.size)
        except EvidenceError as why:
            raise self._prove(str(why), note) from why
        if old is not None and root != old.checkpoint.root:
            raise self._prove(
                f"the hub's log of {signed.checkpoint.size} entries does not begin with the {old.checkpoint.size} that it "
                "signed before: it shows different histories",
                note,
            )
        await self._keep(note)
        return view, note

    async def _missed(self, view: View) -> AsyncGenerator[Arrived, None]:
        """Entries of the tiles from the first that is not confirmed here, fetched ahead."""
        begin, size = min([self._next, *self._handed]), view.checkpoint.size
        indexes = deque(range(begin // TILE_WIDTH, -(-size // TILE_WIDTH)) if begin < size else ())
        waiting: deque[tuple[int, asyncio.Task[list[bytes]]]] = deque()
        try:
            while indexes or waiting:
                while indexes and len(waiting) < FETCHES:
                    index = indexes.popleft()
                    waiting.append((index, asyncio.create_task(view.entries(index))))
                index, task = waiting.popleft()
                try:
                    entries = await task
                except EvidenceError as why:
                    raise self._prove(str(why), self._seen or b"") from why
                for at, entry in enumerate(entries, index * TILE_WIDTH):
                    if at >= self._next:
                        self._next = at + 1
                        yield Arrived(at, entry, confirmed=True)
                    elif at in self._handed:
                        self._same(at, leaf_hash(entry))
        finally:
            for _, task in waiting:
                task.cancel()

    async def _live(self, tree: Growing) -> AsyncGenerator[Event, None]:
        waiting: list[bytes] = []
        parser = Parser()
        async with self._hub.events(tree.size) as chunks:
            async for chunk in chunks:
                for event in parser.feed(chunk):
                    if event.event == b"entry":
                        arrived = self._entry(event, tree.size + len(waiting), waiting)
                        if arrived is not None:
                            yield arrived
                    elif event.event == b"checkpoint":
                        yield await self._checkpoint(event, tree, waiting)
                    elif event.event == b"pending":
                        yield self._pending(event)
                    elif event.event == b"closed":
                        raise _AgainError(f"the hub closed the feed: {event.data[:40].decode('ascii', 'replace')}")
        raise _AgainError("the feed ended")

    def _entry(self, event: ServerEvent, expected: int, waiting: list[bytes]) -> Arrived | None:
        if event.id != b"%d" % expected:
            raise _AgainError(f"the feed jumps from entry {expected - 1} to {event.id[:20].decode('ascii', 'replace')}")
        hashed = leaf_hash(event.data)
        waiting.append(hashed)
        if expected < self._next:
            self._same(expected, hashed)
            return None
        self._handed[expected] = hashed
        self._next = expected + 1
        return Arrived(expected, event.data, confirmed=False)

    async def _checkpoint(self, event: ServerEvent, tree: Growing, waiting: list[bytes]) -> Event:
        note = self._seen = _note(event)
        try:
            signed = self._trust.counts(note, self._latest_s())
        except QuorumError as why:
            return Pending(self._trust.signed(note).checkpoint.size, str(why))
        size = signed.checkpoint.size
        if size < tree.size:
            raise self._prove(f"the hub's log went back from {tree.size} entries to {size}", note)
        if size > tree.size + len(waiting):
            raise _AgainError("the feed sent a checkpoint before its entries")
        take = size - tree.size
        tree.append(waiting[:take])
        del waiting[:take]
        if tree.root() != signed.checkpoint.root:
            raise self._prove(
                f"the {size} entries that the hub sent do not make the root that it signed: it shows different histories",
                note,
            )
        await self._keep(note)
        self._forget(size)
        return Confirmed(size, signed.checkpoint.root, note)

    def _pending(self, event: ServerEvent) -> Pending:
        signed: SignedCheckpoint = self._trust.signed(_note(event))
        return Pending(signed.checkpoint.size, "too few witnesses have cosigned")

    def _same(self, index: int, hashed: bytes) -> None:
        """Raises `ForkError` if another entry was handed out before at this place."""
        if self._handed.get(index, hashed) != hashed:
            raise self._prove(
                f"entry {index} of the hub's log is another than the one it sent before", self._seen or b""
            )

    def _forget(self, size: int) -> None:
        """Entries below `size` are confirmed."""
        if self._handed:
            self._handed = {index: one for index, one in self._handed.items() if index >= size}

    async def _keep(self, note: bytes) -> None:
        if note != self._note:
            await asyncio.to_thread(self._kept.replace, self._note, note)
            self._note = note

    def _latest_s(self) -> int:
        return self._wall() // 1_000_000 + CLOCK_SKEW_S

    def _prove(self, why: str, note: bytes) -> ForkError:
        return prove(self._kept.folder, why, [self._note or b"", note])


def _note(event: ServerEvent) -> bytes:
    try:
        return base64.b64decode(event.data, validate=True)
    except (binascii.Error, ValueError) as why:
        raise EvidenceError("a checkpoint of the feed is not base64") from why
