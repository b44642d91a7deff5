"""The verifiable log: RFC 6962 hashing and proofs, and the C2SP formats around them (docs/reference/log.md). Pure.

To write: `Growing` and `tiles`; to sign: `sign_checkpoint`, `cosign`; to believe: `open_checkpoint`, `check_quorum`,
`verify_inclusion`, `verify_consistency`, `verify_proof_file`. A `Witness` cosigns what it could verify.
"""

from lianfang.engines.tlog.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from lianfang.engines.tlog.cosigning import check_quorum, check_witnesses, cosign, with_cosignatures
from lianfang.engines.tlog.following import Follower
from lianfang.engines.tlog.growing import Growing, WrittenTile
from lianfang.engines.tlog.hashing import EMPTY_ROOT, HASH_BYTES, leaf_hash, leaf_hashes, node_hash, root_of
from lianfang.engines.tlog.keys import (
    COSIGNATURE,
    ED25519,
    SignerKey,
    VerifierKey,
    parse_signer,
    parse_verifier,
)
from lianfang.engines.tlog.note import Note, Signature, Verified, parse_note, parse_signature, sign, verify_note
from lianfang.engines.tlog.proof_file import LoggedProof, parse_proof_file, verify_proof_file
from lianfang.engines.tlog.proofs import (
    HashReader,
    prove_consistency,
    prove_inclusion,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from lianfang.engines.tlog.tiles import (
    BUNDLE_BYTES_MAX,
    ENTRIES,
    ENTRY_BYTES_MAX,
    TILE_BYTES,
    TILE_WIDTH,
    Tile,
    TileReader,
    check_entries,
    pack_bundle,
    parse_tile_path,
    read_bundle,
    split_tile,
    tile_of,
    tiles_of,
)
from lianfang.engines.tlog.witness import Answer, Memory, Request, Seen, Witness, parse_request

__all__ = [
    "BUNDLE_BYTES_MAX",
    "COSIGNATURE",
    "ED25519",
    "EMPTY_ROOT",
    "ENTRIES",
    "ENTRY_BYTES_MAX",
    "HASH_BYTES",
    "TILE_BYTES",
    "TILE_WIDTH",
    "Answer",
    "Checkpoint",
    "Follower",
    "Growing",
    "HashReader",
    "LoggedProof",
    "Memory",
    "Note",
    "Request",
    "Seen",
    "Signature",
    "SignedCheckpoint",
    "SignerKey",
    "Tile",
    "TileReader",
    "Verified",
    "VerifierKey",
    "Witness",
    "WrittenTile",
    "check_entries",
    "check_quorum",
    "check_witnesses",
    "cosign",
    "leaf_hash",
    "leaf_hashes",
    "node_hash",
    "open_checkpoint",
    "pack_bundle",
    "parse_checkpoint",
    "parse_note",
    "parse_proof_file",
    "parse_request",
    "parse_signature",
    "parse_signer",
    "parse_tile_path",
    "parse_verifier",
    "prove_consistency",
    "prove_inclusion",
    "read_bundle",
    "root_at",
    "root_of",
    "sign",
    "sign_checkpoint",
    "split_tile",
    "tile_of",
    "tiles_of",
    "verify_consistency",
    "verify_inclusion",
    "verify_note",
    "verify_proof_file",
    "with_cosignatures",
]
