"""A small server of length-framed messages over TCP: two bytes of length, big-endian, then the message. Answers in order.

Refuses by closing the connection: frames longer than allowed or empty, senders who do not finish one, readers who do not
read their answers, connections past the limit or idle too long. What a frame means is the handler's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HEAD: Final = 2
CLOSE: Final = b"\0"
"""An answer that is none: the connection is closed instead. No message of the protocol is this short."""
SWEEP_S: Final = 1.0
"""How often idle connections are looked for."""


@dataclass(frozen=True)
class FrameLimits:
    """What one server bears. Times in seconds."""

    frame_bytes: int = 4_096
    connections: int = 64
    pipelined: int = 256
    """Messages of one connection not yet answered; past it the connection is read no further."""
    partial_s: float = 10.0
    """A frame must be whole so long after its first byte."""
    idle_s: float = 300.0
    write_bytes: int = 1 << 20
    """Answers a client does not read; past it the connection is closed."""


class FrameSlot:
    """The place of one answer in its connection's order."""

    __slots__ = ("answer", "connection")

    def __init__(self, connection: FrameConnection) -> None:
        self.connection = connection
        self.answer: bytes | None = None


FrameHandler = Callable[[bytes, FrameSlot], bytes | None]
"""Answers at once, or with None and fills the slot later, then flushes its connection. `CLOSE` closes it."""


class FrameConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: FrameServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._slots: deque[FrameSlot] = deque()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._ending = False
        self.since = server.clock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit it, or close it when there are too many."""
        self._transport = transport  # type: ignore[assignment]
        if len(self._server.connections) >= self._server.limits.connections:
            self._server.refused += 1
            self.close()
            return
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more can be answered here; what is being recorded is recorded all the same."""
        self._transport = None
        self._slots.clear()
        self._buffer.clear()
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, and handle the frames that are whole."""
        if self._transport is None or self._ending:
            return
        if not self._buffer:
            self.since = self._server.clock()
        self._buffer += data
        self._take()

    def eof_received(self) -> bool:
        """Answers still owed are sent before the connection closes."""
        self._ending = True
        return bool(self._slots)

    def _take(self) -> None:
        """Handle what is whole, as far as the answers keep pace."""
        while self._handle_frames() and self._has_room():
            pass
        self._hold_back()

    def _has_room(self) -> bool:
        return self._transport is not None and len(self._slots) < self._server.limits.pipelined

    def _handle_frames(self) -> bool:
        """Handle frames until none is whole (False) or too many answers are owed (True); send those that are ready."""
        limits = self._server.limits
        stopped = True
        while self._has_room():
            length = int.from_bytes(self._buffer[:HEAD], "big") if len(self._buffer) >= HEAD else -1
            if length == 0 or length > limits.frame_bytes:
                self._server.refused += 1
                self.close()
                return False
            if length < 0 or len(self._buffer) < HEAD + length:
                stopped = False
                break
            frame = bytes(self._buffer[HEAD : HEAD + length])
            del self._buffer[: HEAD + length]
            self.since = self._server.clock()
            slot = FrameSlot(self)
            self._slots.append(slot)
            slot.answer = self._server.handle(frame, slot) or slot.answer
        self._send()
        return stopped

    def _hold_back(self) -> None:
        """Stop or go on reading: a client may have so many unanswered messages and no more."""
        full = not self._has_room()
        if self._transport is None or full == self._paused:
            return
        self._paused = full
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def flush(self) -> None:
        """Send what is answered, from the front, and go on reading where that was held back."""
        self._send()
        if self._paused and self._has_room():
            self._take()

    def _send(self) -> None:
        """An answer `CLOSE` ends the connection after what stands before it."""
        made = []
        close = False
        while self._slots and self._slots[0].answer is not None and not close:
            answer = self._slots.popleft().answer or b""
            close = answer == CLOSE
            if not close:
                made.append(len(answer).to_bytes(HEAD, "big") + answer)
        if self._transport is None:
            return
        if made:
            self._transport.write(b"".join(made))
        if close or (self._ending and not self._slots):
            self.close()
        elif self._transport.get_write_buffer_size() > self._server.limits.write_bytes:
            self._server.refused += 1
            self._transport.abort()

    def close(self) -> None:
        """Close after what is written has left."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._server.connections.discard(self)

    def overdue(self, now: float) -> bool:
        """Whether it began a frame long ago, or has said nothing for very long."""
        limits = self._server.limits
        if self._buffer and not self._paused:
            return now - self.since > limits.partial_s
        return not self._slots and now - self.since > limits.idle_s


class FrameServer:
    """Listens, and watches its connections. `clock` gives monotonic seconds; `fault` is told of the handler's mistakes."""

    def __init__(
        self,
        handler: FrameHandler,
        clock: Callable[[], float],
        fault: Callable[[Exception], None],
        limits: FrameLimits | None = None,
    ) -> None:
        self.limits = limits or FrameLimits()
        self.clock = clock
        self.connections: set[FrameConnection] = set()
        self.refused = 0
        """Connections closed for breaking a limit."""
        self._handler = handler
        self._fault = fault
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    def handle(self, frame: bytes, slot: FrameSlot) -> bytes | None:
        """The handler's answer; a mistake of ours closes the connection and is told."""
        try:
            return self._handler(frame, slot)
        except Exception as why:
            self._fault(why)
            return CLOSE

    async def start(self, host: str, port: int) -> int:
        """Listen; the port in use. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: FrameConnection(self), host, port)
        self._sweeper = loop.create_task(self._sweep())
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        """Close the door and every connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self.clock()
            for connection in [c for c in self.connections if c.overdue(now)]:
                self.refused += 1
                connection.close()
