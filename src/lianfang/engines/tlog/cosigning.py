"""C2SP tlog-cosignature, Ed25519: a witness says that up to then it saw one history only; k of n witnesses make a quorum."""

from __future__ import annotations

from collections.abc import Sequence

from lianfang.engines.tlog.checkpoint import parse_checkpoint
from lianfang.engines.tlog.forms import SIZE_MAX
from lianfang.engines.tlog.keys import COSIGNATURE, SignerKey, VerifierKey
from lianfang.engines.tlog.note import (
    Note,
    Signature,
    Verified,
    check_text,
    cosignature_data,
    cosignature_message,
    verify_note,
)
from lianfang.kernel.errors import EvidenceError, InputError


def cosign(text: str, signer: SignerKey, at_s: int) -> Signature:
    """A cosignature/v1 of a checkpoint's text at `at_s` seconds since 1970. Raises `InputError` or `EvidenceError`."""
    if signer.verifier.kind != COSIGNATURE:
        raise InputError(f"{signer.name} is no cosignature key (0x04); a witness has one of its own")
    if not 0 <= at_s <= SIZE_MAX:
        raise InputError("the time of a cosignature is 0 to 2^63-1 seconds")
    check_text(text)
    parse_checkpoint(text)  # a witness signs nothing else
    data = cosignature_data(at_s, signer.sign_bytes(cosignature_message(text, at_s)))
    return Signature(signer.name, signer.verifier.id, data)


def check_witnesses(witnesses: Sequence[VerifierKey], quorum: int) -> None:
    """Raises `InputError` unless they are distinct cosignature keys and the quorum is one of them to all of them.

    The signed message does not hold the witness's name: one key under two names would count twice.
    """
    for key in witnesses:
        if key.kind != COSIGNATURE:
            raise InputError(f"{key.name} is no witness: its key is of kind {key.kind:#04x}, a witness's is 0x04")
    if len({key.public for key in witnesses}) != len(witnesses) or len({k.name for k in witnesses}) != len(witnesses):
        raise InputError("one key, or one name, is given for two witnesses")
    if not 1 <= quorum <= len(witnesses):
        raise InputError(f"a quorum is 1 to {len(witnesses)} of {len(witnesses)} witnesses, not {quorum}")


def check_quorum(
    note: Note, witnesses: Sequence[VerifierKey], quorum: int, *, latest_s: int | None = None
) -> list[Verified]:
    """The witnesses who cosigned. Raises `EvidenceError` if fewer than `quorum` did, or one's signature is false.

    A cosignature from after `latest_s` does not count: its witness's clock is wrong, or it lies.
    """
    check_witnesses(witnesses, quorum)
    known = {(key.name, key.id) for key in witnesses}
    signed = any((s.name, s.key_id) in known for s in note.signatures)
    found = verify_note(note, witnesses) if signed else []
    counted = [one for one in found if latest_s is None or (one.at_s or 0) <= latest_s]
    if len(counted) < quorum:
        missing = ", ".join(sorted({k.name for k in witnesses} - {one.key.name for one in counted}))
        raise EvidenceError(
            f"{len(counted)} of the {quorum} witnesses needed have cosigned; {missing} did not: wait, or ask them why"
        )
    return counted


def with_cosignatures(note: Note, more: Sequence[Signature]) -> Note:
    """The note with these signature lines too; of one key the newer line stands in the older one's place."""
    lines = {(s.name, s.key_id): s for s in note.signatures}
    lines.update(((s.name, s.key_id), s) for s in more)
    return Note(note.text, tuple(lines.values()))
