"""The ceremony: any t of the holders can answer, each box is its holder's alone, and a dealer's mistake is found."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from lianfang.engines.oprf import blinded, combined, finalized, scalar_from, share_key, verify
from lianfang.engines.sealing import SealingKey, SigningKey, box_for
from lianfang.kernel.errors import EvidenceError, InputError
from lianfang.services.keyholding import Dealt, HolderShares, Shares, deal, open_shares
from lianfang.services.keyholding.ceremony import ceremony_entry, check_witnessed, read_transcript, witness
from lianfang.services.keyholding.shares import UnknownKeyError
from lianfang.wire import MemberEntry, read_entry, write

NAMES = ("bank-a", "bank-b", "regulator")
SEALING = {name: SealingKey(bytes((i,)) * 32) for i, name in enumerate(NAMES, 1)}
SIGNING = {name: SigningKey(bytes((i,)) * 32) for i, name in enumerate(NAMES, 11)}
KEYS: Any = [("account", "anti_fraud"), ("phone", "anti_fraud"), ("account", "collision")]


def members() -> list[MemberEntry]:
    return [
        MemberEntry(
            id=name, zh="甲", en="A", roles=("keyholder",), state="active", signing=SIGNING[name].public,
            sealing=SEALING[name].public, by="operator", at=0,
        )
        for name in NAMES
    ]  # fmt: skip


@pytest.fixture(scope="module", name="dealt")
def a_ceremony() -> Dealt:
    return deal(members(), 2, "2026Q4", KEYS, ("Chen", "Li"), "0" * 32, 7, os.urandom)


def opened(dealt: Dealt) -> list[HolderShares]:
    return [open_shares(b, dealt.transcript, n, SEALING[n]) for n, b in zip(NAMES, dealt.boxes, strict=True)]


def test_any_two_of_three_give_the_same_token(dealt: Dealt) -> None:
    holders = [Shares([one]) for one in opened(dealt)]
    data, blind = b"account\x006222", scalar_from(os.urandom(64))
    sent = [blinded(data, blind)]
    tokens = set()
    for pair in ((0, 1), (0, 2), (1, 2)):
        answers = {}
        for i in pair:
            said = holders[i].evaluate("account", "anti_fraud", "2026Q4", sent, scalar_from(os.urandom(64)))
            commitments = dealt.transcript.keys[0].commitments
            verify(share_key(commitments, said.place), sent, said.answers, said.proof)
            answers[said.place] = said.answers
        tokens.add(finalized(data, blind, combined(answers, 2)[0]))
    assert len(tokens) == 1


def test_kinds_purposes_and_epochs_have_keys_of_their_own(dealt: Dealt) -> None:
    firsts = {one.commitments[0] for one in dealt.transcript.keys}
    assert len(firsts) == len(KEYS)
    holder = Shares([opened(dealt)[0]])
    assert holder.epochs == ("2026Q4",)
    unknown = [("card", "anti_fraud", "2026Q4"), ("phone", "collision", "2026Q4"), ("phone", "anti_fraud", "2027Q1")]
    for kind, purpose, epoch in unknown:
        with pytest.raises(UnknownKeyError, match=kind):
            holder.evaluate(kind, purpose, epoch, [b"x" * 32], scalar_from(os.urandom(64)))


def test_elements_that_are_none_are_refused(dealt: Dealt) -> None:
    holder = Shares([opened(dealt)[0]])
    for bad in ([], [b""], [bytes(32)], [b"\xff" * 32], [b"x" * 32] * 1_001):
        with pytest.raises(InputError):
            holder.evaluate("account", "anti_fraud", "2026Q4", bad, scalar_from(os.urandom(64)))


def test_a_box_opens_for_its_holder_only(dealt: Dealt) -> None:
    with pytest.raises(EvidenceError, match="not the one"):
        open_shares(dealt.boxes[1], dealt.transcript, "bank-a", SEALING["bank-a"])
    with pytest.raises(EvidenceError, match="another key"):
        open_shares(dealt.boxes[0], dealt.transcript, "bank-a", SEALING["bank-b"])
    with pytest.raises(InputError, match="not a holder"):
        open_shares(dealt.boxes[0], dealt.transcript, "bank-x", SEALING["bank-a"])


def forged(dealt: Dealt, **changed: Any) -> Dealt:
    """The first holder's box with something else in it, and a transcript that names that box."""
    import hashlib

    shares = msgspec.structs.replace(opened(dealt)[0], **changed)
    box = box_for(SEALING["bank-a"].public, write(shares), b"lianfang shares v1 " + f"{'0' * 32} bank-a".encode())
    digests = (hashlib.sha256(box).hexdigest(), *dealt.transcript.boxes[1:])
    return Dealt(msgspec.structs.replace(dealt.transcript, boxes=digests), [box, *dealt.boxes[1:]])


def test_a_dealers_wrong_share_is_found(dealt: Dealt) -> None:
    keys = opened(dealt)[0].keys
    wrong = forged(dealt, keys=(msgspec.structs.replace(keys[0], share=b"\1" + bytes(31)), *keys[1:]))
    with pytest.raises(EvidenceError, match="place 1"):
        open_shares(wrong.boxes[0], wrong.transcript, "bank-a", SEALING["bank-a"])


@pytest.mark.parametrize("changed", [{"place": 2}, {"holder": "bank-b"}, {"epoch": "2027Q1"}, {"keys": ()}], ids=str)
def test_a_box_of_another_place_epoch_or_keys_is_found(dealt: Dealt, changed: dict[str, Any]) -> None:
    wrong = forged(dealt, **changed)
    with pytest.raises(EvidenceError):
        open_shares(wrong.boxes[0], wrong.transcript, "bank-a", SEALING["bank-a"])


def test_all_holders_sign_the_transcript_or_it_does_not_count(dealt: Dealt) -> None:
    keys = {name: key.public for name, key in SIGNING.items()}
    signed = [witness(dealt.transcript, name, SIGNING[name]) for name in NAMES]
    check_witnessed(dealt.transcript, signed, keys)
    with pytest.raises(EvidenceError, match="regulator has not signed"):
        check_witnessed(dealt.transcript, signed[:2], keys)
    other = msgspec.structs.replace(dealt.transcript, present=("Chen", "Wang"))
    with pytest.raises(EvidenceError, match="signature"):
        check_witnessed(other, signed, keys)


def test_the_log_gets_the_commitments_and_nothing_secret(dealt: Dealt) -> None:
    entry = ceremony_entry(dealt.transcript)
    raw = write(entry)
    assert read_entry(raw) == entry
    assert read_transcript(write(dealt.transcript)) == dealt.transcript
    for shares in opened(dealt):
        for held in shares.keys:
            assert msgspec.json.encode(held.share).strip(b'"') not in raw + write(dealt.transcript)


@pytest.mark.parametrize(
    ("present", "keys", "holders"),
    [
        (("Chen",), KEYS, 3),
        (("Chen", "Chen"), KEYS, 3),
        (("A", "B"), [], 3),
        (("A", "B"), KEYS[:1] * 2, 3),
        (("A", "B"), KEYS, 0),
        (("A", "B"), KEYS, 1),
    ],
)
def test_a_ceremony_that_cannot_be_is_refused(present: Any, keys: Any, holders: int) -> None:
    with pytest.raises(InputError):
        deal(members()[:holders], 2, "2026Q4", keys, present, "0" * 32, 7, os.urandom)
