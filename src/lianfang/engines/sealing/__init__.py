"""Tags sealed to whoever holds their subject: a token gives both the lookup to find one by and the key to open it with.

Protocol: HKDF-SHA512 (RFC 5869) of the 64-byte token, AES-256-GCM with everything outside the seal as associated data,
Ed25519 (RFC 8032) over RFC 8785 JSON. Nonces and keys are arguments; nothing here makes random numbers.
"""

from lianfang.engines.sealing.boxes import SealingKey, box_for
from lianfang.engines.sealing.signing import SigningKey, check_signature, sign_entry, signed_bytes
from lianfang.engines.sealing.tags import NONCE_BYTES, Derived, derive, lookup_in_session, open_tag, seal_tag

__all__ = [
    "NONCE_BYTES",
    "Derived",
    "SealingKey",
    "SigningKey",
    "box_for",
    "check_signature",
    "derive",
    "lookup_in_session",
    "open_tag",
    "seal_tag",
    "sign_entry",
    "signed_bytes",
]
