"""A follower of a log: it takes entries in only with a checkpoint that they, after all it has taken, make the root of."""

from __future__ import annotations

from collections.abc import Sequence

from lianfang.engines.tlog.checkpoint import Checkpoint
from lianfang.engines.tlog.growing import Growing
from lianfang.engines.tlog.hashing import leaf_hashes
from lianfang.kernel.errors import EvidenceError


class Follower:
    """`size` entries taken so far. Keep `pack()` beside what was done with the entries, and go on from there."""

    def __init__(self, packed: bytes | None = None) -> None:
        self._tree = Growing() if packed is None else Growing.unpack(packed)

    @property
    def size(self) -> int:
        """How many entries it has taken."""
        return self._tree.size

    def root(self) -> bytes:
        """The root over them."""
        return self._tree.root()

    def pack(self) -> bytes:
        """What a follower needs to go on, at most 64 KiB."""
        return self._tree.pack()

    def verify_range(self, checkpoint: Checkpoint, entries: Sequence[bytes]) -> None:
        """Takes in the entries from `size` up to the checkpoint's, whose signatures were verified before.

        Raises `EvidenceError`, and has taken nothing, unless they lead to the checkpoint's root: then the log was not only
        appended to, or the entries are not the log's.
        """
        tree = self._tree.copy()
        tree.append(leaf_hashes(entries))
        if tree.size != checkpoint.size:
            raise EvidenceError(
                f"{len(entries)} entries after {self.size} do not make the {checkpoint.size} of the checkpoint"
            )
        if tree.root() != checkpoint.root:
            raise EvidenceError(
                f"entries {self.size} to {checkpoint.size} do not make the root that {checkpoint.origin} signed: they were "
                "changed on the way, or the log shows different histories; keep both and compare with other members"
            )
        self._tree = tree
