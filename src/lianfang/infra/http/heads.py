"""Heads met before. A client sends the same head again and again, but for the length; parsing it anew each time costs 4 us.

A head is kept only after the strict parser took it, and only if every header in it is one that says nothing about how the
message is framed but its length. It is known again only byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

HEAD_END: Final = b"\r\n\r\n"
KNOWN_BYTES_MAX: Final = 1_024
KNOWN_MAX: Final = 4_096
"""Heads kept; then all are forgotten and met again. So at most 4 MiB."""
_PLAIN: Final = frozenset(
    {
        b"host", b"authorization", b"content-type", b"content-length", b"accept", b"accept-encoding", b"user-agent",
        b"connection",
    }
)  # fmt: skip


class Head(NamedTuple):
    """What a known head says."""

    method: bytes
    target: bytes
    headers: Mapping[bytes, bytes]
    length: int
    """Bytes of the body."""


class KnownHeads:
    """The heads that one server has met."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}
        self.get = self._heads.get

    def learn(self, raw: bytes, head: Head, names: Sequence[bytes], keeps_alive: bool) -> None:
        """Remember `raw` if that is safe. `names`: of its headers, lower case, as the parser saw them one by one.

        `raw` is what stands before the first blank line; whether the parser saw just that is counted after: it begins with
        the request line and has one line for each header. Else another client's bytes might be taken for this head.
        """
        begins = raw.startswith(b"%b %b HTTP/1.1\r\n" % (head.method, head.target))
        lines = raw.count(b"\n")
        if not begins or not lines == raw.count(b"\r\n") == len(names) + 2:
            return
        if not keeps_alive or not _PLAIN.issuperset(names):
            return
        if len(self._heads) >= KNOWN_MAX:
            self._heads.clear()
        self._heads[raw] = head


def raw_head(data: bytes, at: int) -> bytes:
    """The bytes of `data` from `at` to the end of the first blank line; empty if there is none near enough to be known."""
    end = data.find(HEAD_END, at, at + KNOWN_BYTES_MAX)
    return data[at : end + len(HEAD_END)] if end >= 0 else b""
