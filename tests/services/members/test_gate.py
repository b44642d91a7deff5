"""The door: who proves itself comes in, and is out the moment it is expelled."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from lianfang.engines.sealing import SigningKey, sign_entry
from lianfang.kernel.errors import AccessError
from lianfang.services.members import Gate, Roster
from lianfang.services.members.gate import LIFE_US, SESSIONS_MAX, SKEW_US
from lianfang.wire import MemberEntry, SessionRequest

KEY = SigningKey(b"\1" * 32)
NOW = 1_700_000_000_000_000


def member(**changed: Any) -> MemberEntry:
    made = MemberEntry(
        id="bank-a", zh="甲银行", en="Bank A", roles=("contributor",), state="active", signing=KEY.public,
        sealing=bytes(32), by="operator", at=NOW,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changed)


def request(key: SigningKey = KEY, **changed: Any) -> SessionRequest:
    values: dict[str, Any] = {
        "member": "bank-a", "audience": "hub", "nonce": os.urandom(16).hex(), "at": NOW, "signature": bytes(64),
    }  # fmt: skip
    return sign_entry(SessionRequest(**{**values, **changed}), key)


@pytest.fixture(name="roster")
def one_member() -> Roster:
    roster = Roster()
    roster.apply(member(), 0)
    return roster


@pytest.fixture(name="gate")
def the_gate(roster: Roster) -> Gate:
    return Gate("hub", roster, os.urandom)


def test_who_proves_itself_comes_in_until_the_session_ends(gate: Gate) -> None:
    session = gate.open(request(), NOW)
    assert gate.member(f"Bearer {session.secret}", NOW + LIFE_US - 1).id == "bank-a"
    with pytest.raises(AccessError, match="has ended"):
        gate.member(f"Bearer {session.secret}", NOW + LIFE_US)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (request(member="bank-b"), "unknown-member"),
        (request(audience="holder-1"), "wrong-audience"),
        (request(at=NOW + SKEW_US + 1), "clock-skew"),
        (request(at=NOW - SKEW_US - 1), "clock-skew"),
        (request(SigningKey(b"\2" * 32)), "bad-signature"),
        (msgspec.structs.replace(request(), nonce="0" * 32), "bad-signature"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_who_does_not_is_told_why(gate: Gate, made: SessionRequest, code: str) -> None:
    with pytest.raises(AccessError) as refused:
        gate.open(made, NOW)
    assert refused.value.code == code


def test_a_request_is_taken_once(gate: Gate) -> None:
    made = request()
    gate.open(made, NOW)
    with pytest.raises(AccessError, match="used before"):
        gate.open(made, NOW + SKEW_US)


def test_an_expelled_member_is_cut_off_at_once(gate: Gate, roster: Roster) -> None:
    session = gate.open(request(), NOW)
    roster.apply(member(state="expelled"), 1)
    with pytest.raises(AccessError, match="expelled"):
        gate.member(f"Bearer {session.secret}", NOW)
    with pytest.raises(AccessError, match="expelled"):
        gate.open(request(), NOW)


def test_a_rotated_key_ends_the_sessions_it_opened(gate: Gate, roster: Roster) -> None:
    session = gate.open(request(), NOW)
    roster.apply(member(signing=SigningKey(b"\3" * 32).public), 1)
    with pytest.raises(AccessError, match="rotated"):
        gate.member(f"Bearer {session.secret}", NOW)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer \ud800"], ids=repr)
def test_no_session_no_entry(gate: Gate, header: str | None) -> None:
    with pytest.raises(AccessError):
        gate.member(header, NOW)


def test_a_member_has_so_many_sessions_and_no_more(gate: Gate) -> None:
    first = gate.open(request(), NOW)
    for _ in range(SESSIONS_MAX):
        last = gate.open(request(), NOW)
    with pytest.raises(AccessError, match="ended"):
        gate.member(f"Bearer {first.secret}", NOW)
    assert gate.member(f"Bearer {last.secret}", NOW).id == "bank-a"


def test_a_signature_is_checked_by_the_key_of_its_place_in_the_log(roster: Roster) -> None:
    roster.apply(member(signing=b"\5" * 32), 10)
    roster.apply(member(state="expelled"), 20)
    assert roster.signing_key("bank-a", 9) == KEY.public
    assert roster.signing_key("bank-a", 10) == b"\5" * 32
    with pytest.raises(AccessError, match="entry 20"):
        roster.signing_key("bank-a", 20)
    with pytest.raises(AccessError, match="no active member"):
        roster.signing_key("bank-x", 5)
    assert roster.active == ()
    assert len(roster.everybody) == len(roster) == 1
