"""What a record can be found by: words made of it, and their keyed hashes. The index holds no identifier, only these.

A word is what it says and its value (`payer.account`, `6222...`). Its key is 64 bits of SipHash under the node's own key: two
different words share one about once in 2**64 pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.keyed import HashKey, hash_fields
from lianfang.kernel.errors import InputError
from lianfang.wire import SIDES, SUBJECTS, Decision, Outcome, Payment, SubjectKind

Keys = NDArray[np.uint64]
PayingSide = Literal["payer", "payee"]

PAYMENT: Final = "payment"
RULE: Final = "rule"
SHADOW: Final = "shadow"
REASON: Final = "reason"
ACTION: Final = "action"
UNSURE: Final = "unsure"
LABEL: Final = "label"
SCAM: Final = "scam"
_SAYS: Final = "\x1e"
_BETWEEN: Final = "\x1f"
_PATHS: Final = tuple(SUBJECTS)
_values: Final = attrgetter(*_PATHS)


def word(what: str, value: str) -> str:
    """What something is found by."""
    return f"{what}{_SAYS}{value}"


def decision_words(payment: Payment, decision: Decision) -> list[str]:
    """All words of a decision, each once; the first is that of its payment."""
    words = [f"{PAYMENT}{_SAYS}{payment.id}"]
    words += [f"{path}{_SAYS}{value}" for path, value in zip(_PATHS, _values(payment), strict=True) if value]
    for reason in decision.reasons:
        words.append(f"{RULE}{_SAYS}{reason.name}")
        words.append(f"{REASON}{_SAYS}{reason.code}")
    for rule in decision.shadow:
        words.append(f"{SHADOW}{_SAYS}{rule}")
    if decision.action != "allow":
        words.append(f"{ACTION}{_SAYS}{decision.action}")
    if decision.unsure:
        words.append(UNSURE + _SAYS)
    return list(dict.fromkeys(words)) if decision.reasons else words


def outcome_words(outcome: Outcome) -> list[str]:
    """All words of an outcome; the first is that of its payment."""
    words = [word(PAYMENT, outcome.payment_id), word(LABEL, outcome.label)]
    if outcome.kind is not None:
        words.append(word(SCAM, outcome.kind))
    return words


def subject_words(value: str, kind: SubjectKind | None = None, side: PayingSide | None = None) -> list[str]:
    """Every word under which a subject may stand. Raises `InputError` when no payment has such a subject."""
    words = [word(path, value) for path, of in SUBJECTS.items() if kind in (None, of) and side in (None, SIDES[path])]
    if not words:
        raise InputError(f"no payment has a subject {kind} as its {side}", "subject")
    return words


def hashed(words: Sequence[str], key: HashKey) -> Keys:
    """The key of each word, in one compiled call."""
    text = _BETWEEN.join(words)
    if text.count(_BETWEEN) != len(words) - 1:  # the door lets no control character in; a journal may be anybody's
        text = _BETWEEN.join(one.replace(_BETWEEN, " ") for one in words)
    out = np.zeros(len(words), np.uint64)
    if words:
        hash_fields(text.encode("utf-8", "replace"), np.uint64(key.k0), np.uint64(key.k1), out)
    return out
