"""C2SP tlog-checkpoint: a log's origin, size and root as the text of a signed note."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lianfang.engines.tlog.forms import SIZE_MAX, read_decimal, read_hash, write_base64
from lianfang.engines.tlog.hashing import EMPTY_ROOT, HASH_BYTES
from lianfang.engines.tlog.keys import SignerKey, VerifierKey
from lianfang.engines.tlog.note import Note, Verified, check_text, parse_note, sign, verify_note
from lianfang.kernel.errors import EvidenceError, InputError


class Checkpoint(NamedTuple):
    """What a log says it is at one moment. `str` is the note's text."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = (self.origin, str(self.size), write_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


class SignedCheckpoint(NamedTuple):
    """A checkpoint whose signature by one of the asked keys was verified, and the note that it came in."""

    checkpoint: Checkpoint
    note: Note
    by: tuple[Verified, ...]


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text; unverified. Raises `EvidenceError`."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise EvidenceError("a checkpoint has three lines or more, none of them empty: origin, size, root")
    size = read_decimal(lines[1], "a checkpoint's size")
    root = read_hash(lines[2], "a checkpoint's root")
    if size == 0 and root != EMPTY_ROOT:
        raise EvidenceError("a checkpoint of no entries has another root than the empty tree's")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, signer: SignerKey) -> Note:
    """The checkpoint as a note with one signature. Raises `InputError` for what could not be read back."""
    text = str(checkpoint)
    check_text(text)
    lines = (checkpoint.origin, *checkpoint.extensions)
    if any(not line or "\n" in line for line in lines) or not 0 <= checkpoint.size <= SIZE_MAX:
        raise InputError("a checkpoint has a name, a size of 0 to 2^63-1, and no empty lines")
    if len(checkpoint.root) != HASH_BYTES:
        raise InputError(f"a root has {HASH_BYTES} bytes")
    return Note(text, (sign(text, signer),))


def open_checkpoint(data: bytes, keys: Iterable[VerifierKey], origin: str) -> SignedCheckpoint:
    """A signed checkpoint of the log `origin`, verified. Raises `EvidenceError`."""
    note = parse_note(data)
    by = verify_note(note, keys)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise EvidenceError(f"this is a checkpoint of {checkpoint.origin!r}, not of {origin!r}; check the address")
    return SignedCheckpoint(checkpoint, note, tuple(by))
