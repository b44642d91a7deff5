"""Connections, pipelining, limits. Answers leave in the order of requests, several in one write.

A handler gets a request and a slot. It fills the slot at once, or later (when the journal is durable); the connection
sends whatever is filled from the front. Refuses: long heads, large bodies, slow senders, too many at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Final

import httptools

from lianfang.infra.http.heads import HEAD_END, Head, KnownHeads, raw_head
from lianfang.infra.http.messages import Request, problem, problem_of, response
from lianfang.kernel import limits
from lianfang.kernel.errors import LianfangError

KEPT_HEADERS: Final = frozenset({b"authorization", b"content-type", b"content-length", b"expect"})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
SWEEP_S: Final = 1.0
LINGER_S: Final = 2.0
"""After a refusal what still arrives is thrown away so long: closing at once would reset the connection and lose the
refusal on its way (RFC 9112, 9.6)."""


@dataclass(frozen=True)
class Limits:
    """What one server bears. Times in seconds."""

    body_bytes: int = limits.BODY_BYTES_MAX
    head_bytes: int = 16 << 10
    pipelined: int = 256
    """Requests of one connection not yet answered; past it the connection is read no further."""
    connections: int = 4_096
    head_s: float = 10.0
    """A request must be whole so long after its first byte."""
    idle_s: float = 75.0
    write_bytes: int = 4 << 20
    """Answers a client does not read; past it the connection is closed."""


class Slot:
    """The place of one answer in its connection's order."""

    __slots__ = ("answer", "close", "connection")

    def __init__(self, connection: Connection, close: bool) -> None:
        self.connection = connection
        self.answer: bytes | None = None
        self.close = close


Handler = Callable[[Request, Slot], bytes | None]
"""Answers with a whole response, or with None and fills the slot later (then calls `slot.connection.flush()`)."""


class _RefusedError(Exception):
    """Stops the parser; the answer is already chosen."""


class Connection(asyncio.Protocol):
    """One client. Parses, calls the handler, sends in order."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._handler = server.handler
        self._known = server.heads
        self._slots: deque[Slot] = deque()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._closing = False
        self._paused = False
        self._begun = 0
        """Requests begun."""
        self._lingering = False
        self._raw_head = b""
        """Of the request being parsed, if it began a read and its head was whole in it."""
        self.since = self._read_at = server.clock()
        self._reset()

    def _reset(self) -> None:
        self.reading = False
        self._in_head = False
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._names: list[bytes] = []
        self._body: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._refusal: bytes | None = None

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        if not self._server.admit(self):
            self.refuse(problem(503, "too-many-connections", "this node serves no more connections now"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closing = True
        self._slots.clear()
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._read_at = self._server.clock()
        if not self.reading:
            data = self._take_known(data)
            if data:
                self.reading = True
                self._raw_head = raw_head(data, 0)
                self.since = self._read_at
                self._parse(data)
        else:
            self._parse(data)
        if self._slots:
            self.flush()

    def _take_known(self, data: bytes) -> bytes:
        """Handle the whole requests at the front of `data` whose heads are known; the rest."""
        known = self._known.get
        at = 0
        while not self._closing:
            raw = raw_head(data, at)
            head = known(raw)
            if head is None or at + len(raw) + head.length > len(data):
                break
            body = at + len(raw)
            at = body + head.length
            self._handle(Request(head.method, head.target, head.headers, data[body:at], self._read_at), True)
        if at:
            self.since = self._read_at
        return data[at:] if at else data

    def _parse(self, data: bytes) -> None:
        unfinished = self._begun if self._in_head else -1
        try:
            self._parser.feed_data(data)
            if (
                self._in_head and self._begun == unfinished
            ):  # the parser keeps an unfinished line to itself, of any length
                self._count_head(len(data))
        except httptools.HttpParserUpgrade:  # asked for and not given (RFC 9110, 7.8): the request itself is answered
            self._closing = True
            if self._slots:
                self._slots[-1].close = True
            elif self._transport:
                self._transport.close()
        except (httptools.HttpParserError, _RefusedError) as why:
            if not self._closing:  # what follows a last request is nobody's
                self.refuse(self._refusal or problem(400, "bad-http", f"this is not HTTP/1.1: {why}"))

    def eof_received(self) -> bool:
        """Answers still owed are sent before the connection closes."""
        self._closing = True
        if self._slots:
            self._slots[-1].close = True
            return True
        return False

    # httptools

    def on_message_begin(self) -> None:
        if not self.reading:  # it follows another one in the same bytes
            self.since = self._server.clock()
        self._reset()
        self._begun += 1
        self.reading = self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        name = name.lower()
        self._names.append(name)
        if name in KEPT_HEADERS and self._in_head:  # a trailer says nothing about who asks for what
            if name in self._headers and self._headers[name] != value:
                self._stop(problem(400, "bad-http", f"the header {name.decode()} stands twice"))
            self._headers[name] = value

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._limits.head_bytes:
            self._stop(problem(431, "too-large", f"the head is larger than {self._limits.head_bytes} bytes"))

    def on_headers_complete(self) -> None:
        self._in_head = False
        length = self._headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._limits.body_bytes:
            self._too_large()
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._transport and not self._slots:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._limits.body_bytes:
            self._too_large()
        self._body.append(body)

    def _too_large(self) -> None:
        self._stop(problem(413, "too-large", f"the body is larger than {self._limits.body_bytes} bytes"))

    def _stop(self, refusal: bytes) -> None:
        """Stop parsing with this answer: raising in a callback is how httptools is stopped."""
        self._refusal = self._refusal or refusal
        raise _RefusedError

    def on_message_complete(self) -> None:
        self.reading = False
        if self._closing:
            return
        keeps_alive = self._parser.should_keep_alive()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(self._parser.get_method(), self._target, self._headers, body, self._read_at)
        if self._raw_head:
            head = Head(request.method, request.target, request.headers, len(body))
            self._known.learn(self._raw_head, head, self._names, keeps_alive)
            self._raw_head = b""
        self._handle(request, keeps_alive)

    def _handle(self, request: Request, keeps_alive: bool) -> None:
        slot = Slot(self, not keeps_alive)
        self._slots.append(slot)
        try:
            answer = self._handler(request, slot)
        except LianfangError as why:
            answer = problem_of(why)
        except Exception as why:  # the last fence: no traceback ever reaches a client
            self._server.on_fault(why)
            answer = problem(500, "internal", "this is our fault; it was recorded")
        if answer is not None:  # the handler may have filled the slot itself
            slot.answer = answer[: answer.find(HEAD_END) + len(HEAD_END)] if request.method == b"HEAD" else answer
        if slot.close:
            self._closing = True
        if len(self._slots) >= self._limits.pipelined and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    # sending

    def flush(self) -> None:
        """Send every filled answer from the front."""
        slots = self._slots
        ready: list[bytes] = []
        last = None
        while slots and (answer := slots[0].answer) is not None:
            last = slots.popleft()
            ready.append(answer)
        transport = self._transport
        if last is None or transport is None:
            return
        transport.write(ready[0] if len(ready) == 1 else b"".join(ready))
        if last.close:
            self._closing = True
            if self._lingering and transport.can_write_eof():
                transport.write_eof()
                if self._paused:
                    transport.resume_reading()
            else:
                transport.close()
        elif transport.get_write_buffer_size() > self._limits.write_bytes:
            transport.abort()
        elif self._paused and len(slots) <= self._limits.pipelined // 2:
            self._paused = False
            self.since = self._server.clock()  # the rest of a request may have waited behind the pause
            transport.resume_reading()

    def refuse(self, answer: bytes) -> None:
        """Answer and close, after what is owed."""
        self._closing = True
        self._lingering = self in self._server.connections
        self.since = self._server.clock()
        slot = Slot(self, True)
        slot.answer = answer
        self._slots.append(slot)
        self.flush()

    def sweep(self, now: float) -> None:
        """Called about once a second: close what is slow or idle."""
        if self._slots:
            return
        if self._closing:
            if self._lingering and now - self.since > LINGER_S and self._transport:
                self._transport.close()
            return
        if self.reading and now - self.since > self._limits.head_s:
            self.refuse(problem(408, "too-slow", f"a request must be whole within {self._limits.head_s:g} s"))
        elif not self.reading and now - self.since > self._limits.idle_s and self._transport:
            self._transport.close()

    def stop(self) -> None:
        """Close once nothing is owed."""
        if not self._slots and self._transport:
            self._transport.close()
        elif self._slots:
            self._slots[-1].close = True


class Server:
    """Listens, keeps the connections, sweeps them."""

    def __init__(
        self,
        handler: Handler,
        clock: Callable[[], float],
        on_fault: Callable[[Exception], Any],
        limits: Limits | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.clock = clock
        self.on_fault = on_fault
        self.connections: set[Connection] = set()
        self.heads = KnownHeads()
        self._listening: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        if len(self.connections) >= self.limits.connections:
            return False
        self.connections.add(connection)
        return True

    async def start(self, host: str, port: int, ssl: SSLContext | None = None) -> int:
        """Listen; returns the port, which matters when 0 was asked for."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: Connection(self), host, port, ssl=ssl, backlog=1_024, reuse_address=True
        )
        self._sweep()
        return int(self._listening.sockets[0].getsockname()[1])

    def _sweep(self) -> None:
        now = self.clock()
        for connection in list(self.connections):
            connection.sweep(now)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no more, send what is owed, then close."""
        if self._listening:
            self._listening.close()
        if self._sweeper:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.stop()
        until = self.clock() + grace_s
        while self.connections and self.clock() < until:
            await asyncio.sleep(0.01)


__all__ = ["Connection", "Handler", "Limits", "Server", "Slot", "response"]
