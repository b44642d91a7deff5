"""Following a living journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from lianfang.infra.journal import DECISION, Follower, JournalWriter
from lianfang.infra.journal.files import DURABLE_FILE, pack_mark, segment_list, segment_path
from lianfang.infra.journal.format import Damage, pack
from lianfang.kernel.errors import EvidenceError
from tests.infra.journal.twins import SMALL, body, fill


def test_a_follower_sees_each_record_once_and_only_when_durable(tmp_path: Path) -> None:
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    follower = Follower(tmp_path)
    assert follower.poll() == []
    seen = []
    for seq in range(1, 41):
        writer.append(DECISION, 1, body(seq))
        assert follower.poll() == []
        if seq % 4 == 0:
            writer.commit_now()
            got = follower.poll()
            assert [record.seq for record in got] == list(range(seq - 3, seq + 1))
            seen += [record.parts for record in got]
    assert seen == [body(seq) for seq in range(1, 41)]
    writer.close()
    follower.close()


@pytest.mark.parametrize("start", [1, 2, 17, 40, 41])
@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_a_follower_goes_on_from_any_seq(tmp_path: Path, start: int, limit: int) -> None:
    fill(tmp_path, 40)
    follower = Follower(tmp_path, start)
    seen = []
    while got := follower.poll(limit):
        assert len(got) <= limit
        seen += [record.seq for record in got]
    assert seen == list(range(start, 41))
    assert follower.next_seq == max(start, 41)
    follower.close()


def test_a_follower_stops_at_the_mark_though_later_bytes_are_there(tmp_path: Path) -> None:
    fill(tmp_path, 6)
    (tmp_path / DURABLE_FILE).write_bytes(pack_mark(4))
    follower = Follower(tmp_path)
    assert [record.seq for record in follower.poll()] == [1, 2, 3, 4]
    assert follower.poll() == []
    (tmp_path / DURABLE_FILE).write_bytes(pack_mark(6))
    assert [record.seq for record in follower.poll()] == [5, 6]
    follower.close()


def test_a_follower_may_be_there_before_its_journal(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "j")
    assert follower.poll() == []
    fill(tmp_path / "j", 3)
    assert len(follower.poll()) == 3
    follower.close()


def test_a_follower_says_what_damage_cost_and_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    firsts = segment_list(tmp_path)
    for first in (firsts[1], firsts[-1]):
        path = segment_path(tmp_path, first)
        raw = bytearray(path.read_bytes())
        raw[64 + len(pack(DECISION, first, 0, body(first))) + 60] ^= 4
        path.write_bytes(raw)
    damaged: list[Damage] = []
    follower = Follower(tmp_path, on_damage=damaged.append)
    seen = []
    while got := follower.poll(5):
        seen += [record.seq for record in got]
    lost = {firsts[1] + 1, firsts[-1] + 1}
    assert seen == [seq for seq in range(1, 41) if seq not in lost]
    assert {seq for damage in damaged for seq in range(*damage.missing)} == lost
    follower.close()
    strict = Follower(tmp_path, firsts[1])
    with pytest.raises(EvidenceError):
        [strict.poll(1) for _ in range(3)]
    strict.close()
