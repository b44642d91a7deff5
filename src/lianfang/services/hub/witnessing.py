"""Checkpoints that count: each is shown to every witness at once (C2SP tlog-witness), and counts when a quorum has cosigned.

Who answers late is added when it answers. Who says it remembers another size is asked again from there, once a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from lianfang.engines.tlog import (
    Request,
    Signature,
    SignedCheckpoint,
    VerifierKey,
    parse_signature,
    verify_note,
    with_cosignatures,
)
from lianfang.engines.tlog.note import Note
from lianfang.kernel.errors import EvidenceError, LianfangError

TIMEOUT_S: Final = 3.0
ANSWER_BYTES_MAX: Final = 16 << 10
OK: Final = 200
CONFLICT: Final = 409


class Reply(NamedTuple):
    """What a witness answered."""

    status: int
    body: bytes


Post = Callable[[str, bytes], Awaitable[Reply]]
"""Sends a body to a witness's `add-checkpoint`. Raises `DependencyError`."""


class Prover(Protocol):
    """Proofs out of the log's tiles."""

    def consistency(self, old: int, new: int) -> list[bytes]: ...


class WitnessAt(NamedTuple):
    """A witness: its key, and where it answers."""

    key: VerifierKey
    url: str


class Asked(NamedTuple):
    """What came of asking one witness: its cosignature, or why there is none."""

    witness: str
    signature: Signature | None
    why: str = ""


class Panel:
    """The witnesses of one log. Remembers what each of them remembers, and how each did last."""

    def __init__(self, witnesses: Sequence[WitnessAt], quorum: int, post: Post, prover: Prover) -> None:
        self.witnesses = tuple(witnesses)
        self.quorum = quorum
        self.last: dict[str, Asked] = {}
        self._post = post
        self._prover = prover
        self._sizes: dict[str, int] = {}

    def seat(self, witnesses: Sequence[WitnessAt]) -> None:
        """These are the witnesses from now on."""
        self.witnesses = tuple(witnesses)
        names = {one.key.name for one in witnesses}
        self.last = {name: said for name, said in self.last.items() if name in names}

    async def cosign(self, signed: SignedCheckpoint, enough: Callable[[Sequence[Signature]], Awaitable[None]]) -> int:
        """Asks all; `enough` is told once a quorum has cosigned, and again of those who came later. Returns how many did."""
        waiting = {asyncio.create_task(self._ask(one, signed)) for one in self.witnesses}
        got: list[Signature] = []
        told = 0
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    said = task.result()
                    self.last[said.witness] = said
                    if said.signature is not None:
                        got.append(said.signature)
                if len(got) >= self.quorum and len(got) > told:
                    told = len(got)
                    await enough(got)
        finally:
            for task in waiting:
                task.cancel()
        return len(got)

    async def _ask(self, witness: WitnessAt, signed: SignedCheckpoint) -> Asked:
        name = witness.key.name
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reply = await self._send(witness, signed)
                if reply.status == CONFLICT and self._remember(name, reply.body, signed.checkpoint.size):
                    reply = await self._send(witness, signed)
            return self._read(witness, signed, reply)
        except TimeoutError:
            return Asked(name, None, f"no answer within {TIMEOUT_S:.0f} s")
        except LianfangError as why:
            return Asked(name, None, str(why))

    async def _send(self, witness: WitnessAt, signed: SignedCheckpoint) -> Reply:
        old, new = self._sizes.get(witness.key.name, 0), signed.checkpoint.size
        proof = await asyncio.to_thread(self._prover.consistency, old, new) if 0 < old < new else []
        body = bytes(Request(old, tuple(proof), Note(signed.note.text, signed.note.signatures[:1])))
        return await self._post(f"{witness.url.rstrip('/')}/add-checkpoint", body)

    def _remember(self, name: str, body: bytes, size: int) -> bool:
        """The size that a witness says it remembers; whether that is one to go on from."""
        with suppress(ValueError):
            said = int(body.decode("ascii", "replace"))
            if 0 <= said <= size:
                known = self._sizes.get(name, 0) == said
                self._sizes[name] = said
                return not known
        return False

    def _read(self, witness: WitnessAt, signed: SignedCheckpoint, reply: Reply) -> Asked:
        name = witness.key.name
        if reply.status == CONFLICT:
            return Asked(
                name,
                None,
                f"it remembers another tree ({reply.body[:20].decode('ascii', 'replace').strip()} entries): compare them",
            )
        if reply.status != OK or len(reply.body) > ANSWER_BYTES_MAX:
            why = reply.body[:200].decode("utf-8", "replace").strip()
            return Asked(name, None, f"it answers {reply.status}: {why}")
        try:
            lines = reply.body.decode().removesuffix("\n").split("\n")
            found = [s for s in map(parse_signature, lines) if (s.name, s.key_id) == (name, witness.key.id)]
            verify_note(Note(signed.note.text, tuple(found)), [witness.key])
        except (EvidenceError, UnicodeDecodeError) as why:
            return Asked(name, None, f"its cosignature is false: {why}")
        self._sizes[name] = signed.checkpoint.size
        return Asked(name, found[0])


def counted(signed: SignedCheckpoint, signatures: Sequence[Signature]) -> bytes:
    """The checkpoint with its cosignatures, as it is published."""
    return bytes(with_cosignatures(signed.note, signatures))
