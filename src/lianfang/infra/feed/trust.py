"""Whom a follower believes: the log's key, and so many of these witnesses. Both are told by people, not by the hub."""

from __future__ import annotations

from typing import NamedTuple

from lianfang.engines.tlog import SignedCheckpoint, VerifierKey, check_quorum, open_checkpoint
from lianfang.kernel.errors import EvidenceError


class QuorumError(EvidenceError):
    """Signed by the log, not by enough witnesses: it does not count yet, and proves nothing bad."""

    code = "no-quorum"


class Trust(NamedTuple):
    """A log by its origin and key; `quorum` of the witnesses must have cosigned, 0 for none."""

    origin: str
    key: VerifierKey
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0

    def signed(self, note: bytes) -> SignedCheckpoint:
        """Signed by the log: enough to accuse it. Raises `EvidenceError`."""
        return open_checkpoint(note, [self.key], self.origin)

    def counts(self, note: bytes, latest_s: int | None = None) -> SignedCheckpoint:
        """And cosigned by a quorum, no cosignature from after `latest_s`. Raises `QuorumError`, `EvidenceError`."""
        found = self.signed(note)
        if self.quorum:
            try:
                check_quorum(found.note, self.witnesses, self.quorum, latest_s=latest_s)
            except EvidenceError as why:
                raise QuorumError(str(why)) from why
        return found
