"""A holder's shares in use: evaluate what members send, and prove that it was done with the announced key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lianfang.engines.oprf import BATCH_MAX, base, evaluated, prove
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.services.keyholding.ceremony import HolderShares

EPOCHS_MAX: Final = 16


class UnknownKeyError(InputError):
    """This holder has no share of that key."""

    code = "unknown-key"


class Evaluated(NamedTuple):
    """Answers in the order of the questions, and the one proof for all of them."""

    place: int
    answers: list[bytes]
    proof: bytes


class Shares:
    """Shares by (kind, purpose, epoch). Immutable; evaluation may run in any thread."""

    def __init__(self, held: Iterable[HolderShares]) -> None:
        self._keys: dict[tuple[str, str, str], tuple[int, bytes, bytes]] = {}
        """Place, share, the share's public key."""
        for one in held:
            for key in one.keys:
                self._keys[key.kind, key.purpose, one.epoch] = (one.place, key.share, base(key.share))
        if len(self.epochs) > EPOCHS_MAX:
            raise InputError(
                f"a holder keeps at most {EPOCHS_MAX} epochs; forget the oldest: lianfang keyholder forget"
            )

    @property
    def epochs(self) -> tuple[str, ...]:
        """The epochs there are shares of, ascending."""
        return tuple(sorted({epoch for _, _, epoch in self._keys}))

    def evaluate(self, kind: str, purpose: str, epoch: str, elements: Sequence[bytes], nonce: bytes) -> Evaluated:
        """Answers with their proof. `nonce`: a fresh scalar. Raises `UnknownKeyError`, `InputError`, `EvidenceError`."""
        found = self._keys.get((kind, purpose, epoch))
        if found is None:
            known = ", ".join(self.epochs) or "none"
            raise UnknownKeyError(
                f"this holder has no share for {kind}, {purpose} in {epoch}; its epochs: {known}", "epoch"
            )
        if not 0 < len(elements) <= BATCH_MAX:
            raise InputError(f"1 to {BATCH_MAX} elements at a time, not {len(elements)}", "elements")
        place, share, public = found
        try:
            answers = evaluated(share, elements)
        except LianfangError as why:
            raise InputError("an element is malformed: blind with RFC 9497, ristretto255-SHA512", "elements") from why
        return Evaluated(place, answers, prove(share, public, elements, answers, nonce))
