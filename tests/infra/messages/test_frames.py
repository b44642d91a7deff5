"""Frames over TCP: answers in order, and limits on everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.messages import CLOSE, FrameLimits, FrameServer, FrameSlot
from lianfang.infra.messages.frames import FrameConnection


class Clock:
    """A clock in the test's hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def echo(body: bytes, slot: FrameSlot) -> bytes | None:
    return b"re:" + body


class Talk:
    """A server on a free port, and what a client hears."""

    def __init__(
        self, handler: Callable[[bytes, FrameSlot], bytes | None] = echo, limits: FrameLimits | None = None
    ) -> None:
        self.clock = Clock()
        self.faults: list[Exception] = []
        self.server = FrameServer(handler, self.clock, self.faults.append, limits)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def run(self, test: Callable[[Talk], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            self.port = await self.server.start("127.0.0.1", 0)
            try:
                await asyncio.wait_for(test(self), 20)
            finally:
                await self.server.stop()

        asyncio.run(all_of_it())


async def hear(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


async def hear_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def test_frames_are_answered_in_order_however_they_are_cut() -> None:
    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        raw = b"".join(frame(b"m%d" % i) for i in range(5))
        for byte in raw:
            writer.write(bytes([byte]))
            await writer.drain()
        assert [await hear(reader) for _ in range(5)] == [b"re:m%d" % i for i in range(5)]
        writer.close()

    Talk().run(test)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8), st.integers(1, 30))
def test_any_frames_in_any_pieces_come_back_in_order(bodies: list[bytes], piece: int) -> None:
    class Wire:
        def __init__(self) -> None:
            self.sent = b""

        def write(self, data: bytes) -> None:
            self.sent += data

        def get_write_buffer_size(self) -> int:
            return 0

    server = FrameServer(echo, Clock(), lambda why: None)
    connection, wire = FrameConnection(server), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    raw = b"".join(map(frame, bodies))
    for start in range(0, len(raw), piece):
        connection.data_received(raw[start : start + piece])
    assert wire.sent == b"".join(frame(b"re:" + body) for body in bodies)


def test_an_answer_that_comes_later_holds_back_those_behind_it() -> None:
    waiting: list[FrameSlot] = []

    def handler(body: bytes, slot: FrameSlot) -> bytes | None:
        if body == b"later":
            waiting.append(slot)
            return None
        return body

    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"later") + frame(b"now"))
        while not waiting:
            await asyncio.sleep(0)
        waiting[0].answer = b"at last"
        waiting[0].connection.flush()
        assert [await hear(reader), await hear(reader)] == [b"at last", b"now"]
        writer.close()

    Talk(handler).run(test)


@pytest.mark.parametrize("head", [b"\x00\x00", b"\x10\x01", b"\xff\xff"])
def test_frames_that_are_empty_or_too_long_end_the_connection(head: bytes) -> None:
    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(head + b"x")
        assert await hear_end(reader) == b""
        assert talk.server.refused == 1
        writer.close()

    Talk().run(test)


def test_connections_past_the_limit_are_closed_at_once() -> None:
    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"a"))
        assert await hear(reader) == b"re:a"
        second, other = await talk.open()
        assert await hear_end(second) == b""
        writer.write(frame(b"b"))
        assert await hear(reader) == b"re:b"
        writer.close()
        other.close()

    Talk(limits=FrameLimits(connections=1)).run(test)


@pytest.mark.parametrize(("sent", "later"), [(b"\x00\x05ab", 11.0), (b"", 301.0)])
def test_unfinished_frames_and_silence_end_the_connection(sent: bytes, later: float) -> None:
    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"a") + sent)
        assert await hear(reader) == b"re:a"
        await asyncio.sleep(0.05)
        talk.clock.now += later
        assert await hear_end(reader) == b""
        writer.close()

    Talk().run(test)


def test_a_client_that_sends_without_end_is_read_no_further() -> None:
    taken: list[FrameSlot] = []

    def handler(body: bytes, slot: FrameSlot) -> bytes | None:
        taken.append(slot)
        return None

    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(b"".join(frame(b"%d" % i) for i in range(20)))
        while len(taken) < 4:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert len(taken) == 4
        heard = []
        for i in range(20):
            while len(taken) <= i:
                await asyncio.sleep(0)
            taken[i].answer = b"%d" % i
            taken[i].connection.flush()
            heard.append(await hear(reader))
        assert heard == [b"%d" % i for i in range(20)]
        writer.close()

    Talk(handler, FrameLimits(pipelined=4)).run(test)


def test_very_many_frames_at_once_are_all_answered() -> None:
    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"x") * 50_000)
        heard = await reader.readexactly(50_000 * len(frame(b"re:x")))
        assert heard == frame(b"re:x") * 50_000
        writer.close()

    Talk(limits=FrameLimits(pipelined=2, write_bytes=1 << 24)).run(test)


def test_a_mistake_of_the_handler_ends_the_connection_and_is_told() -> None:
    def handler(body: bytes, slot: FrameSlot) -> bytes | None:
        raise RuntimeError("ours")

    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"a"))
        assert await hear_end(reader) == b""
        assert len(talk.faults) == 1
        writer.close()

    Talk(handler).run(test)


def test_what_stands_before_a_close_is_still_sent() -> None:
    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"a") + frame(b"bad") + frame(b"c"))
        assert await hear(reader) == b"a"
        assert await hear_end(reader) == b""
        writer.close()

    Talk(lambda body, slot: CLOSE if body == b"bad" else body).run(test)


def test_answers_owed_are_sent_after_the_client_has_said_all() -> None:
    waiting: list[FrameSlot] = []

    def handler(body: bytes, slot: FrameSlot) -> bytes | None:
        waiting.append(slot)
        return None

    async def test(talk: Talk) -> None:
        reader, writer = await talk.open()
        writer.write(frame(b"a"))
        writer.write_eof()
        while not waiting:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        waiting[0].answer = b"late"
        waiting[0].connection.flush()
        assert await hear(reader) == b"late"
        assert await hear_end(reader) == b""
        writer.close()

    Talk(handler).run(test)
