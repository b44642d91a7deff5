"""The HTTP server on a real loopback port: order, limits, bad requests, slow clients. Clocks are in the test's hand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop

from lianfang.infra.http import Limits, Request, Server, Slot, response
from lianfang.infra.http.server import Connection
from lianfang.kernel.errors import InputError

PATIENCE_S = 5.0
"""No test waits so long unless it fails."""


class House:
    """A running server whose handler echoes, or keeps slots for the test to fill."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 0.0
        self.faults: list[Exception] = []
        self.requests: list[Request] = []
        self.kept: dict[bytes, Slot] = {}
        self.server = Server(self._handle, lambda: self.now, self.faults.append, limits)
        self.port = 0

    def _handle(self, request: Request, slot: Slot) -> bytes | None:
        self.requests.append(request)
        path = request.target
        if path.startswith(b"/later"):
            self.kept[path] = slot
            return None
        if path == b"/filled":
            slot.answer = response(200, b'"filled"')
            return None
        if path == b"/boom":
            raise RuntimeError("secret-detail")
        if path == b"/refused":
            raise InputError("that is wrong", "$.x")
        if path == b"/large":
            return response(200, b"x" * 100_000)
        return response(200, path + b" " + request.body)

    def fill(self, path: bytes) -> None:
        slot = self.kept[path]
        slot.answer = response(200, path)
        slot.connection.flush()

    def sweep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        for connection in list(self.server.connections):
            connection.sweep(self.now)

    @contextlib.asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Client:
    """One connection, with bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self) -> tuple[int, bytes, dict[bytes, bytes]]:
        """The next whole response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        first, *lines = head[:-4].split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        body = await asyncio.wait_for(self.reader.readexactly(int(headers.get(b"Content-Length", b"0"))), PATIENCE_S)
        return int(first.split(b" ")[1]), body, headers

    async def rest(self) -> bytes:
        """All until the server closes."""
        try:
            return await asyncio.wait_for(self.reader.read(-1), PATIENCE_S)
        except ConnectionResetError:
            return b""


def run(test: Callable[[House], Awaitable[None]], limits: Limits | None = None) -> House:
    """A test with its server, in a loop of its own."""
    house = House(limits)

    async def main() -> None:
        house.port = await house.server.start("127.0.0.1", 0)
        try:
            await test(house)
        finally:
            for connection in list(house.server.connections):
                if connection._transport is not None:
                    connection._transport.abort()
            await house.server.stop(0)
            await asyncio.sleep(0)

    uvloop.run(main())
    return house


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.001)


def get(path: bytes, *headers: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path, b"".join(h + b"\r\n" for h in headers))


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(h + b"\r\n" for h in headers)
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b" % (path, len(body), lines, body)


def test_pipelined_answers_leave_in_the_order_of_requests() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            paths = [b"/later%d" % i for i in range(5)]
            client.send(b"".join(map(get, paths)) + get(b"/now"))
            await until(lambda: len(house.requests) == 6)
            for path in (paths[3], paths[1], paths[4], paths[2]):
                house.fill(path)
            house.fill(paths[0])
            assert [(await client.answer())[1] for _ in range(6)] == [*paths, b"/now "]

    run(test)


def test_a_slot_that_the_handler_fills_itself_is_sent() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/filled") + get(b"/after"))
            assert (await client.answer())[1] == b'"filled"'
            assert (await client.answer())[1] == b"/after "

    run(test)


def test_a_request_split_anywhere_is_the_same_request() -> None:
    raw = post(b"/split?q=1", b'{"a":1}', b"Content-Type: application/json", b"Authorization: Bearer k")

    class Sink:
        def __init__(self) -> None:
            self.written = b""

        def write(self, data: bytes) -> None:
            self.written += data

        def get_write_buffer_size(self) -> int:
            return 0

    expected = None
    for at in range(len(raw) + 1):
        seen: list[Request] = []

        def handle(request: Request, slot: Slot, seen: list[Request] = seen) -> bytes:
            seen.append(request)
            return response(200, b"{}")

        connection, sink = Connection(Server(handle, lambda: 0.0, print)), Sink()
        connection.connection_made(sink)  # type: ignore[arg-type]
        connection.data_received(raw[:at])
        connection.data_received(raw[at:])
        assert len(seen) == 1, at
        one = (seen[0].method, seen[0].target, seen[0].headers, seen[0].body)
        expected = expected or one
        assert one == expected
        assert sink.written == response(200, b"{}")


def test_a_request_byte_by_byte_is_answered() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            for byte in post(b"/slow", b"body"):
                client.send(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.answer())[:2] == (200, b"/slow body")

    run(test)


def test_a_request_that_does_not_become_whole_is_refused() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(b"GET / HTTP/1.1\r\nX-A: ")
            await until(lambda: any(c.reading for c in house.server.connections))
            house.sweep(9)
            client.send(b"more")
            await asyncio.sleep(0.01)
            house.sweep(2)
            assert (await client.answer())[0] == 408
            assert await client.rest() == b""

    run(test)


def test_a_busy_connection_is_not_taken_for_a_slow_one() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            whole = get(b"/x")
            client.send(whole[:5])
            for _ in range(30):  # every piece ends in the middle of a request
                house.sweep(1)
                client.send(whole[5:] + whole[:5])
                assert (await client.answer())[0] == 200
            house.sweep(11)
            assert (await client.answer())[0] == 408

    run(test)


def test_an_idle_connection_is_closed_without_a_word() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/x"))
            await client.answer()
            house.sweep(74)
            client.send(get(b"/y"))
            await client.answer()
            house.sweep(76)
            assert await client.rest() == b""

    run(test)


def test_an_owed_answer_is_waited_for() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/later"))
            await until(lambda: bool(house.kept))
            house.sweep(1_000)
            house.fill(b"/later")
            assert (await client.answer())[:2] == (200, b"/later")

    run(test)


SMALL = Limits(body_bytes=100, head_bytes=500)


def test_bodies_past_the_limit_are_refused_by_their_length_alone() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n")
            status, body, _ = await client.answer()
            assert (status, b"100 bytes" in body) == (413, True)
            assert await client.rest() == b""
        async with house.client() as client:
            client.send(post(b"/", b"x" * 100))
            assert (await client.answer())[0] == 200

    assert len(run(test, SMALL).requests) == 1


@pytest.mark.parametrize(
    "length", [b"99999999999999999999", b"18446744073709551617", b"-1", b"1x", b"+5", b"0x10", b""]
)
def test_lengths_that_are_none_are_refused(length: bytes) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\n\r\n" % length)
            assert (await client.answer())[0] in (400, 413)
            assert await client.rest() == b""

    assert run(test, SMALL).requests == []


def test_chunked_bodies_are_read_and_limited() -> None:
    head = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(head + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n")
            assert (await client.answer())[:2] == (200, b"/c abcde")
            client.send(head + b"32\r\n" + b"x" * 50 + b"\r\n33\r\n" + b"x" * 51)
            assert (await client.answer())[0] == 413

    assert len(run(test, SMALL).requests) == 1


def test_trailers_change_nothing() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            head = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.send(head + b"1\r\na\r\n0\r\nAuthorization: Bearer late\r\nContent-Type: text/x\r\n\r\n")
            assert (await client.answer())[0] == 200
            assert house.requests[0].headers == {}

    run(test)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 600),
        b"GET / HTTP/1.1\r\nA: %b\r\n\r\n" % (b"x" * 600),
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300,
    ],
)
def test_heads_past_the_limit_are_refused(raw: bytes) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(raw)
            assert (await client.answer())[0] == 431
            assert await client.rest() == b""

    assert run(test, SMALL).requests == []


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nA: ", b"GET / HTTP/1.1\r\n", b"GET /"])
def test_a_line_that_never_ends_is_refused_before_it_fills_memory(start: bytes) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(start)
            await until(lambda: any(c.reading for c in house.server.connections))
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    client.send(b"a" * 50)
                    await client.writer.drain()
                    await asyncio.sleep(0)
            assert (await client.answer())[0] == 431
            house.sweep(3)
            await until(lambda: not house.server.connections)

    assert run(test, SMALL).requests == []


def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(post(b"/", b"x" * (8 << 20)))
            await client.writer.drain()
            assert (await client.answer())[0] == 413
            assert await client.rest() == b""
        await until(lambda: not house.server.connections)

    assert run(test).requests == []


def test_who_never_stops_sending_after_a_refusal_is_cut_off() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(post(b"/", b"x" * 200))
            assert (await client.answer())[0] == 413
            house.sweep(1)
            assert house.server.connections
            house.sweep(2)
            await until(lambda: not house.server.connections)

    run(test, SMALL)


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(raw: bytes) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(raw)
            status, body, headers = await client.answer()
            assert status == 400
            assert headers[b"Content-Type"] == b"application/problem+json"
            assert b"bad-http" in body
            assert await client.rest() == b""

    assert run(test).requests == []


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nX: y\r\n Content-Length: 5\r\n\r\nabcde",
        b"GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    ],
)
def test_requests_that_two_readers_could_split_differently_are_refused(raw: bytes) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(raw + get(b"/smuggled"))
            assert (await client.answer())[0] in (400, 413)
            assert await client.rest() == b""

    assert run(test).requests == []


@pytest.mark.parametrize(
    ("raw", "stays"),
    [
        (b"GET /a HTTP/1.0\r\n\r\n", False),
        (b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET /a HTTP/1.1\r\n\r\n", True),
    ],
)
def test_connections_stay_or_close_as_asked(raw: bytes, stays: bool) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(raw)
            assert (await client.answer())[:2] == (200, b"/a ")
            if stays:
                client.send(raw)
                assert (await client.answer())[0] == 200
            else:
                assert await client.rest() == b""

    run(test)


def test_nothing_is_read_after_the_last_request() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/later", b"Connection: close") + get(b"/x"))
            await until(lambda: bool(house.kept))
            client.send(get(b"/y"))
            await asyncio.sleep(0.01)
            house.fill(b"/later")
            assert (await client.answer())[1] == b"/later"
            assert await client.rest() == b""

    assert [r.target for r in run(test).requests] == [b"/later"]


def test_a_client_that_asks_first_is_told_to_continue() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            raw = post(b"/e", b"body", b"Expect: 100-continue")
            client.send(raw[:-4])
            assert (await client.answer())[0] == 100
            client.send(raw[-4:])
            assert (await client.answer())[:2] == (200, b"/e body")
        async with house.client() as client:
            client.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n")
            assert (await client.answer())[0] == 413

    run(test, SMALL)


def test_a_head_request_gets_no_body() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/page").replace(b"GET", b"HEAD") + get(b"/boom").replace(b"GET", b"HEAD") + get(b"/next"))
            head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            assert b"Content-Length: 6\r\n" in head
            assert (await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).startswith(
                b"HTTP/1.1 500"
            )
            assert (await client.answer())[1] == b"/next "

    run(test)


@pytest.mark.parametrize("header", [b"Upgrade: h2c", b"Upgrade: websocket"])
def test_an_upgrade_is_not_given_and_the_request_answered_once(header: bytes) -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/u", b"Connection: Upgrade", header))
            assert (await client.answer())[:2] == (200, b"/u ")
            assert await client.rest() == b""

    run(test)


def test_a_handlers_exception_is_a_500_without_its_text() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/boom") + get(b"/refused") + get(b"/x"))
            status, body, _ = await client.answer()
            assert (status, b"secret-detail" in body, b"Traceback" in body) == (500, False, False)
            status, body, _ = await client.answer()
            assert (status, b"$.x" in body) == (400, True)
            assert (await client.answer())[0] == 200

    assert [str(why) for why in run(test).faults] == ["secret-detail"]


def test_a_half_closed_client_still_gets_its_answers() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(get(b"/later1") + get(b"/later2"))
            client.writer.write_eof()
            await until(lambda: len(house.kept) == 2)
            await asyncio.sleep(0.01)
            house.fill(b"/later2")
            house.fill(b"/later1")
            assert [(await client.answer())[1] for _ in range(2)] == [b"/later1", b"/later2"]
            assert await client.rest() == b""

    run(test)


def test_a_half_request_and_an_end_is_forgotten() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            client.send(b"GET / HTT")
            client.writer.write_eof()
            assert await client.rest() == b""
        await until(lambda: not house.server.connections)

    assert run(test).requests == []


def test_a_client_that_does_not_read_is_cut_off() -> None:
    async def test(house: House) -> None:
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", house.port))
        with own, contextlib.suppress(ConnectionError):
            await until(lambda: bool(house.server.connections))
            async with asyncio.timeout(PATIENCE_S):
                while house.server.connections:
                    await asyncio.get_running_loop().sock_sendall(own, get(b"/large") * 20)
                    await asyncio.sleep(0)
        await until(lambda: not house.server.connections)

    house = run(test, Limits(write_bytes=200_000, pipelined=16))
    assert house.faults == []


def test_too_many_unanswered_requests_stop_the_reading_until_they_are_answered() -> None:
    async def test(house: House) -> None:
        async with house.client() as client:
            for i in range(3):
                client.send(get(b"/later%d" % i))
                await until(lambda i=i: len(house.kept) == i + 1)  # type: ignore[misc]
            client.send(get(b"/more"))
            await asyncio.sleep(0.02)
            assert len(house.requests) == 3
            for i in range(3):
                house.fill(b"/later%d" % i)
            assert [(await client.answer())[0] for _ in range(4)] == [200] * 4

    run(test, Limits(pipelined=3))
    run_one = Limits(pipelined=1)

    async def one_by_one(house: House) -> None:
        async with house.client() as client:
            for _ in range(3):
                client.send(get(b"/x"))
                assert (await client.answer())[0] == 200

    run(one_by_one, run_one)


def test_past_the_largest_number_of_connections_one_is_told_so() -> None:
    async def test(house: House) -> None:
        async with house.client() as first, house.client() as second:
            await until(lambda: len(house.server.connections) == 2)
            async with house.client() as third:
                assert (await third.answer())[0] == 503
                assert await third.rest() == b""
            for client in (first, second):
                client.send(get(b"/x"))
                assert (await client.answer())[0] == 200
        await until(lambda: not house.server.connections)
        async with house.client() as client:
            client.send(get(b"/x"))
            assert (await client.answer())[0] == 200

    run(test, Limits(connections=2))


def test_a_stop_sends_what_is_owed() -> None:
    async def test(house: House) -> None:
        async with house.client() as busy, house.client() as idle:
            busy.send(get(b"/later"))
            await until(lambda: bool(house.kept) and len(house.server.connections) == 2)
            stopping = asyncio.ensure_future(house.server.stop(PATIENCE_S))
            assert await idle.rest() == b""
            house.fill(b"/later")
            assert (await busy.answer())[1] == b"/later"
            assert await busy.rest() == b""
            await stopping

    run(test)


@pytest.fixture(autouse=True)
def _no_loop_left() -> Iterator[None]:
    yield
    asyncio.set_event_loop(None)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def test_a_read_that_ends_in_another_head_than_it_began_in_is_no_long_head() -> None:
    house = House(Limits(head_bytes=1_000))
    connection, wire = Connection(house.server), Wire()
    connection.connection_made(wire)
    one = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n" + b"b" * 300
    stream = one * 40
    cuts = [
        0,
        20,
        20 + 8 * len(one),
        20 + 30 * len(one),
        len(stream),
    ]  # each cut lies in a head; reads exceed head_bytes
    for start, end in itertools.pairwise(cuts):
        connection.data_received(stream[start:end])
    assert wire.sent.count(b"HTTP/1.1 200 OK") == 40
    assert not wire.closed
