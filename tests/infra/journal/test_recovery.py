"""Recovery: torn tails at every byte, flipped bits anywhere, kill -9 at any moment."""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.journal import DECISION, JournalWriter, Record, scan, verify
from lianfang.infra.journal.files import DURABLE_FILE, pack_mark, segment_list, segment_path
from lianfang.infra.journal.format import pack, unpack_segment_header
from lianfang.kernel.errors import EvidenceError
from tests.infra.journal.twins import SMALL, body, fill, read_all


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_tail_torn_at_any_byte_is_cut_kept_aside_and_reported(tmp_path: Path) -> None:
    source = tmp_path / "whole"
    fill(source, 3)
    (source / DURABLE_FILE).write_bytes(pack_mark(2))
    last = pack(DECISION, 3, 1_003, body(3))
    start = 64 + sum(len(pack(DECISION, seq, 0, body(seq))) for seq in (1, 2))
    for kept in range(0, len(last), 1 if len(last) < 100 else 7):
        directory = tmp_path / str(kept)
        shutil.copytree(source, directory)
        overwrite(segment_path(directory, 1), start + kept, bytes(len(last) - kept))
        torn = last[:kept].rstrip(b"\0")
        assert verify(directory).torn_bytes == len(torn)
        assert [record.seq for record in scan(directory)] == [1, 2]
        writer, recovery = JournalWriter.open(directory, segment_bytes=SMALL, ahead=0)
        assert recovery.last_seq == 2
        assert recovery.lost is None
        assert [(d.segment, d.offset, d.length) for d in recovery.cut] == ([(1, start, len(torn))] if torn else [])
        if torn:
            aside = directory / "damaged" / f"{1:020d}-{start}.bin"
            assert aside.read_bytes() == torn
            assert "cut a torn tail" in recovery.sentences()[0]
        assert writer.append(DECISION, 9, (b"next",)) == 3
        writer.close()
        assert verify(directory).sound
        assert [record.seq for record in scan(directory)] == [1, 2, 3]


def test_an_answered_record_that_is_gone_is_called_lost_and_its_seq_never_given_again(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    start = 64 + sum(len(pack(DECISION, seq, 0, body(seq))) for seq in (1, 2))
    overwrite(segment_path(tmp_path, 1), start + 60, b"?")
    writer, recovery = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    assert recovery.lost == (3, 4)
    assert not recovery.clean
    assert "LOST answered records, seq 3 to 3" in recovery.sentences()[0]
    assert writer.append(DECISION, 9, (b"next",)) == 4
    writer.close()
    records, damaged = read_all(tmp_path)
    assert [record.seq for record in records] == [1, 2, 4]
    assert [damage.missing for damage in damaged] == [(3, 4)]


def test_damage_amid_sound_records_keeps_them_and_is_never_silent(tmp_path: Path) -> None:
    fill(tmp_path, 6)
    start = 64 + len(pack(DECISION, 1, 0, body(1)))
    overwrite(segment_path(tmp_path, 1), start + 100, b"\xff\xff")
    with pytest.raises(EvidenceError, match="seq 2 to 2"):
        list(scan(tmp_path))
    writer, recovery = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    assert recovery.last_seq == 6
    assert [damage.missing for damage in recovery.damaged] == [(2, 3)]
    assert recovery.sentences()[0].startswith("DAMAGED segment 1")
    assert (tmp_path / "damaged" / f"{1:020d}-{start}.bin").exists()
    assert writer.append(DECISION, 9, (b"next",)) == 7
    with pytest.raises(EvidenceError, match="damaged"):
        writer.read(2)
    assert writer.read(3).seq == 3
    writer.close()
    assert segment_list(tmp_path) == [1, 7], "a damaged segment is not written on"
    records, damaged = read_all(tmp_path)
    assert [record.seq for record in records] == [1, 3, 4, 5, 6, 7]
    assert len(damaged) == 1


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    directory = tmp_path_factory.mktemp("sealed")
    return directory, fill(directory, 24)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_anywhere_costs_at_most_its_own_record_and_is_reported(
    sealed: tuple[Path, list[Record]], data: st.DataObject
) -> None:
    source, records = sealed
    firsts = segment_list(source)
    i = data.draw(st.integers(0, len(firsts) - 1))
    path = segment_path(source, firsts[i])
    raw = bytearray(path.read_bytes())
    below = firsts[i + 1] if i + 1 < len(firsts) else 25
    end = 64 + sum(len(pack(DECISION, seq, 0, body(seq))) for seq in range(firsts[i], below))
    bit = data.draw(st.integers(0, end * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    hit, offset = None, 64
    for seq in range(firsts[i], below):
        size = len(pack(DECISION, seq, 0, body(seq)))
        if offset <= bit // 8 < offset + size:
            hit = seq
        offset += size
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "j"
        shutil.copytree(source, directory)
        segment_path(directory, firsts[i]).write_bytes(raw)
        found, damaged = read_all(directory)
        assert found == [record for record in records if record.seq != hit]
        report = verify(directory)
        assert not report.sound
        assert bool(damaged) or report.torn_bytes
        if hit is not None and damaged:
            assert damaged[0].missing == (hit, hit + 1)
        writer, recovery = JournalWriter.open(directory, segment_bytes=SMALL, ahead=0)
        assert writer.next_seq == 25
        assert recovery.clean == (i + 1 < len(firsts))
        writer.close()


def test_what_a_writer_left_half_made_is_removed(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "ahead-7.tmp").write_bytes(b"half")
    writer, recovery = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    assert recovery.clean
    assert not (tmp_path / "ahead-7.tmp").exists()
    writer.close()


def test_a_segment_whose_new_name_a_power_cut_took_is_found_again(tmp_path: Path) -> None:
    records = fill(tmp_path, 40)
    firsts = segment_list(tmp_path)
    for number, first in enumerate(firsts[-2:]):
        segment_path(tmp_path, first).rename(tmp_path / f"ahead-{number + 3}.tmp")
    whole = (tmp_path / "ahead-4.tmp").read_bytes()
    one_record = 64 + len(pack(DECISION, firsts[-1], 0, body(firsts[-1])))
    (tmp_path / "ahead-1.tmp").write_bytes(whole[:one_record].ljust(SMALL, b"\0"))  # a failed attempt
    (tmp_path / "ahead-2.tmp").write_bytes(bytes(SMALL))
    writer, recovery = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    assert recovery.clean
    assert recovery.last_seq == 40
    assert segment_list(tmp_path) == firsts
    assert not list(tmp_path.glob("ahead-*"))
    assert read_all(tmp_path) == (records, [])
    writer.close()


def test_a_lost_segment_in_the_middle_is_damage(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    firsts = segment_list(tmp_path)
    segment_path(tmp_path, firsts[1]).unlink()
    records, damaged = read_all(tmp_path)
    gone = set(range(firsts[1], firsts[2]))
    assert [record.seq for record in records] == [seq for seq in range(1, 41) if seq not in gone]
    assert {seq for damage in damaged for seq in range(*damage.missing)} == gone


def test_old_segments_may_be_taken_away_from_the_front(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    firsts = segment_list(tmp_path)
    segment_path(tmp_path, firsts[0]).unlink()
    records, damaged = read_all(tmp_path)
    assert [record.seq for record in records] == list(range(firsts[1], 41))
    assert damaged == []


CHILD = """
import asyncio, sys
from pathlib import Path
from lianfang.infra.journal import DECISION, JournalWriter, OsFiles

class Plain(OsFiles): pass   # not OsFiles itself: the Python lane, which starts sooner

async def main(directory, native):
    loop = asyncio.get_running_loop()
    writer, _ = JournalWriter.open(directory, segment_bytes=16384, ahead=1, files=None if native else Plain())
    writer.attach(loop, lambda up_to: print(up_to, flush=True), lambda *a: print("failed", flush=True))
    while True:
        for _ in range(5):
            writer.append(DECISION, 1, (b"%d" % writer.next_seq * 50, b"r" * 200))
        writer.commit_soon()
        await asyncio.sleep(0)
        while writer.next_seq - writer.durable_seq > 200:
            await asyncio.sleep(0.0005)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "native"))
"""


@pytest.mark.faults
def test_kill_9_at_random_moments_loses_no_record_that_was_called_durable(tmp_path: Path) -> None:
    chance = random.Random(20)
    durable = 0
    for turn in range(20):
        lane = "native" if turn % 7 == 0 else "thread"
        command = [sys.executable, "-c", CHILD, str(tmp_path), lane]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 40)):
                durable = int(child.stdout.readline())
            child.kill()
            for line in child.stdout.read().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    durable = int(line)
        seqs = []
        for record in scan(tmp_path):
            assert record.parts[0] == b"%d" % record.seq * 50
            seqs.append(record.seq)
        assert seqs == list(range(1, len(seqs) + 1)), "exactly once, in order"
        assert len(seqs) >= durable
    writer, recovery = JournalWriter.open(tmp_path, segment_bytes=16384, ahead=0)
    assert recovery.lost is None
    assert not recovery.damaged
    assert recovery.last_seq >= durable
    writer.close()


FULL = """
import asyncio, resource, sys
from pathlib import Path
from lianfang.infra.journal import DECISION, JournalWriter

async def main(directory):
    loop = asyncio.get_running_loop()
    writer, _ = JournalWriter.open(directory, segment_bytes=65536, ahead=0)
    moved = asyncio.Event()
    said = []
    def on_failed(error, from_seq, up_to):
        said.append(str(error))
        assert writer.failure is error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.retry()
    def on_durable(up_to):
        if up_to == 300:
            moved.set()
    writer.attach(loop, on_durable, on_failed)
    for turn in range(30):
        if turn == 5:
            while writer.durable_seq < 50:
                await asyncio.sleep(0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (32768, resource.RLIM_INFINITY))
        for _ in range(10):
            if writer.failure is None:
                writer.append(DECISION, 1, (b"x" * 1000,))
        writer.commit_soon()
        while writer.failure is not None or writer.durable_seq < writer.next_seq - 1:
            await asyncio.sleep(0)
    while writer.next_seq <= 300:
        writer.append(DECISION, 1, (b"x" * 1000,))
    writer.commit_soon()
    await asyncio.wait_for(moved.wait(), 20)
    writer.close()
    print("|".join(said))

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.faults
def test_a_real_limit_of_the_operating_system_is_told_and_overcome(tmp_path: Path) -> None:
    """EFBIG stands for a full disk: the same calls fail, and no mount is needed."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    assert "ulimit" in done.stdout
    records, damaged = read_all(tmp_path)
    assert [record.seq for record in records] == list(range(1, 301))
    assert damaged == []


def test_a_header_that_is_damaged_still_leads_to_its_records(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    second = segment_list(tmp_path)[1]
    overwrite(segment_path(tmp_path, second), 0, bytes(64))
    assert unpack_segment_header(segment_path(tmp_path, second).read_bytes()) is None
    records, damaged = read_all(tmp_path)
    assert len(records) == 40
    assert [(damage.segment, damage.offset) for damage in damaged] == [(second, 0)]
