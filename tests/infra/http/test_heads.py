"""Heads met before are the same requests as when they were met; what could be read in two ways is never kept."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.http import Limits, Request, Server, Slot, response
from lianfang.infra.http.heads import KNOWN_BYTES_MAX, KNOWN_MAX, Head, KnownHeads, raw_head
from lianfang.infra.http.server import Connection


class Wire(asyncio.Transport):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


def server(limits: Limits | None = None) -> tuple[Server, list[tuple[bytes, bytes, dict[bytes, bytes], bytes]]]:
    seen: list[tuple[bytes, bytes, dict[bytes, bytes], bytes]] = []

    def handle(request: Request, slot: Slot) -> bytes:
        seen.append((request.method, request.target, dict(request.headers), request.body))
        return response(200, request.body)

    return Server(handle, lambda: 0.0, lambda why: pytest.fail(str(why)), limits), seen


def talk(on: Server, *reads: bytes) -> Wire:
    connection, wire = Connection(on), Wire()
    connection.connection_made(wire)
    for data in reads:
        connection.data_received(data)
    return wire


def post(body: bytes, *headers: bytes, path: bytes = b"/v1/decisions") -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"Host: node", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def known(on: Server) -> int:
    return len(on.heads._heads)


def test_a_known_head_is_handled_as_when_it_was_met() -> None:
    on, seen = server()
    request = post(b'{"a":1}', b"Authorization: Bearer x", b"Content-Type: application/json", b"Connection: keep-alive")
    first, second = talk(on, request), talk(on, request)
    assert known(on) == 1
    assert seen[0] == seen[1]
    assert first.sent == second.sent


@settings(max_examples=100, deadline=None)
@given(bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=6), cuts=st.lists(st.integers(0, 900), max_size=8))
def test_however_the_bytes_are_cut_the_requests_are_the_same(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(post(body) for body in bodies)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    reads = [stream[a:b] for a, b in itertools.pairwise(places)]
    on, seen = server()
    talk(on, stream)
    again = talk(on, *[read for read in reads if read])
    assert [body for *_, body in seen] == bodies * 2
    assert again.sent.count(b"HTTP/1.1 200") == len(bodies)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n" + post(b"x"),
        b"\r\n" + post(b"x"),
        post(b"x", b"Transfer-Encoding: identity"),
        post(b"x", b"Expect: 100-continue"),
        post(b"x", b"X-Forwarded-For: 1"),
        post(b"x", b"Connection: close"),
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
        post(b"x", b"User-Agent: " + b"a" * KNOWN_BYTES_MAX),
        b"POST / HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
    ids=["blank lines", "a blank line", "framing", "expect", "unheard of", "closing", "old", "long", "chunked"],
)
def test_a_head_with_more_to_say_than_its_length_is_not_kept(raw: bytes) -> None:
    on, _ = server()
    talk(on, raw)
    assert known(on) == 0


def test_a_blank_line_is_never_taken_for_somebody_elses_head() -> None:
    on, seen = server()
    talk(on, b"\r\n\r\n" + post(b"mine", b"Authorization: Bearer mine"))
    talk(on, b"\r\n\r\n" + post(b"abcd", b"Authorization: Bearer other"))
    assert [headers[b"authorization"] for _, _, headers, _ in seen] == [b"Bearer mine", b"Bearer other"]
    assert [body for *_, body in seen] == [b"mine", b"abcd"]


def test_a_head_that_is_not_whole_in_its_first_read_is_not_kept() -> None:
    on, seen = server()
    request = post(b"x")
    talk(on, request[:3], request[3:])
    assert known(on) == 0
    talk(on, b"POST / HTTP/1.1\r\n\r\n")
    assert [body for *_, body in seen] == [b"x", b""]


def test_after_a_closing_request_nothing_known_is_handled() -> None:
    on, seen = server()
    talk(on, post(b"x"))
    wire = talk(on, post(b"last", b"Connection: close") + post(b"x"))
    assert [body for *_, body in seen] == [b"x", b"last"]
    assert wire.closed


def test_there_is_an_end_to_what_is_kept() -> None:
    heads = KnownHeads()
    for i in range(KNOWN_MAX + 5):
        raw = b"GET /%d HTTP/1.1\r\nHost: node\r\n\r\n" % i
        heads.learn(raw, Head(b"GET", b"/%d" % i, {}, 0), [b"host"], True)
    assert len(heads._heads) == 5


def test_a_raw_head_ends_with_its_blank_line() -> None:
    assert raw_head(b"..GET / HTTP/1.1\r\n\r\nrest", 2) == b"GET / HTTP/1.1\r\n\r\n"
    assert raw_head(b"GET / HTTP/1.1\r\n", 0) == b""
    assert raw_head(b"", 0) == b""
