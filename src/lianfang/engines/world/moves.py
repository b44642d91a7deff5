"""A move is a payment before it is dressed up: indices into the world's tables, 90 bytes, one numpy record."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

NONE: Final = -1
"""No such thing: a null once dressed."""
NEVER: Final = np.iinfo(np.int64).max

MOVE: Final = np.dtype(
    [
        ("time", "<i8"),
        ("amount", "<i8"),  # minor units
        ("payee_added", "<i8"),
        ("started", "<i8"),  # of the session
        ("device_since", "<i8"),  # when the account first saw the device, where it is not the owner's
        ("known_at", "<i8"),
        ("payer", "<i4"),
        ("payee", "<i4"),
        ("merchant", "<i4"),
        ("device", "<i4"),
        ("ip", "<i4"),
        ("story", "<i4"),
        ("kind", "i1"),
        ("channel", "i1"),
        ("terminal", "i1"),
        ("authentication", "i1"),
        ("failed", "i1"),
        ("screen", "i1"),
        ("call", "i1"),
        ("memo", "i1"),
        ("finding", "i1"),
        ("label", "i1"),
        ("story_kind", "i1"),
        ("city", "i1"),
        ("vpn", "i1"),
    ]
)
Moves = NDArray[Any]
"""A one-dimensional array of MOVE."""


def blank(count: int) -> Moves:
    """`count` moves in which everything is absent, genuine, and quiet."""
    made = np.empty(count, MOVE)
    for name in MOVE.names or ():
        made[name] = NONE
    for name in ("failed", "screen", "call", "label", "vpn"):
        made[name] = 0
    return made
