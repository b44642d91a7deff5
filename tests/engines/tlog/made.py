"""Trees, keys and signed checkpoints made for the tests."""

from __future__ import annotations

from collections.abc import Sequence

from lianfang.engines.tlog import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    Growing,
    Note,
    SignerKey,
    Tile,
    TileReader,
    leaf_hashes,
    sign_checkpoint,
)

ORIGIN = "log.example.org/tags"
LOG = SignerKey(ORIGIN, ED25519, bytes(range(32)))
WITNESSES = tuple(SignerKey(f"w{n}.example.org", COSIGNATURE, bytes((n + 1,)) * 32) for n in range(4))
WITNESS_KEYS = tuple(one.verifier for one in WITNESSES)


def entries_of(count: int, *, tag: bytes = b"entry") -> list[bytes]:
    return [b"%s %d" % (tag, n) for n in range(count)]


def tiles_of_entries(entries: Sequence[bytes]) -> tuple[Growing, dict[Tile, bytes]]:
    """The tree, and its tiles."""
    tree = Growing()
    tiles = {one.tile: one.data for one in tree.append(leaf_hashes(entries))}
    tiles.update((one.tile, one.data) for one in tree.partials())
    return tree, tiles


def reader_of(entries: Sequence[bytes]) -> TileReader:
    tree, tiles = tiles_of_entries(entries)
    return TileReader(tree.size, tiles.__getitem__)


def checkpoint_of(entries: Sequence[bytes], origin: str = ORIGIN) -> Checkpoint:
    tree, _ = tiles_of_entries(entries)
    return Checkpoint(origin, tree.size, tree.root())


def signed(entries: Sequence[bytes], signer: SignerKey = LOG, origin: str = ORIGIN) -> Note:
    return sign_checkpoint(checkpoint_of(entries, origin), signer)
