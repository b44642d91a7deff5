"""The writer: order, groups, rotation, reading back, and every fault at every call."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from lianfang.infra.journal import DECISION, NOTE, JournalWriter, Record, verify
from lianfang.infra.journal.ahead import Ahead, Blank
from lianfang.infra.journal.files import OsFiles, segment_list, segment_path
from lianfang.infra.journal.format import unpack_segment_header
from lianfang.infra.journal.lanes import Job
from lianfang.infra.journal.native import NativeLane
from lianfang.kernel.errors import DependencyError, InputError, TooLargeError
from tests.infra.journal.twins import SMALL, FaultyFiles, Mode, body, fill, read_all


def test_what_is_appended_is_read_back_in_order_across_segments(tmp_path: Path) -> None:
    records = fill(tmp_path, 40)
    assert read_all(tmp_path) == (records, [])
    assert len(segment_list(tmp_path)) > 3
    report = verify(tmp_path)
    assert report.sound
    assert (report.records, report.first_seq, report.last_seq) == (40, 1, 40)
    assert (report.first_at, report.last_at) == (1_001, 1_040)


def test_every_write_goes_on_with_zeros_to_the_end_of_its_page(tmp_path: Path) -> None:
    """Blanks are not in the page cache: a page written in part would have to be read first."""
    ends: list[int] = []

    class Watched(FaultyFiles):
        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
            ends.append(offset + len(data))
            return super().pwrite(fd, data, offset)

    journal, _ = JournalWriter.open(tmp_path, segment_bytes=4 * SMALL, files=Watched())
    for seq in range(1, 30):
        journal.append(DECISION, seq, body(seq))
        journal.commit_now()
    journal.close()
    assert {end % 4096 for end in ends} == {0}
    assert len(read_all(tmp_path)[0]) == 29


def test_each_segment_says_where_the_one_before_it_ends(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    firsts = segment_list(tmp_path)
    headers = [unpack_segment_header(segment_path(tmp_path, first).read_bytes()) for first in firsts]
    assert [h.first_seq for h in headers if h] == firsts
    assert [h.previous_first for h in headers if h] == [0, *firsts[:-1]]
    for first, after in zip(firsts, headers[1:], strict=False):
        assert after is not None
        data = segment_path(tmp_path, first).read_bytes()
        assert not any(data[after.previous_end :])
        assert any(data[: after.previous_end][-400:])


def test_any_record_can_be_read_again_by_its_seq(tmp_path: Path) -> None:
    records = fill(tmp_path, 40)
    writer, recovery = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    assert recovery.clean
    assert writer.append(NOTE, 5, (b"late",)) == 41
    assert writer.read(41) == Record(NOTE, 41, 5, (b"late",))
    for record in reversed(records):
        assert writer.read(record.seq) == record
    writer.commit_now()
    assert writer.read(41).parts == (b"late",)
    for absent in (0, 42):
        with pytest.raises(InputError):
            writer.read(absent)
    writer.close()


def test_a_record_past_the_limit_is_refused_and_leaves_no_hole(tmp_path: Path) -> None:
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    with pytest.raises(TooLargeError):
        writer.append(DECISION, 0, (bytes(SMALL),))
    assert writer.append(DECISION, 0, (bytes(SMALL - 64 - 48),)) == 1
    writer.close()
    assert verify(tmp_path).records == 1


def test_two_writers_never_open_one_journal(tmp_path: Path) -> None:
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    with pytest.raises(DependencyError, match="another process writes") as refused:
        JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    assert refused.value.code == "journal-locked"
    writer.close()
    JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)[0].close()


def test_blanks_kept_ahead_are_used_and_the_rest_removed(tmp_path: Path) -> None:
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=2)
    for seq in range(1, 41):
        writer.append(DECISION, 1_000 + seq, body(seq))
        writer.commit_now()
    writer.close()
    assert verify(tmp_path).records == 40
    assert not list(tmp_path.glob("ahead-*"))


def write_through(directory: Path, files: FaultyFiles, count: int = 30) -> list[DependencyError]:
    """Appends `count` records in groups of three, tries again after every failure. Returns the failures."""
    failures: list[DependencyError] = []
    writer, _ = JournalWriter.open(directory, segment_bytes=SMALL, ahead=0, files=files)
    for seq in range(1, count + 1):
        assert writer.append(DECISION, 1_000 + seq, body(seq)) == seq
        if seq % 3 == 0:
            try:
                writer.commit_now()
            except DependencyError as why:
                failures.append(why)
                with pytest.raises(DependencyError):
                    writer.append(DECISION, 0, ())
                assert writer.durable_seq < seq
                writer.retry()
            assert writer.durable_seq == seq
    writer.close()
    return failures


CALLS = 45
"""What thirty records in groups of three take: `test_the_faults_reach_every_call` holds it."""


def test_the_faults_reach_every_call(tmp_path: Path) -> None:
    files = FaultyFiles()
    assert write_through(tmp_path, files) == []
    assert len(files.calls) <= CALLS
    assert set(files.calls) == {"create", "pwrite", "sync", "rename", "sync_folder"}


@pytest.mark.faults
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("mode", ["refuse", "torn", "short"])
def test_nothing_is_lost_or_doubled_whichever_call_fails(tmp_path: Path, error: int, mode: Mode) -> None:
    for at in range(CALLS):
        directory = tmp_path / str(at)
        files = FaultyFiles(at, error, mode)
        failures = write_through(directory, files)
        records, damaged = read_all(directory)
        assert [(record.seq, record.parts) for record in records] == [(seq, body(seq)) for seq in range(1, 31)], at
        assert damaged == []
        if mode == "refuse" and at < len(files.calls):
            assert len(failures) == 1, files.calls[at]
        for failure in failures:
            assert failure.code == "journal-unavailable"
            assert os.strerror(error) in str(failure)
        writer, recovery = JournalWriter.open(directory, segment_bytes=SMALL, ahead=0)
        assert recovery.last_seq == 30
        writer.close()


@pytest.mark.faults
def test_a_failed_sync_is_never_tried_again_on_the_same_segment(tmp_path: Path) -> None:
    files = FaultyFiles()
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0, files=files)
    writer.append(DECISION, 0, body(1))
    writer.commit_now()
    files.at, files.error, files.mode = len(files.calls) + 1, errno.EIO, "torn"
    writer.append(DECISION, 0, body(2))
    with pytest.raises(DependencyError, match="move the journal to a sound disk"):
        writer.commit_now()
    writer.retry()
    writer.close()
    assert segment_list(tmp_path) == [1, 2]
    header = unpack_segment_header(segment_path(tmp_path, 2).read_bytes())
    assert header is not None
    old = segment_path(tmp_path, 1).read_bytes()
    assert any(old[header.previous_end :]), "the failed batch had reached the old segment"
    records, damaged = read_all(tmp_path)
    assert [record.seq for record in records] == [1, 2]
    assert damaged == []


@pytest.mark.faults
def test_a_retry_that_fails_again_keeps_the_records(tmp_path: Path) -> None:
    class Full(FaultyFiles):
        full = True

        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, "full")
            return super().pwrite(fd, data, offset)

    files = Full()
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0, files=files)
    writer.append(DECISION, 0, body(1))
    with pytest.raises(DependencyError, match="free space"):
        writer.commit_now()
    with pytest.raises(DependencyError, match="free space"):
        writer.retry()
    assert not list(tmp_path.glob("ahead-*")), "a blank that could not be filled gives its space back"
    files.full = False
    writer.retry()
    assert writer.durable_seq == 1
    writer.close()


@pytest.mark.faults
def test_a_disk_too_slow_for_the_load_is_said_before_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianfang.infra.journal.writer.WAITING_BYTES_MAX", 1_000)
    writer, _ = JournalWriter.open(tmp_path, segment_bytes=SMALL, ahead=0)
    for _ in range(3):
        writer.append(DECISION, 0, body(1))
    with pytest.raises(DependencyError, match="too slow") as refused:
        writer.append(DECISION, 0, body(1))
    assert refused.value.code == "journal-unavailable"
    assert writer.next_seq == 4
    writer.commit_now()
    assert writer.append(DECISION, 0, body(1)) == 4
    writer.close()


@pytest.mark.faults
def test_a_blank_that_cannot_be_made_is_a_warning_until_one_is_needed(tmp_path: Path) -> None:
    """Room in the living segment is used; the error stops the journal only when it is full, after a fresh attempt."""
    tried = threading.Event()

    class NoRoom(FaultyFiles):
        def create(self, path: Path) -> int:
            if self.error:
                raise OSError(self.error, "no room")
            return super().create(path)

    files = NoRoom()
    ahead = Ahead(files, tmp_path, SMALL, 1)
    ahead.changed = tried.set
    files.error = errno.ENOSPC
    ahead.start()
    assert tried.wait(20)
    assert ahead.error is not None
    assert ahead.error.errno == errno.ENOSPC
    tried.clear()
    assert ahead.take() is None, "the old error is forgotten, a new attempt begins"
    assert tried.wait(20)
    assert isinstance(ahead.take(), OSError)
    files.error = 0
    tried.clear()
    assert ahead.take() is None
    assert tried.wait(20)
    blank = ahead.take()
    assert isinstance(blank, Blank)
    os.close(blank.fd)
    ahead.close()


async def in_loop(directory: Path, files: FaultyFiles | None, count: int, window_us: int = 0) -> tuple[list[int], int]:
    """Appends in the loop, a group a turn; retries when told of a failure. Returns the durable seqs, and failures."""
    loop = asyncio.get_running_loop()
    writer, _ = JournalWriter.open(directory, segment_bytes=SMALL, ahead=1, files=files)
    durable: list[int] = []
    failures = 0
    moved = asyncio.Event()

    def on_durable(up_to: int) -> None:
        durable.append(up_to)
        moved.set()

    def on_failed(error: DependencyError, from_seq: int, up_to: int) -> None:
        nonlocal failures
        failures += 1
        assert error is writer.failure
        assert from_seq == writer.durable_seq + 1
        assert up_to == writer.next_seq - 1
        loop.call_soon(writer.retry)

    writer.attach(loop, on_durable, on_failed, window_us=window_us)
    while writer.next_seq <= count:
        if writer.failure is None:
            for _ in range(3):
                seq = writer.append(DECISION, 1, body(writer.next_seq))
            writer.commit_soon()
        await asyncio.sleep(0)
        if writer.next_seq - writer.durable_seq > 20:
            moved.clear()
            await asyncio.wait_for(moved.wait(), 20)
    while writer.durable_seq < seq:
        moved.clear()
        await asyncio.wait_for(moved.wait(), 20)
    writer.close()
    return durable, failures


@pytest.mark.parametrize("window_us", [0, 500])
def test_beside_a_loop_groups_become_durable_in_order(tmp_path: Path, window_us: int) -> None:
    durable, failures = asyncio.run(in_loop(tmp_path, None, 90, window_us))
    assert durable == sorted(set(durable))
    assert (durable[-1], failures) == (90, 0)
    records, damaged = read_all(tmp_path)
    assert [(record.seq, record.parts) for record in records] == [(seq, body(seq)) for seq in range(1, 91)]
    assert damaged == []


@pytest.mark.faults
@pytest.mark.parametrize("at", range(0, 40, 3))
def test_beside_a_loop_a_failure_is_told_and_a_retry_loses_nothing(tmp_path: Path, at: int) -> None:
    durable, failures = asyncio.run(in_loop(tmp_path, FaultyFiles(at, errno.EIO), 60))
    assert durable[-1] == 60
    assert failures <= 1
    records, damaged = read_all(tmp_path)
    assert [(record.seq, record.parts) for record in records] == [(seq, body(seq)) for seq in range(1, 61)]
    assert damaged == []


@pytest.mark.faults
def test_the_native_lane_says_which_error_stopped_it(tmp_path: Path) -> None:
    async def errors() -> list[int | None]:
        results: list[OSError | None] = []
        came = asyncio.Event()

        def done(why: OSError | None) -> None:
            results.append(why)
            came.set()

        lane = NativeLane(asyncio.get_running_loop(), done)
        read_only = os.open(tmp_path / "x", os.O_RDONLY | os.O_CREAT)
        full = os.open("/dev/full", os.O_RDWR)
        good = os.open(tmp_path / "y", os.O_RDWR | os.O_CREAT)
        missing = (tmp_path / "nowhere", tmp_path / "z")
        for job in (
            Job(read_only, b"a", 0, None),
            Job(full, b"a", 0, None),
            Job(good, b"a", 0, missing),
            Job(good, b"hello", 3, (tmp_path / "y", tmp_path / "z")),
        ):
            came.clear()
            lane.submit(job)
            await came.wait()
        lane.submit(Job(good, b"!", 8, None))
        results.append(lane.wait())
        lane.close()
        for fd in (read_only, full, good):
            os.close(fd)
        return [why.errno if why else None for why in results]

    assert asyncio.run(errors()) == [errno.EBADF, errno.ENOSPC, errno.ENOENT, None, None]
    assert (tmp_path / "z").read_bytes() == b"a\0\0hello!"


def test_the_native_lane_writes_whole_pages_directly_and_all_else_through_the_cache(tmp_path: Path) -> None:
    """A second file stands in for the direct descriptor, to tell which of the two was used."""

    async def write() -> None:
        lane = NativeLane(asyncio.get_running_loop(), lambda why: None)
        direct, fd = OsFiles().open_direct(path), os.open(path, os.O_RDWR)
        elsewhere = os.open(tmp_path / "elsewhere", os.O_RDWR | os.O_CREAT)
        for job in (
            Job(fd, b"a" * 4096, 0, None, direct),
            Job(fd, b"b" * 100, 4096, None, elsewhere),
            Job(fd, b"c" * 4096, 8192, None, elsewhere),
        ):
            lane.submit(job)
            assert lane.wait() is None
        lane.close()
        for one in (direct, fd, elsewhere):
            if one >= 0:
                os.close(one)

    path = tmp_path / "segment"
    path.write_bytes(bytes(3 * 4096))
    asyncio.run(write())
    assert path.read_bytes() == b"a" * 4096 + b"b" * 100 + bytes(2 * 4096 - 100)
    assert (tmp_path / "elsewhere").read_bytes() == bytes(8192) + b"c" * 4096, "whole pages went the direct way"
