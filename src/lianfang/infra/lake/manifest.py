"""Which files are the lake: one manifest, replaced at once. A file it does not name is not there, whatever its name.

So a build or a compaction that dies leaves files that nobody reads, and the next one sweeps them away. Readers hold a
shared lock from reading the manifest to their last row; files are swept only while nobody holds it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.infra.locked import changing, locked
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.errors import EvidenceError, InputError

MANIFEST: Final = "lake.json"
BUILDING: Final = "building.lock"
READING: Final = "reading.lock"
PARTIAL: Final = ".partial"
SORTING: Final = ".sorting-"
"""Begins the name of a folder in which rows wait to be sorted."""
DAMAGE_KEPT: Final = 1_000
"""Damage described in the manifest; more is only counted."""
MANIFEST_BYTES_MAX: Final = 64 << 20

Kind = Literal["decisions", "outcomes"]
KINDS: Final[tuple[Kind, ...]] = ("decisions", "outcomes")
_Seq = Annotated[int, Meta(ge=0)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: rows of one day (UTC, by when they were journaled), with seqs from `first` to `last`."""

    kind: Kind
    day: date
    first: _Seq
    last: _Seq
    rows: _Seq
    bytes: _Seq

    @property
    def name(self) -> str:
        """Its path in the lake."""
        return f"{self.kind}/day={self.day.isoformat()}/part-{self.first:020d}-{self.last:020d}.parquet"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The lake's state. `next_seq`: the first record of the journal that is not in it."""

    schema: Literal["lake/1"] = "lake/1"
    next_seq: Annotated[int, Meta(ge=1)] = 1
    tail: int | None = None
    """CRC-32 of the record before `next_seq`: a lake is never continued from another journal."""
    parts: tuple[Part, ...] = ()
    features: dict[str, tuple[str, ...]] = {}
    """Names of features by their version, in the order of their values."""
    damage: tuple[str, ...] = ()
    """What of the journal could not be read, in words."""
    lost: _Seq = 0
    """Records that are therefore missing here."""

    def of(self, kind: Kind) -> tuple[Part, ...]:
        """Parts of one kind, by day and seq."""
        return tuple(sorted((p for p in self.parts if p.kind == kind), key=lambda p: (p.day, p.first)))


_decode: Final = msgspec.json.Decoder(Manifest).decode
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def is_lake(folder: Path) -> bool:
    """Whether a folder is one."""
    return (folder / MANIFEST).is_file()


def read_manifest(lake: Path) -> Manifest:
    """The lake's manifest; an empty one where nothing was built yet. Raises `EvidenceError` for a broken one."""
    raw = read_if_there(lake / MANIFEST)
    if raw is None:
        return Manifest()
    try:
        if len(raw) > MANIFEST_BYTES_MAX:
            raise msgspec.ValidationError(f"it has more than {MANIFEST_BYTES_MAX} bytes")
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise EvidenceError(
            f"{lake / MANIFEST} is no manifest of a lake: {why}; move the folder away and build it anew from the journal"
        ) from why


def write_manifest(lake: Path, manifest: Manifest) -> None:
    """Replaces it: durable when this returns."""
    write_whole(lake / MANIFEST, _encode(manifest))


def sync(path: Path) -> None:
    """A file or folder to disk: what a manifest names must outlive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def settle(partial: Path, path: Path) -> int:
    """A finished file gets its name, durably; its size in bytes."""
    sync(partial)
    size = partial.stat().st_size
    partial.replace(path)
    sync(path.parent)
    sync(path.parent.parent)
    return size


def building(lake: Path) -> AbstractContextManager[None]:
    """The right to change the lake, for one process. Raises `DependencyError` while another has it."""
    return changing(lake, BUILDING, "the lake", "lake-busy")


@contextmanager
def reading(lake: Path) -> Iterator[Manifest]:
    """The manifest, whose files stay while this lasts. Raises `InputError` where there is no lake."""
    if not is_lake(lake):
        raise InputError("there is no lake here; `lianfang lake build` makes it from the journal", str(lake))
    with locked(lake / READING, "shared"):
        yield read_manifest(lake)


def sweep(lake: Path) -> int:
    """Removes files that the manifest does not name; how many. None while somebody reads. For whoever is `building`."""
    removed = 0
    for left in lake.glob(SORTING + "*"):  # of a compaction that died: only whoever builds makes them
        shutil.rmtree(left, ignore_errors=True)
    with locked(lake / READING, "alone") as got:
        if not got:
            return 0
        kept = {part.name for part in read_manifest(lake).parts}
        for kind in KINDS:
            for path in (lake / kind).glob("day=*/*"):
                if str(path.relative_to(lake)) not in kept:
                    path.unlink()
                    removed += 1
            for folder in (lake / kind).glob("day=*"):
                if not any(folder.iterdir()):
                    folder.rmdir()
    return removed
