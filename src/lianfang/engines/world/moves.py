"""A move is a payment before it is dressed up: indices into the world's tables, one numpy record."""

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
        ("chain", "<i8"),  # one sum of money on its run
        ("payer", "<i4"),  # accounts
        ("payee", "<i4"),
        ("merchant", "<i4"),
        ("device", "<i4"),
        ("ip", "<i4"),
        ("story", "<i4"),
        ("number", "<i4"),  # of the day
        ("step", "<i2"),  # of the story, from 1
        ("steps", "<i2"),
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
        ("reported_kind", "i1"),
        ("role", "i1"),
        ("layer", "i1"),
        ("city", "i1"),
        ("vpn", "i1"),
    ]
)
Moves = NDArray[Any]
"""A one-dimensional array of MOVE."""

_QUIET: Final = np.zeros(1, MOVE)
for _name in MOVE.names or ():
    _QUIET[_name] = 0 if _name in {"failed", "screen", "call", "label", "vpn"} else NONE


def blank(count: int) -> Moves:
    """`count` moves in which everything is absent, genuine, and quiet."""
    made = np.empty(count, MOVE)
    made[:] = _QUIET
    return made
