"""Which subjects this node holds, in every spelling that its payments use, and what its tables know them by. Pure.

A subject has one normal form, one token an epoch, and as many hashes as it has spellings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.hotpath.journey import SUBJECT_KINDS, hash_subjects
from lianfang.engines.keyed import HashKey
from lianfang.engines.subjects import normalise
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import moment
from lianfang.wire import SubjectKind

KINDS: Final[tuple[SubjectKind, ...]] = get_args(SubjectKind)


class Spelled(NamedTuple):
    """A subject as it was met: its kind, its normal form, and how it was written."""

    kind: SubjectKind
    normal: str
    value: str


class Unfit(NamedTuple):
    """What cannot be held, and why; the value is not repeated."""

    kind: str
    why: str


def epoch_of(at: int) -> str:
    """The quarter, UTC, of an instant: `2026Q3`."""
    when = moment(at)
    return f"{when.year}Q{(when.month + 2) // 3}"


def spelled(kind: str, value: str) -> Spelled | Unfit:
    """A subject in its normal form, or why it has none."""
    if kind not in KINDS:
        return Unfit(kind[:20], f"there is no such kind; there are {', '.join(KINDS)}")
    try:
        return Spelled(kind, normalise(kind, value), value)
    except InputError as why:
        return Unfit(kind, why.what)


def canonical_of(kind: str, normal: str) -> bytes:
    """What goes into the oblivious function, of a form that is normal already."""
    return kind.encode() + b"\0" + normal.encode()


def hashes(spellings: Sequence[tuple[str, str]], key: HashKey) -> NDArray[np.uint64]:
    """What the decider's table knows (kind, value) by, uint64[n]; 0 where payments bear no such kind."""
    values = [value.encode() for _, value in spellings]
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(one) for one in values], out=offsets[1:])
    kinds = np.array([SUBJECT_KINDS.index(k) + 1 if k in SUBJECT_KINDS else 0 for k, _ in spellings], np.int64)
    found = hash_subjects(b"".join(values), offsets, kinds, key)
    found[kinds == 0] = 0
    return found


def spellings(one: Spelled) -> Iterable[str]:
    """How a payment may write it: as it was met, and in its normal form."""
    return dict.fromkeys((one.value, one.normal))
