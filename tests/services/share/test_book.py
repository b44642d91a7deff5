"""Tags from the log to the decider: opened, drawn together, withdrawn, contested, ended; whatever else comes has no effect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lianfang.engines.sealing import SigningKey
from lianfang.kernel.errors import DependencyError, EvidenceError
from lianfang.kernel.instant import DAY, HOUR, MINUTE
from lianfang.services.share import Heeding
from lianfang.services.share.store import counts, position, refused
from tests.services.share.alliance import NOW, Alliance, Node, derived


@pytest.fixture(name="alliance")
def an_alliance() -> Alliance:
    return Alliance()


@pytest.fixture(name="node")
def a_node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    node.hold(("account", "6222"), ("phone", "+86 138 0000 0000"))
    yield node
    node.close()


def test_a_tag_of_a_held_subject_reaches_the_decider(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag())
    node.book.take(alliance.entries)
    assert node.says("account", "6222") == ("mule", 4, ("bank-a",), True)
    assert node.says("account", "6223") is None


def test_a_subject_is_met_in_every_spelling_that_is_held(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag(kind="phone", value="+8613800000000"))
    node.book.take(alliance.entries)
    assert node.says("phone", "+86 138 0000 0000") is not None
    assert node.says("phone", "+8613800000000") is not None
    assert node.says("phone", "13800000000") is None
    node.hold(("phone", "13800000000"), tokens=False)
    assert node.says("phone", "13800000000") is not None


def test_a_tag_that_came_before_its_subject_was_known_is_told_once_it_is(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag(value="99"))
    node.book.take(alliance.entries)
    assert node.says("account", "99") is None
    node.hold(("account", "99"))
    assert node.says("account", "99") is not None


def test_what_several_say_is_drawn_together(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag("bank-b", severity=2, category="gambling"))
    alliance.add(alliance.tag("bank-c", severity=5, category="takeover", until=NOW + HOUR))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") == ("takeover", 5, ("bank-b", "bank-c"), True)
    node.now += HOUR
    assert node.says("account", "6222") is None, "it says nothing past the earliest end ..."
    node.book.tick()
    assert node.says("account", "6222") == ("gambling", 2, ("bank-b",), True), "... until it is drawn together anew"


def test_what_is_not_cosigned_waits_when_the_setting_says_so(alliance: Alliance, tmp_path: Path) -> None:
    node = Node(tmp_path, Heeding("wait"))
    node.hold(("account", "6222"))
    alliance.add(alliance.tag())
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None
    node.book.confirm(len(alliance.log), bytes(32))
    assert node.says("account", "6222") == ("mule", 4, ("bank-a",), False)
    node.close()


def test_cosigning_takes_the_pending_mark_off(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag())
    node.book.take(alliance.entries)
    node.book.confirm(len(alliance.log), bytes(32))
    assert node.says("account", "6222") == ("mule", 4, ("bank-a",), False)


def test_a_log_in_doubt_acts_only_by_what_was_confirmed(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag(severity=2))
    node.book.take(alliance.entries)
    node.book.confirm(len(alliance.log), bytes(32))
    alliance.add(alliance.tag("bank-b", severity=5))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") == ("mule", 5, ("bank-a", "bank-b"), True)
    node.book.freeze()
    assert node.says("account", "6222") == ("mule", 2, ("bank-a",), False)


def test_a_withdrawal_reaches_the_decider(alliance: Alliance, node: Node) -> None:
    tag = alliance.tag()
    alliance.add(tag)
    node.book.take(alliance.entries)
    alliance.add(alliance.tombstone(tag.id))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None


def test_the_operator_withdraws_what_an_appeal_overturned(alliance: Alliance, node: Node) -> None:
    tag = alliance.tag()
    alliance.add(tag)
    alliance.add(alliance.tombstone(tag.id, "hub", "appeal_upheld"))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None


def test_an_appeal_upheld_takes_a_tag_out_and_one_rejected_does_not(alliance: Alliance, node: Node) -> None:
    tag = alliance.tag()
    for entry in (tag, alliance.appeal(tag.id), alliance.appeal(tag.id, "hub", "rejected")):
        alliance.add(entry)
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is not None
    alliance.add(alliance.appeal(tag.id, "regulator", "upheld"))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None


def test_a_veto_voids_tags_before_and_after_it(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag())
    node.book.take(alliance.entries)
    alliance.add(alliance.veto("account", "6222"))
    alliance.add(alliance.tag("bank-b"))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None


@pytest.mark.parametrize("disputed", ["count", "ignore"])
def test_a_disputed_tag_counts_by_setting(alliance: Alliance, tmp_path: Path, disputed: str) -> None:
    node = Node(tmp_path, Heeding("act", disputed))  # type: ignore[arg-type]
    node.hold(("account", "6222"))
    tag = alliance.tag()
    alliance.add(tag)
    alliance.add(alliance.opinion(tag.id))
    node.book.take(alliance.entries)
    assert (node.says("account", "6222") is not None) == (disputed == "count")
    alliance.add(alliance.opinion(tag.id, stance="agree"))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is not None, "the last word of a member counts"
    node.close()


def hostile(alliance: Alliance) -> dict[str, bytes]:
    """Entries that must have no effect on what stands: a good tag by bank-a is in the log."""
    from lianfang.wire import write

    good = alliance.tag()
    alliance.add(good)
    stranger = SigningKey(bytes(32))
    forged = msgspec.structs.replace(alliance.tombstone(good.id), signature=stranger.sign(b"x"))
    alliance.keys["mallory"] = stranger
    other = alliance.tag("bank-b", value="77", id=alliance.new_id())
    return {
        "forged tombstone": write(forged),
        "tombstone of another's": write(alliance.tombstone(good.id, "bank-b")),
        "appeal upheld by a bystander": write(alliance.appeal(good.id, "bank-b", "upheld")),
        "appeal upheld by who made the tag": write(alliance.appeal(good.id, "bank-a", "upheld")),
        "expelled, says a member": write(alliance.tombstone(good.id, "bank-b", "member_expelled")),
        "veto by a member": write(alliance.veto("account", "6222", "bank-b")),
        "tombstone of no tag": write(alliance.tombstone("f" * 32)),
        "opinion of its own": write(alliance.opinion(good.id, "bank-a", "dispute")),
        "replayed": write(good),
        "by a stranger": write(alliance.tag("mallory", severity=5)),
        "ended before it began": write(alliance.tag("bank-b", severity=5, until=NOW - 1)),
        "too long": write(alliance.tag("bank-b", severity=5, until=NOW + 800 * DAY)),
        "for another subject": write(msgspec.structs.replace(other, lookup=derived("account", "6222").lookup)),
        "another's seal": write(msgspec.structs.replace(good, id=alliance.new_id(), member="bank-b")),
        "oversized": b'{"schema":"tag-entry/1","x":"' + b"a" * (60 << 10) + b'"}',
        "no JSON": b"\xff\x00 tag",
        "nested": b"[" * 5_000,
        "empty": b"",
    }


HOSTILE = tuple(hostile(Alliance()))


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_entries_have_no_effect_and_are_told_of(alliance: Alliance, node: Node, attack: str) -> None:
    entry = hostile(alliance)[attack]
    node.book.take(alliance.entries)
    before = node.says("account", "6222")
    place = alliance.add(entry)
    node.book.take(alliance.entries)
    assert node.says("account", "6222") == before == ("mule", 4, ("bank-a",), True)
    with node.database.reading() as connection:
        told = refused(connection, 10)
        assert [one.place for one in told] == [place]
        assert told[0].why
        assert position(connection).refused == 1
    assert [alarm[0] for alarm in node.book.alarms] == [place]


def test_a_member_expelled_can_say_nothing_more(alliance: Alliance, node: Node) -> None:
    alliance.member("bank-a", state="expelled")
    alliance.add(alliance.tag())
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None


def test_a_rotated_key_signs_from_its_place_on_only(alliance: Alliance, node: Node) -> None:
    old = alliance.tag(severity=2)
    alliance.add(old)
    late = alliance.tag("bank-a", severity=5, id=alliance.new_id())
    alliance.member("bank-a", key=SigningKey(bytes([7]) * 32))
    alliance.add(late)  # signed by the key that was revoked
    node.book.take(alliance.entries)
    assert node.says("account", "6222") == ("mule", 2, ("bank-a",), True)


def test_a_missing_entry_stops_what_comes_after_it(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag())
    entries = alliance.entries
    with pytest.raises(EvidenceError, match="has not come yet"):
        node.book.take([*entries[:2], *entries[3:]])
    node.book.take(entries)
    assert node.says("account", "6222") is not None


def test_after_a_restart_all_is_said_as_before(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag())
    alliance.add(alliance.tag("bank-b", severity=5, category="takeover"))
    node.book.take(alliance.entries)
    said = node.says("account", "6222")
    node.close()
    node.open()
    assert node.says("account", "6222") == said
    assert node.book.ledger.next == len(alliance.log)
    node.book.take(alliance.entries)  # all of it once more
    with node.database.reading() as connection:
        assert counts(connection)["tags"] == 2


def test_when_the_records_fail_nothing_is_half_done(
    alliance: Alliance, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    alliance.add(alliance.tag())
    monkeypatch.setattr(
        "lianfang.services.share.store.put_position", lambda *_: (_ for _ in ()).throw(DependencyError("full"))
    )
    with pytest.raises(DependencyError):
        node.book.take(alliance.entries)
    monkeypatch.undo()
    assert node.says("account", "6222") is None
    assert node.book.ledger.next == 0
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is not None


def test_tags_of_an_older_epoch_are_opened_by_its_token(alliance: Alliance, node: Node) -> None:
    alliance.add(alliance.tag(epoch="2026Q2"))
    node.book.take(alliance.entries)
    assert node.says("account", "6222") is None
    assert node.ask("2026Q2") == 1
    assert node.says("account", "6222") is not None
    node.now += MINUTE
