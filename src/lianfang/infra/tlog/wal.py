"""The write-ahead log: batches of entries, each one frame with a CRC, in segments named after their first index.

A segment is its head, then frames; all numbers are little-endian.
- Head: 8 bytes magic, u64 first index, u32 CRC-32 of the origin, 8 random bytes, u32 CRC-32 of these.
- Frame: 4 bytes magic, u32 entries, u64 index of the first, u32 length of the body, u32 CRC-32 of the head without its own,
  of these, and of the body, which is entries in the coding of C2SP bundles.

The random bytes keep an entry from holding a sound frame. What stands at or past the first index of a later segment is not
log: its write had failed.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from isal.isal_zlib import crc32

from lianfang.engines.tlog import read_bundle
from lianfang.infra.journal.files import Files, close, write_all
from lianfang.kernel.errors import EvidenceError

SEGMENT_BYTES: Final = 16 << 20
"""A segment that has as many is followed by a new one."""
BATCH_BYTES_MAX: Final = 4 << 20
"""One frame's body: at least 63 entries of the largest size."""
SUFFIX: Final = ".wal"
DAMAGED: Final = "damaged"
_HEAD: Final = struct.Struct("<8sQI8s")
_FRAME: Final = struct.Struct("<4sIQI")
_CRC: Final = struct.Struct("<I")
_HEAD_BYTES: Final = _HEAD.size + _CRC.size
_HEAD_MAGIC: Final = b"LFTLOG\xff\n"
_FRAME_MAGIC: Final = b"\xffLT\xfe"
_FRAME_BYTES: Final = _FRAME.size + _CRC.size
_RANDOM_BYTES: Final = 8


class Torn(NamedTuple):
    """Bytes after the last sound frame: written by a process that was killed, acknowledged to nobody. Kept in `copy`."""

    segment: Path
    offset: int
    bytes: int
    copy: Path


class Recovered(NamedTuple):
    """Entries from `first` on that are durable again, and what was cut."""

    first: int
    entries: list[bytes]
    torn: Torn | None


class _Scan(NamedTuple):
    frames: list[tuple[int, list[bytes]]]
    end: int
    size: int


def pack_frame(seed: int, first: int, entries: Sequence[bytes]) -> bytes:
    """A batch as it is written; `seed` is that of its segment. Every entry was checked against the limit."""
    body = b"".join([part for entry in entries for part in (len(entry).to_bytes(2, "big"), entry)])
    head = _FRAME.pack(_FRAME_MAGIC, len(entries), first, len(body))
    return b"".join((head, _CRC.pack(crc32(body, crc32(head, seed))), body))


def _read_frame(data: bytes, seed: int, at: int, first: int | None) -> tuple[int, int, list[bytes]] | None:
    """First index, end and entries of a sound frame; `first` is the index that it must have, None for any."""
    if len(data) - at < _FRAME_BYTES:
        return None
    magic, count, index, length = _FRAME.unpack_from(data, at)
    begin, end = at + _FRAME_BYTES, at + _FRAME_BYTES + length
    if magic != _FRAME_MAGIC or end > len(data) or (first is not None and index != first):
        return None
    body = data[begin:end]
    if crc32(body, crc32(data[at : at + _FRAME.size], seed)) != _CRC.unpack_from(data, at + _FRAME.size)[0]:
        return None
    return index, end, read_bundle(body, count)


class Wal:
    """The segments in one folder. `append` is durable when it returns; after it raises, nothing more goes to that segment."""

    def __init__(self, folder: Path, origin: str, files: Files) -> None:
        self._folder = folder
        self._origin_crc = crc32(origin.encode())
        self._files = files
        self._fd = -1
        self._end = 0
        self._seed = 0

    def _path(self, first: int) -> Path:
        return self._folder / f"{first:020d}{SUFFIX}"

    def segments(self) -> list[int]:
        """First indexes of the segments there, in order."""
        names = (path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))
        return sorted(int(name) for name in names if len(name) == 20 and name.isascii() and name.isdigit())

    def append(self, first: int, entries: Sequence[bytes]) -> None:
        """Writes one frame and syncs it. Raises `OSError`; call `give_up` then."""
        if self._fd < 0 or self._end >= SEGMENT_BYTES:
            self._begin(first, entries)
            return
        frame = pack_frame(self._seed, first, entries)
        write_all(self._files, self._fd, frame, self._end)
        self._files.sync(self._fd)
        self._end += len(frame)

    def _begin(self, first: int, entries: Sequence[bytes]) -> None:
        """A new segment: it has its name, durably, only with its first frame in it."""
        temporary = self._folder / "segment.tmp"
        temporary.unlink(missing_ok=True)
        head = _HEAD.pack(_HEAD_MAGIC, first, self._origin_crc, secrets.token_bytes(_RANDOM_BYTES))
        head += _CRC.pack(crc32(head))
        data = head + pack_frame(_seed(head), first, entries)
        fd = self._files.create(temporary)
        try:
            write_all(self._files, fd, data, 0)
            self._files.sync(fd)
            self._files.rename(temporary, self._path(first))
            self._files.sync_folder(self._folder)
        except BaseException:
            close(fd)
            raise
        close(self._fd)
        self._fd, self._end, self._seed = fd, len(data), _seed(head)

    def give_up(self) -> None:
        """No more to this segment: what its end holds is unknown. The next `append` begins another."""
        close(self._fd)
        self._fd = -1

    def trim(self, size: int) -> None:
        """Removes segments that hold nothing but entries below `size`, which stand in durable tiles. Raises `OSError`."""
        known = self.segments()
        for first, following in pairwise(known):
            if following <= size:
                self._path(first).unlink()
        if len(known) > 1:
            self._files.sync_folder(self._folder)

    def recover(self, size: int) -> Recovered:
        """The entries from `size` on; a torn tail is copied away, cut, and said. Raises `EvidenceError` or `OSError`.

        Refused are a gap, a frame that is not sound before one that is, and a segment of another log.
        """
        known: list[int | None] = [*self.segments(), None]
        found: list[bytes] = []
        torn = None
        for first, limit in pairwise(known):
            assert first is not None
            scan = self._scan(first, limit, size)
            for index, entries in scan.frames:
                fresh = size + len(found) - index
                if fresh < 0:
                    raise EvidenceError(
                        f"the log in {self._folder.parent} has lost {-fresh} entries before {index}: they are neither in its "
                        "tiles nor in its write-ahead log; do not write to it, restore it from its copies"
                    )
                found += entries[fresh:]
            if limit is None and scan.end < scan.size:
                torn = self._cut(first, scan)
            self._sync(self._path(first))  # what a killed process had written is read from now on
        return Recovered(size, found, torn)

    def _scan(self, first: int, limit: int | None, size: int) -> _Scan:
        path = self._path(first)
        data = path.read_bytes()
        if not _is_head(data, first, self._origin_crc):
            raise EvidenceError(
                f"{path} is not a write-ahead segment of this log; put it aside, and look who put it there"
            )
        frames: list[tuple[int, list[bytes]]] = []
        seed, at, expected = _seed(data), _HEAD_BYTES, first
        while (frame := _read_frame(data, seed, at, expected)) is not None:
            _, end, entries = frame
            kept = entries if limit is None else entries[: max(limit - expected, 0)]
            if kept:
                frames.append((expected, kept))
            at, expected = end, expected + len(entries)
        lost = expected < limit and size < limit if limit is not None else _sound_later(data, seed, at, expected)
        if lost:
            raise EvidenceError(
                f"{path} is damaged at byte {at}: acknowledged entries cannot be read from there on; "
                "restore the log from its copies"
            )
        return _Scan(frames, at, len(data))

    def _cut(self, first: int, scan: _Scan) -> Torn:
        path = self._path(first)
        data = path.read_bytes()[scan.end :]
        folder = self._folder / DAMAGED
        folder.mkdir(exist_ok=True)
        copy = folder / f"{first:020d}-{scan.end}.bin"
        copy.write_bytes(data)
        self._sync(copy)
        self._files.sync_folder(folder)
        with path.open("r+b") as out:
            out.truncate(scan.end)
        return Torn(path, scan.end, len(data), copy)

    def _sync(self, path: Path) -> None:
        fd = self._files.open(path)
        try:
            self._files.sync(fd)
        finally:
            close(fd)

    def close(self) -> None:
        """Lets go of the living segment."""
        self.give_up()


def _seed(head: bytes) -> int:
    """What a segment's CRCs begin with. Not over the head's own CRC: with it the CRC of every head is the same number."""
    return crc32(head[: _HEAD.size])


def _is_head(data: bytes, first: int, origin_crc: int) -> bool:
    """A segment has its name only when its head is durable: one that is not sound is damage, never torn."""
    if len(data) < _HEAD_BYTES or _CRC.unpack_from(data, _HEAD.size)[0] != crc32(data[: _HEAD.size]):
        return False
    return _HEAD.unpack_from(data)[:3] == (_HEAD_MAGIC, first, origin_crc)


def _sound_later(data: bytes, seed: int, at: int, expected: int) -> bool:
    """Whether a sound frame of a later batch stands behind what is not sound: then this is damage, no torn tail."""
    at = data.find(_FRAME_MAGIC, at + 1)
    while at >= 0:
        with suppress(EvidenceError):
            frame = _read_frame(data, seed, at, None)
            if frame is not None and frame[0] >= expected:
                return True
        at = data.find(_FRAME_MAGIC, at + 1)
    return False


def batches(entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Runs of entries that fit in a frame."""
    if entries and sum(map(len, entries)) + 2 * len(entries) <= BATCH_BYTES_MAX:
        yield entries
        return
    begin, size = 0, 0
    for at, entry in enumerate(entries):
        size += len(entry) + 2
        if size > BATCH_BYTES_MAX and at > begin:
            yield entries[begin:at]
            begin, size = at, len(entry) + 2
    if begin < len(entries):
        yield entries[begin:]
