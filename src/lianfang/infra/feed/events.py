"""Server-sent events (WHATWG HTML, section 9.2) out of raw bytes, as far as a hub sends them. Bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from lianfang.kernel.errors import EvidenceError

EVENT_BYTES_MAX: Final = 1 << 20


class ServerEvent(NamedTuple):
    """One event; `id` is empty where none was said."""

    event: bytes
    id: bytes
    data: bytes


class Parser:
    """Feed it bytes, take events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """The events that are complete now. Raises `EvidenceError`: one has no end."""
        blocks = (self._rest + chunk).split(b"\n\n")
        self._rest = blocks.pop()
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EvidenceError(f"an event of the feed has more than {EVENT_BYTES_MAX:,} bytes")
        for block in blocks:
            if block and not block.startswith(b":"):
                yield _read(block)


def _read(block: bytes) -> ServerEvent:
    found = {b"event": b"message", b"id": b"", b"data": b""}
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name in found:
            found[name] = value.removeprefix(b" ")
    return ServerEvent(found[b"event"], found[b"id"], found[b"data"])
