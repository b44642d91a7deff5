"""The oblivious function that names subjects: VOPRF of RFC 9497 on ristretto255, its key shared t of n.

A member blinds a subject, t keyholders evaluate and prove, the member verifies each, combines and unblinds. No keyholder
learns the subject or the token; no member learns the key.
"""

from lianfang.engines.oprf.group import base, check_element
from lianfang.engines.oprf.shares import HOLDERS_MAX, check_share, combined, deal, share_key, weights
from lianfang.engines.oprf.suite import (
    BATCH_MAX,
    OUTPUT_BYTES,
    blinded,
    derive_key,
    evaluated,
    finalized,
    prove,
    scalar_from,
    verify,
)

__all__ = [
    "BATCH_MAX",
    "HOLDERS_MAX",
    "OUTPUT_BYTES",
    "base",
    "blinded",
    "check_element",
    "check_share",
    "combined",
    "deal",
    "derive_key",
    "evaluated",
    "finalized",
    "prove",
    "scalar_from",
    "share_key",
    "verify",
    "weights",
]
