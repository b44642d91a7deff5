"""C2SP signed-note: a text, an empty line, and who signed it. The text counts for nothing until a signature is verified."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from lianfang.engines.tlog.forms import SIZE_MAX, read_base64, write_base64
from lianfang.engines.tlog.keys import COSIGNATURE, SignerKey, VerifierKey, is_key_name
from lianfang.kernel.errors import EvidenceError, InputError

NOTE_BYTES_MAX: Final = 256 << 10
SIGNATURES_MAX: Final = 64
"""The specification asks for at least 16."""
_DASH: Final = "\u2014 "
_TIME_BYTES: Final = 8
_ED25519_BYTES: Final = 64


class Signature(NamedTuple):
    """One signature line: the key's name and id, and the bytes after the id."""

    name: str
    key_id: int
    data: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {write_base64(self.key_id.to_bytes(4, 'big') + self.data)}\n"


class Note(NamedTuple):
    """A note as received: nothing in it is verified. `text` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()


class Verified(NamedTuple):
    """A trusted key that signed, and when it says it did (seconds since 1970; None for a plain signature)."""

    key: VerifierKey
    at_s: int | None


def parse_note(data: bytes) -> Note:
    """A note's parts. Raises `EvidenceError` for anything but one exact spelling."""
    if len(data) > NOTE_BYTES_MAX:
        raise EvidenceError(f"a signed note has at most {NOTE_BYTES_MAX:,} bytes, and this has {len(data):,}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as why:
        raise EvidenceError(f"a signed note is UTF-8, and this is not at byte {why.start}") from why
    if any(c < " " and c != "\n" for c in whole):
        raise EvidenceError("a signed note has no control characters but newlines")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise EvidenceError("a signed note is a text, an empty line and signature lines, each with its newline")
    signatures = lines[:-1].split("\n")
    if len(signatures) > SIGNATURES_MAX:
        raise EvidenceError(f"a signed note has at most {SIGNATURES_MAX} signatures, and this has {len(signatures)}")
    return Note(text + "\n", tuple(map(parse_signature, signatures)))


def parse_signature(line: str) -> Signature:
    """One signature line without its newline. Raises `EvidenceError`."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise EvidenceError(f"a signature line is a dash (U+2014), a key's name and base64, not {line[:80]!r}")
    data = read_base64(encoded, f"the signature of {name}")
    if len(data) <= 4:
        raise EvidenceError(f"the signature of {name} holds no signature after its key id")
    return Signature(name, int.from_bytes(data[:4], "big"), data[4:])


def check_text(text: str) -> None:
    """Raises `InputError` for a text that no note can carry."""
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise InputError("a note's text ends in a newline and has no other control characters")
    try:
        text.encode()
    except UnicodeEncodeError as why:
        raise InputError("a note's text is Unicode that UTF-8 can hold") from why


def sign(text: str, signer: SignerKey) -> Signature:
    """A plain signature (0x01) of the text. Raises `InputError`; cosignatures are made by `cosigning.cosign`."""
    check_text(text)
    if signer.verifier.kind == COSIGNATURE:
        raise InputError(f"{signer.name} is a cosignature key; a log signs with an Ed25519 key of its own (0x01)")
    return Signature(signer.name, signer.verifier.id, signer.sign_bytes(text.encode()))


def cosignature_message(text: str, at_s: int) -> bytes:
    """What a cosignature/v1 signs: two lines before the text, so that it is no plain signature."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def cosignature_data(at_s: int, signature: bytes) -> bytes:
    """`timestamped_signature`: the seconds in 8 bytes, big-endian, and the signature."""
    return at_s.to_bytes(_TIME_BYTES, "big") + signature


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[Verified]:
    """Who of `keys` signed, each once. Signatures of unknown keys are ignored.

    Raises `EvidenceError`: nobody of them did, or a signature under one of their names and ids is false.
    """
    trusted = {(key.name, key.id): key for key in keys}
    found: dict[VerifierKey, Verified] = {}
    for signature in note.signatures:
        key = trusted.get((signature.name, signature.key_id))
        if key is not None:
            found.setdefault(key, Verified(key, _check(note.text, key, signature.data)))
    if not found:
        names = ", ".join(sorted({key.name for key in trusted.values()})) or "nobody"
        raise EvidenceError(
            f"no trusted signature: it should be signed by {names}; check the key, and where this is from"
        )
    return list(found.values())


def _check(text: str, key: VerifierKey, data: bytes) -> int | None:
    at_s, bare, message = None, data, text.encode()
    if key.kind == COSIGNATURE:
        at_s, bare = int.from_bytes(data[:_TIME_BYTES], "big"), data[_TIME_BYTES:]
        message = cosignature_message(text, at_s)
    if len(bare) != _ED25519_BYTES or (at_s or 0) > SIZE_MAX or not key.is_signature(message, bare):
        raise EvidenceError(
            f"the signature of {key.name} is false: the text was changed after it, or it is another's; trust none of it"
        )
    return at_s
