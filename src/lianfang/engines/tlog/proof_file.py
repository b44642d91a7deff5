"""C2SP tlog-proof: one file that proves offline that an entry is in a log, and who witnessed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lianfang.engines.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from lianfang.engines.tlog.cosigning import check_quorum
from lianfang.engines.tlog.forms import read_base64, read_decimal, read_hash, write_base64
from lianfang.engines.tlog.keys import VerifierKey
from lianfang.engines.tlog.note import NOTE_BYTES_MAX, Note, parse_note
from lianfang.engines.tlog.proofs import PROOF_HASHES_MAX, verify_inclusion
from lianfang.kernel.errors import EvidenceError

MAGIC: Final = "c2sp.org/tlog-proof@v1"
EXTRA_BYTES_MAX: Final = 64 << 10
PROOF_FILE_BYTES_MAX: Final = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX + 8_192


@dataclass(frozen=True, slots=True)
class LoggedProof:
    """The file's parts. `extra` is not signed by anybody: never trust it."""

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def __bytes__(self) -> bytes:
        lines = [MAGIC, f"index {self.index}", *map(write_base64, self.hashes)]
        if self.extra is not None:
            lines.insert(1, f"extra {write_base64(self.extra)}")
        return ("\n".join(lines) + "\n\n").encode() + bytes(self.note)


def parse_proof_file(data: bytes) -> LoggedProof:
    """A proof file's parts, unverified. Raises `EvidenceError`."""
    if len(data) > PROOF_FILE_BYTES_MAX:
        raise EvidenceError(f"a proof file has at most {PROOF_FILE_BYTES_MAX:,} bytes, and this has {len(data):,}")
    head, blank, note = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not blank or lines.pop(0) != MAGIC:
        raise EvidenceError(f"this is no proof file: its first line is not {MAGIC}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = read_base64(lines.pop(0).removeprefix("extra "), "the extra data")
        if len(extra) > EXTRA_BYTES_MAX:
            raise EvidenceError(f"extra data of a proof has at most {EXTRA_BYTES_MAX:,} bytes")
    if not lines or not lines[0].startswith("index "):
        raise EvidenceError("a proof file says `index <number>` before its hashes")
    index = read_decimal(lines.pop(0).removeprefix("index "), "the entry's index")
    if len(lines) > PROOF_HASHES_MAX:
        raise EvidenceError(f"an inclusion proof has at most {PROOF_HASHES_MAX} hashes, and this has {len(lines)}")
    hashes = tuple(read_hash(line, "a hash of the proof") for line in lines)
    return LoggedProof(index, hashes, parse_note(note), extra)


def verify_proof_file(
    proof: LoggedProof,
    leaf: bytes,
    log: VerifierKey,
    origin: str,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
) -> SignedCheckpoint:
    """The checkpoint that the proof stands on, after everything held: the log's signature, the quorum of witnesses (none is
    asked without `witnesses`), and that `leaf`, a leaf hash, is in the tree. Raises `EvidenceError` otherwise."""
    signed = open_checkpoint(bytes(proof.note), [log], origin)
    if witnesses or quorum:
        check_quorum(signed.note, witnesses, quorum)
    verify_inclusion(leaf, proof.index, signed.checkpoint.size, proof.hashes, signed.checkpoint.root)
    return signed
