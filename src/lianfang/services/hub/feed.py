"""The feed: entries to every follower the moment they are durable, checkpoints when they count. One chunk serves all.

A follower that reads too slowly is dropped past a named limit: it comes again, and takes what it missed from the tiles.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

BEHIND_BYTES_MAX: Final = 4 << 20
"""Waiting for one follower's connection; past it the follower is dropped."""
PAGE: Final = 2_048
"""Entries that are read at a time for a follower that begins in the past."""
HEARTBEAT: Final = b": alive\n\n"
HEARTBEAT_S: Final = 5.0
FOLLOWERS_MAX: Final = 512
FOLLOWERS_OF_ONE_MAX: Final = 8


class Source(Protocol):
    """The log."""

    @property
    def size(self) -> int:
        """Entries that are durable."""

    def read(self, begin: int, end: int) -> list[bytes]: ...


def entry_events(first: int, entries: Sequence[bytes]) -> bytes:
    """Server-sent events of entries. An entry is compact JSON: it holds no line break."""
    return b"".join([b"id: %d\nevent: entry\ndata: %b\n\n" % (at, entry) for at, entry in enumerate(entries, first)])


def note_event(note: bytes, *, counts: bool) -> bytes:
    """A checkpoint: one that counts, or one without its quorum."""
    return b"event: %b\ndata: %b\n\n" % (b"checkpoint" if counts else b"pending", base64.b64encode(note))


class Follower:
    """One open connection. `place`: the next entry it is to get."""

    def __init__(self, member: str, place: int) -> None:
        self.member = member
        self.place = place
        self.closed = ""
        """Why, once it is."""
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._news = asyncio.Event()
        self.live = False

    def push(self, chunk: bytes) -> None:
        """Live bytes; closes the follower when they pile up."""
        if self._waiting + len(chunk) > BEHIND_BYTES_MAX:
            self.close("slow")
            return
        self._chunks.append(chunk)
        self._waiting += len(chunk)
        self._news.set()

    def close(self, why: str) -> None:
        """No more to it."""
        self.closed = self.closed or why
        self._news.set()

    async def next(self) -> bytes:
        """What has come since, or a heartbeat; nothing once it is closed."""
        if not self._chunks and not self.closed:
            try:
                await asyncio.wait_for(self._news.wait(), HEARTBEAT_S)
            except TimeoutError:
                return HEARTBEAT
        self._news.clear()
        if self.closed:
            return b""
        said = b"".join(self._chunks)
        self._chunks.clear()
        self._waiting = 0
        return said


class Feed:
    """All followers of one log. `on_closed(follower)` cuts a connection that does not read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._sent = source.size
        self._note = b""
        self._followers: set[Follower] = set()
        self.dropped = 0
        self.on_closed: Callable[[Follower], None] = lambda follower: None

    def __len__(self) -> int:
        return len(self._followers)

    @property
    def sent(self) -> int:
        """Entries that live followers have."""
        return self._sent

    def of(self, member: str) -> Iterator[Follower]:
        """A member's followers."""
        return (one for one in self._followers if one.member == member)

    def join(self, member: str, place: int) -> Follower:
        """A new follower, to be fed its past by `past` until that says it is live."""
        follower = Follower(member, place)
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Its connection is gone."""
        self._followers.discard(follower)

    def past(self, follower: Follower) -> tuple[int, int] | None:
        """The entries [begin, end) that it lacks, to be read next; None: it has all, and is live from now on."""
        if follower.place < self._sent:
            return follower.place, min(follower.place + PAGE, self._sent)
        follower.live = True
        if self._note:
            follower.push(self._note)
        return None

    def entries_came(self) -> None:
        """Tells live followers all that has become durable since. On the loop's thread, in no particular order."""
        size = self._source.size
        if size <= self._sent:
            return
        entries = self._source.read(self._sent, size)
        first, self._sent = self._sent, size
        if any(one.live for one in self._followers):
            self._tell(entry_events(first, entries))

    def checkpoint_came(self, note: bytes, *, counts: bool) -> None:
        """Tells live followers of a checkpoint; whoever goes live later hears the last that counts. After its entries."""
        event = note_event(note, counts=counts)
        if counts:
            self._note = event
        self._tell(event)

    def _tell(self, chunk: bytes) -> None:
        for one in list(self._followers):
            if one.live and not one.closed:
                one.push(chunk)
                if one.closed:
                    self.dropped += 1
                    self.on_closed(one)

    def close(self, member: str, why: str) -> None:
        """Every connection of a member ends now."""
        for one in list(self.of(member)):
            one.close(why)
            self.on_closed(one)

    def close_all(self) -> None:
        """The hub stops."""
        for one in list(self._followers):
            one.close("ending")
