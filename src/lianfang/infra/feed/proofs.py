"""A log that contradicts itself, caught: both signed notes go into a file that anybody can check without us."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lianfang.infra.published import write_whole
from lianfang.kernel.errors import EvidenceError


class ForkError(EvidenceError):
    """The log showed different histories, took entries back, or keeps some from us. `proof` is the file with what shows it."""

    code = "log-fork"

    def __init__(self, what: str, proof: Path | None) -> None:
        super().__init__(
            what if proof is None else f"{what}; the proof is kept in {proof.name}: show it to the other members"
        )
        self.proof = proof


def prove(folder: Path | None, why: str, notes: Sequence[bytes]) -> ForkError:
    """The error, its notes written below `folder` (if there is one)."""
    if folder is None:
        return ForkError(why, None)
    text = b"\n".join([why.encode() + b"\n", *(note.rstrip(b"\n") + b"\n" for note in notes if note)])
    path = folder / f"proof-{hashlib.sha256(text).hexdigest()[:16]}.txt"
    write_whole(path, text)
    return ForkError(why, path)
