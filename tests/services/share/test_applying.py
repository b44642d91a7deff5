"""Whatever is delivered, in whatever runs and however often: the records are what a plain reading of the log says."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.share import Logged
from lianfang.services.share.applying import NotYetError
from lianfang.services.share.store import contested, known, position, refused, vetoed
from tests.services.share.alliance import Alliance, Node, derived

VALUES = ("6222", "77")


def written(seed: int, length: int) -> Alliance:
    """A log of all sorts of entries, good ones and others, as a seed has it."""
    dice = random.Random(seed)
    alliance = Alliance()
    ids: list[str] = ["e" * 32]
    for _ in range(length):
        by = dice.choice(("bank-a", "bank-b", "bank-c", "regulator", "hub"))
        about = dice.choice(ids)
        kind = dice.randrange(8)
        if kind <= 2:
            tag = alliance.tag("bank-a" if by == "hub" else by, value=dice.choice(VALUES), severity=dice.randint(1, 5))
            ids.append(tag.id)
            alliance.add(tag)
        elif kind == 3:
            alliance.add(alliance.tombstone(about, by, dice.choice(("mistaken", "appeal_upheld"))))
        elif kind == 4:
            alliance.add(alliance.opinion(about, by, dice.choice(("agree", "dispute", "seen"))))
        elif kind == 5:
            alliance.add(alliance.appeal(about, by, dice.choice(("opened", "rejected", "upheld"))))
        elif kind == 6:
            alliance.add(dice.choice(alliance.log))  # a replay
        else:
            alliance.add(b"{}" if dice.random() < 0.8 else alliance.veto("account", VALUES[1]))
    return alliance


def reference(alliance: Alliance) -> dict[str, Any]:
    """The same by the plainest reading: one dict, one entry after the other."""
    import msgspec

    from lianfang.wire import Entry, OpinionEntry, TagEntry, TombstoneEntry, VetoEntry

    owner: dict[str, str] = {}
    gone: dict[str, str] = {}
    stance: dict[tuple[str, str], str] = {}
    appeal: dict[str, str] = {}
    vetoes: set[bytes] = set()
    for raw in alliance.log:
        try:
            entry: Any = msgspec.json.decode(raw, type=Entry)
        except msgspec.MsgspecError:
            continue
        if isinstance(entry, TagEntry):
            owner.setdefault(entry.id, entry.member)
        elif isinstance(entry, VetoEntry):
            vetoes.add(entry.lookup)
        elif hasattr(entry, "of") and entry.of in owner:
            own, judge = owner[entry.of] == entry.member, entry.member in ("hub", "regulator")
            if isinstance(entry, TombstoneEntry):
                if (entry.member == "hub") if entry.reason == "appeal_upheld" else own:
                    gone.setdefault(entry.of, entry.reason)
            elif isinstance(entry, OpinionEntry):
                if not own:
                    stance[entry.of, entry.member] = entry.stance
            elif entry.state == "opened" or judge:
                appeal[entry.of] = entry.state
    return {"owner": owner, "gone": gone, "stance": stance, "appeal": appeal, "vetoes": vetoes}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 40), cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_delivery_ends_where_a_plain_reading_does(seed: int, length: int, cuts: list[int]) -> None:
    alliance = written(seed, length)
    entries = alliance.entries
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder))
        node.hold(*(("account", value) for value in VALUES))
        reached = 0
        for cut in [*cuts, len(entries)]:  # runs that overlap, go back, and sometimes leave a gap
            begin = max(reached - cut % 7, 0)
            if cut % 5 == 4 and reached + 1 < len(entries):
                with pytest.raises(NotYetError):
                    node.book.take(entries[reached + 1 :])
            run = entries[begin : max(cut, reached)] if cut != len(entries) else entries[begin:]
            node.book.take(run)
            reached = max(reached, begin + len(run))
        check(node, alliance)
        node.close()
        node.open()
        node.book.take([Logged(*one) for one in entries])
        check(node, alliance)
        node.close()


def check(node: Node, alliance: Alliance) -> None:
    want = reference(alliance)
    with node.database.reading() as connection:
        have = known(connection, want["owner"])
        assert {one: brief.member for one, brief in have.items()} == want["owner"]
        said = contested(connection, want["owner"])
        assert vetoed(connection, [derived("account", value).lookup for value in VALUES]) == want["vetoes"]
        assert position(connection).next == len(alliance.log)
        kept = connection.scalar(sa.text("select count(*) from log_tags"))
        assert kept == len(want["owner"])
        places = {one.place for one in refused(connection, 1_000)}
        assert position(connection).refused == len(places)
    for tag, about in said.items():
        upheld = want["appeal"].get(tag, "")
        assert about.appeal == upheld
        if tag in want["gone"]:
            assert about.withdrawn == want["gone"][tag]
        stances = {member: stance for (of, member), stance in want["stance"].items() if of == tag}
        assert set(about.disputed) == {member for member, one in stances.items() if one == "dispute"}
        assert set(about.agreed) == {member for member, one in stances.items() if one == "agree"}
        assert set(about.seen) == {member for member, one in stances.items() if one == "seen"}
