"""C2SP tlog-witness, `add-checkpoint`, as a state machine: what it remembers is a port, its answer a value.

It never signs two histories: a larger tree is cosigned only with a proof that it begins with the one remembered, and only
after the memory has taken the new one in, durably and if it was still the same (compare and swap).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from lianfang.engines.tlog.checkpoint import Checkpoint, parse_checkpoint
from lianfang.engines.tlog.cosigning import cosign
from lianfang.engines.tlog.forms import read_decimal, read_hash, write_base64
from lianfang.engines.tlog.hashing import EMPTY_ROOT
from lianfang.engines.tlog.keys import COSIGNATURE, SignerKey, VerifierKey
from lianfang.engines.tlog.note import NOTE_BYTES_MAX, Note, parse_note, verify_note
from lianfang.engines.tlog.proofs import PROOF_HASHES_MAX, verify_consistency
from lianfang.kernel.errors import EvidenceError, InputError

REQUEST_BYTES_MAX: Final = NOTE_BYTES_MAX + 4_096
SIZE_TYPE: Final = "text/x.tlog.size"
PLAIN_TYPE: Final = "text/plain; charset=utf-8"


class Seen(NamedTuple):
    """The newest tree that a witness cosigned for a log."""

    size: int
    root: bytes


NOTHING: Final = Seen(0, EMPTY_ROOT)


class Request(NamedTuple):
    """What a log sends: the size that the witness should remember, the proof from there, the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __bytes__(self) -> bytes:
        lines = "".join(f"{write_base64(one)}\n" for one in self.proof)
        return f"old {self.old}\n{lines}\n".encode() + bytes(self.note)


class Answer(NamedTuple):
    """The HTTP answer. `fork`: the log itself has signed two histories, and the request proves it; keep it, and tell."""

    status: int
    body: bytes
    content_type: str = PLAIN_TYPE
    fork: bool = False


class Memory(Protocol):
    """What a witness must never forget."""

    def seen(self, origin: str) -> Seen | None: ...
    def replace(self, origin: str, old: Seen | None, new: Seen) -> bool:
        """Durable when it returns True. False, and nothing done, if it no longer remembers `old`."""


def parse_request(data: bytes) -> Request:
    """The body of `add-checkpoint`. Raises `EvidenceError`."""
    if len(data) > REQUEST_BYTES_MAX:
        raise EvidenceError(f"a request has at most {REQUEST_BYTES_MAX:,} bytes, and this has {len(data):,}")
    head, blank, note = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not blank or not lines[0].startswith("old "):
        raise EvidenceError(
            "a request begins with the line `old <size>`, then the proof, an empty line, the checkpoint"
        )
    if len(lines) > 1 + PROOF_HASHES_MAX:
        raise EvidenceError(f"a consistency proof has at most {PROOF_HASHES_MAX} hashes, and this has {len(lines) - 1}")
    old = read_decimal(lines[0].removeprefix("old "), "the old size")
    proof = tuple(read_hash(line, "a hash of the proof") for line in lines[1:])
    return Request(old, proof, parse_note(note))


class Witness:
    """One witness key, the logs it watches (origin to the keys that may sign for it), and its memory."""

    def __init__(self, signer: SignerKey, logs: Mapping[str, Sequence[VerifierKey]], memory: Memory) -> None:
        if signer.verifier.kind != COSIGNATURE:
            raise InputError(f"{signer.name} is no cosignature key (0x04); a witness has one of its own")
        self._signer = signer
        self._logs = logs
        self._memory = memory

    def add_checkpoint(self, body: bytes, at_s: int) -> Answer:
        """Judges one request at `at_s` seconds since 1970. Raises only what the memory raises: then nothing was signed."""
        try:
            request = parse_request(body)
            checkpoint = parse_checkpoint(request.note.text)
        except EvidenceError as why:
            return _refusal(400, str(why))
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            return _refusal(404, f"this witness does not watch {checkpoint.origin!r}; its operator adds logs")
        try:
            verify_note(request.note, keys)
        except EvidenceError as why:
            return _refusal(403, str(why))
        if request.old > checkpoint.size:
            return _refusal(400, f"old {request.old} is larger than the checkpoint, {checkpoint.size}")
        return self._judge(request, checkpoint, at_s)

    def _judge(self, request: Request, checkpoint: Checkpoint, at_s: int) -> Answer:
        remembered = self._memory.seen(checkpoint.origin)
        seen = remembered or NOTHING
        fork = checkpoint.size == seen.size and checkpoint.root != seen.root
        if request.old != seen.size or fork:
            return _conflict(seen.size, fork=fork)
        try:
            _check_growth(seen, checkpoint, request.proof)
        except EvidenceError as why:
            return _refusal(422, str(why))
        new = Seen(checkpoint.size, checkpoint.root)
        if not self._memory.replace(checkpoint.origin, remembered, new):
            return _conflict((self._memory.seen(checkpoint.origin) or NOTHING).size)
        return Answer(200, str(cosign(request.note.text, self._signer, at_s)).encode())


def _check_growth(seen: Seen, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    if seen.size:
        verify_consistency(seen.size, checkpoint.size, seen.root, checkpoint.root, proof)
    elif proof:
        raise EvidenceError("from an empty tree every tree grows: no proof may come with it")


def _refusal(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())


def _conflict(size: int, *, fork: bool = False) -> Answer:
    return Answer(409, b"%d\n" % size, SIZE_TYPE, fork)
