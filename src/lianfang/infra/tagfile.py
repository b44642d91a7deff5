"""How shared tags get from the desk to the decider: one whole file, and beside it one that grows by changes.

tags.base    header, sets of contributors as JSON, uint64[n] hashes, int64[n] packed values: replaced whole
tags.delta   header, then framed changes (length, CRC-32, msgpack) that are appended; of one base only

The decider looks every few milliseconds, so a change is in force within them. Neither file is the record: the desk's
store is, and from it both are written anew whenever the desk starts.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from lianfang.infra.published import write_whole
from lianfang.kernel.errors import EvidenceError, InputError

BASE: Final = "tags.base"
DELTA: Final = "tags.delta"
FRAME_BYTES_MAX: Final = 16 << 20
SETS_BYTES_MAX: Final = 64 << 20
_BASE_MAGIC: Final = b"LFTAGB\xff\n"
_DELTA_MAGIC: Final = b"LFTAGD\xff\n"
_BASE: Final = struct.Struct("<8sQQQII")
_DELTA: Final = struct.Struct("<8sQ")
_FRAME: Final = struct.Struct("<II")
_encode: Final = msgspec.msgpack.Encoder().encode


class Said(NamedTuple):
    """Part of what is said, or all of it."""

    sets: list[tuple[str, ...]]
    hashes: NDArray[np.uint64]
    values: NDArray[np.int64]


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    sets: list[tuple[str, ...]]
    hashes: bytes
    values: bytes


_decode: Final = msgspec.msgpack.Decoder(_Frame).decode
_read_sets: Final = msgspec.json.Decoder(list[tuple[str, ...]]).decode


class TagWriter:
    """The desk's side. One writer; `begin` first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd = -1

    def begin(self, sets: Sequence[tuple[str, ...]], hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> None:
        """Everything that is said now, whole; changes are counted from here."""
        generation = int.from_bytes(os.urandom(8), "little")
        names = msgspec.json.encode(list(sets))
        body = names + bytes(-len(names) % 8) + hashes.tobytes() + values.tobytes()
        head = _BASE.pack(_BASE_MAGIC, generation, len(hashes), len(names), crc32(body), 0)
        write_whole(self._folder / BASE, head + body)
        write_whole(self._folder / DELTA, _DELTA.pack(_DELTA_MAGIC, generation))
        self.close()
        self._fd = os.open(self._folder / DELTA, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def append(self, sets: Sequence[tuple[str, ...]], hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> None:
        """One change. Raises `InputError` past a frame's limit: split it."""
        payload = _encode(_Frame(list(sets), hashes.tobytes(), values.tobytes()))
        if len(payload) > FRAME_BYTES_MAX:
            raise InputError(f"a change of tags has at most {FRAME_BYTES_MAX} bytes, not {len(payload)}")
        os.write(self._fd, _FRAME.pack(len(payload), crc32(payload)) + payload)

    @property
    def grown(self) -> int:
        """Bytes of changes since `begin`."""
        return os.fstat(self._fd).st_size - _DELTA.size

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class TagReader:
    """The decider's side: `base` where there is a new one, then `changes` since it was last asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int, int] | None = None
        self._generation = -1
        self._at = 0

    def new_base(self) -> bool:
        """Whether there is a base that was not read yet."""
        return self._mark() not in (None, self._seen)

    def base(self) -> Said:
        """The whole file. Raises `EvidenceError` if it is damaged; the one in force stays so."""
        self._seen = self._mark()
        raw = (self._folder / BASE).read_bytes()
        if len(raw) < _BASE.size:
            raise EvidenceError(f"{BASE} is cut short")
        magic, generation, count, named, crc, _ = _BASE.unpack_from(raw)
        body = memoryview(raw)[_BASE.size :]
        if magic != _BASE_MAGIC or named > SETS_BYTES_MAX or crc32(body) != crc:
            raise EvidenceError(f"{BASE} is damaged: restart the desk, which writes it anew")
        at = named + -named % 8
        if len(body) != at + 16 * count:
            raise EvidenceError(f"{BASE} has another length than it says")
        self._generation, self._at = generation, _DELTA.size
        hashes = np.frombuffer(body, np.uint64, count, at)
        return Said(_read_sets(bytes(body[:named])), hashes, np.frombuffer(body, np.int64, count, at + 8 * count))

    def changes(self) -> list[Said]:
        """What was appended since. A frame that is still being written waits for the next time."""
        try:
            with (self._folder / DELTA).open("rb") as source:
                if os.fstat(source.fileno()).st_size <= self._at or self._generation < 0:
                    return []
                magic, generation = _DELTA.unpack(source.read(_DELTA.size))
                if magic != _DELTA_MAGIC or generation != self._generation:
                    return []  # of the next base, which is about to be read
                source.seek(self._at)
                return self._frames(source.read())
        except FileNotFoundError:
            return []

    def _frames(self, data: bytes) -> list[Said]:
        found, at = [], 0
        while at + _FRAME.size <= len(data):
            length, crc = _FRAME.unpack_from(data, at)
            payload = data[at + _FRAME.size : at + _FRAME.size + length]
            if len(payload) < length:
                break
            if length > FRAME_BYTES_MAX or crc32(payload) != crc:
                raise EvidenceError(
                    f"{DELTA} is damaged at byte {self._at + at}: restart the desk, which writes it anew"
                )
            frame = _decode(payload)
            found.append(
                Said(frame.sets, np.frombuffer(frame.hashes, np.uint64), np.frombuffer(frame.values, np.int64))
            )
            at += _FRAME.size + length
        self._at += at
        return found

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            stat = (self._folder / BASE).stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
