"""Which files are the index: one manifest, replaced at once. A file that it does not name is not there.

`next_seq` moves with the same replacement that names the run, so kill -9 at any moment loses nothing and doubles nothing.
Readers hold their files by mapping them: one that is removed under them stays readable.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.infra.finding.run import Sizes
from lianfang.infra.locked import changing
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.errors import EvidenceError

MANIFEST: Final = "finding.json"
LOCK: Final = "building.lock"
SUFFIX: Final = ".run"
MANIFEST_BYTES_MAX: Final = 16 << 20
_Count = Annotated[int, Meta(ge=0)]


class RunFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run. `level`: how often it was merged; `crc`: of each array, in the file's order."""

    first: _Count
    last: _Count
    rows: Annotated[int, Meta(ge=1)]
    outcomes: _Count
    postings: _Count
    level: _Count
    crc: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its file; levels differ where seqs do not."""
        return f"{self.first:020d}-{self.last:020d}-{self.level:02d}{SUFFIX}"

    @property
    def sizes(self) -> Sizes:
        """What its layout follows from."""
        return Sizes(self.rows, self.outcomes, self.postings, self.first, self.last)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state of the index. `next_seq`: the first record of the journal that is not in it."""

    schema: Literal["finding/1"] = "finding/1"
    next_seq: Annotated[int, Meta(ge=1)] = 1
    tail: int | None = None
    """CRC-32 of the record before `next_seq`: an index is never continued from another journal."""
    key_check: int | None = None
    """A known word under the key that hashed all others: under another key nothing would be found."""
    runs: tuple[RunFile, ...] = ()
    """By seq."""
    lost: _Count = 0
    """Records that could not be read."""


_decode: Final = msgspec.json.Decoder(Manifest).decode
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def read_manifest(folder: Path) -> Manifest:
    """An empty one where nothing was built yet. Raises `EvidenceError` for a broken one."""
    raw = read_if_there(folder / MANIFEST)
    if raw is None:
        return Manifest()
    try:
        if len(raw) > MANIFEST_BYTES_MAX:
            raise msgspec.ValidationError(f"it has more than {MANIFEST_BYTES_MAX} bytes")
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise EvidenceError(
            f"{folder / MANIFEST} is no manifest of an index: {why}; remove the folder: it is built anew from the journal"
        ) from why


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replaces it: durable when this returns."""
    write_whole(folder / MANIFEST, _encode(manifest))


def building(folder: Path) -> AbstractContextManager[None]:
    """The right to change the index, for one process. Raises `DependencyError` while another has it."""
    return changing(folder, LOCK, "the index", "finding-busy")


def sweep(folder: Path) -> int:
    """Removes run files that the manifest does not name; how many. For whoever is `building`."""
    kept = {run.name for run in read_manifest(folder).runs}
    gone = [path for path in folder.glob(f"*{SUFFIX}*") if path.name not in kept]
    for path in gone:
        path.unlink()
    return len(gone)
