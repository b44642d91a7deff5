"""The log on disk: what was acknowledged is there once, whatever dies or breaks, and no history is ever another."""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal.isal_zlib import crc32

from lianfang.engines.tlog import (
    COSIGNATURE,
    ED25519,
    ENTRY_BYTES_MAX,
    SignerKey,
    cosign,
    open_checkpoint,
    verify_consistency,
)
from lianfang.engines.tlog.proofs import prove_consistency
from lianfang.infra.tlog import LogStore, verify_log
from lianfang.infra.tlog import store as store_module
from lianfang.infra.tlog import wal as wal_module
from lianfang.kernel.errors import DependencyError, EvidenceError, InputError, LianfangError, TooLargeError
from tests.engines.tlog.made import LOG, ORIGIN, WITNESS_KEYS, WITNESSES, entries_of
from tests.infra.journal.twins import FaultyFiles
from tests.infra.tlog.made import KEY, check_whole, opened, published_files, written


def test_a_new_log_has_a_checkpoint_of_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path / "log")
    assert store.integrate().checkpoint.size == 0
    store.close()
    check_whole(tmp_path / "log", [])


@pytest.mark.parametrize("step", [1, 7, 256, 300])
def test_what_was_appended_is_published_whole(tmp_path: Path, step: int) -> None:
    entries = entries_of(700 if step > 1 else 300)
    written(tmp_path, entries, step=step)
    check_whole(tmp_path, entries)
    assert not list((tmp_path / "tile" / "entries" / "000.p").glob("*")), "partial bundles of a whole one are gone"


def test_indexes_follow_each_other_and_entries_are_read_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    entries = entries_of(600)
    assert (store.append(entries[:250]), store.append(entries[250:300])) == (0, 250)
    assert (store.size, store.commit()) == (0, 300)
    store.integrate()
    assert store.append(entries[300:]) == 300
    store.commit()
    assert store.read(0, 600) == entries
    assert store.read(290, 310) == entries[290:310]
    assert store.read(599, 600) == entries[599:]
    assert store.read(5, 5) == []
    for begin, end in ((0, 601), (-1, 3), (4, 3)):
        with pytest.raises(InputError):
            store.read(begin, end)
    store.close()


def test_a_checkpoint_without_news_stays(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([b"a"])
    store.commit()
    first = store.integrate()
    before = published_files(tmp_path)
    assert store.integrate() == first
    assert published_files(tmp_path) == before
    store.close()


def test_what_was_committed_and_not_published_comes_back(tmp_path: Path) -> None:
    entries = entries_of(400)
    written(tmp_path, entries[:270])
    store = opened(tmp_path)
    store.append(entries[270:])
    store.commit()
    store.close()
    store, recovery = LogStore.open(tmp_path, ORIGIN, LOG)
    assert (recovery.published, recovery.pending, recovery.torn) == (270, 130, None)
    assert store.read(0, 400) == entries
    store.integrate()
    store.close()
    check_whole(tmp_path, entries)


def test_every_checkpoint_grew_out_of_the_one_before(tmp_path: Path) -> None:
    store = opened(tmp_path)
    trees = []
    for n in range(12):
        store.append(entries_of(53, tag=b"%d" % n))
        store.commit()
        trees.append(store.integrate().checkpoint)
    reader = store.reader.hashes(trees[-1].size)
    for old, new in pairwise(trees):
        verify_consistency(old.size, new.size, old.root, new.root, prove_consistency(reader, old.size, new.size))
    store.close()


def test_a_torn_tail_is_cut_kept_and_said(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for entry in (b"first", b"second", b"third"):
        store.append([entry])
        store.commit()
    store.close()
    (segment,) = (tmp_path / "pending").glob("*.wal")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-3])
    store, recovery = LogStore.open(tmp_path, ORIGIN, LOG)
    assert recovery.torn is not None
    assert recovery.torn.copy.read_bytes() == whole[recovery.torn.offset : -3]
    assert store.append([b"next"]) == 2
    store.commit()
    store.integrate()
    store.close()
    check_whole(tmp_path, [b"first", b"second", b"next"])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_write_ahead_log_cut_anywhere_gives_whole_batches(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    store = opened(folder)
    batches = data.draw(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=4), min_size=1, max_size=6))
    for batch in batches:
        store.append(batch)
        store.commit()
    store.close()
    (segment,) = (folder / "pending").glob("*.wal")
    whole = segment.read_bytes()
    segment.write_bytes(whole[: data.draw(st.integers(32, len(whole)))])
    store = opened(folder)
    ends = [[entry for batch in batches[:n] for entry in batch] for n in range(len(batches) + 1)]
    assert store.read(0, store.size) in ends
    store.close()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_flipped_byte_of_the_write_ahead_log_loses_only_the_last_batch_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    store = opened(folder)
    for n in range(4):
        store.append([b"entry %d" % n])
        store.commit()
    store.close()
    (segment,) = (folder / "pending").glob("*.wal")
    whole = bytearray(segment.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    segment.write_bytes(whole)
    try:
        store = opened(folder)
    except EvidenceError:
        return
    assert store.read(0, store.size) == [b"entry %d" % n for n in range(3)]
    store.close()


def test_an_entry_that_looks_like_a_batch_does_not_stop_recovery(tmp_path: Path) -> None:
    first = opened(tmp_path / "a")
    first.append([b"x"])
    first.commit()
    first.close()
    (segment,) = (tmp_path / "a" / "pending").glob("*.wal")
    hostile = wal_module.pack_frame(crc32(segment.read_bytes()[:28]), 7, [b"forged"])  # made for another segment
    store = opened(tmp_path / "b")
    store.append([b"x"])
    store.commit()
    store.append([hostile, b"y" * 50])
    store.commit()
    store.close()
    (segment,) = (tmp_path / "b" / "pending").glob("*.wal")
    segment.write_bytes(segment.read_bytes()[:-3])
    store, recovery = LogStore.open(tmp_path / "b", ORIGIN, LOG)
    assert (store.size, recovery.torn is not None) == (1, True)
    store.close()


def test_lost_entries_are_not_passed_over(tmp_path: Path) -> None:
    written(tmp_path, entries_of(50))
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(EvidenceError, match="no checkpoint"):
        opened(tmp_path)
    for segment in (tmp_path / "pending").glob("*.wal"):
        segment.unlink()
    with pytest.raises(EvidenceError, match="no checkpoint"):
        opened(tmp_path)


def test_a_tile_is_never_written_over(tmp_path: Path) -> None:
    store = opened(tmp_path)
    other = tmp_path / "tile" / "0" / "000.p" / "1"
    other.parent.mkdir(parents=True)
    other.write_bytes(bytes(32))
    store.append([b"a"])
    store.commit()
    with pytest.raises(EvidenceError, match="other bytes"):
        store.integrate()
    with pytest.raises(DependencyError, match="other bytes"):
        store.append([b"b"])
    assert other.read_bytes() == bytes(32)
    store.close()


def test_a_gap_in_the_write_ahead_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_module, "SEGMENT_BYTES", 200)
    store = opened(tmp_path)
    for n in range(12):
        store.append([b"entry %d" % n * 10])
        store.commit()
    store.close()
    segments = sorted((tmp_path / "pending").glob("*.wal"))
    assert len(segments) > 3
    kept = segments[1].read_bytes()
    segments[1].unlink()
    with pytest.raises(EvidenceError, match=r"cannot be read|has lost entries"):
        opened(tmp_path)
    segments[1].write_bytes(kept[:-5])
    with pytest.raises(EvidenceError, match="damaged at byte"):
        opened(tmp_path)
    segments[1].write_bytes(b"something else")
    with pytest.raises(EvidenceError, match="not a write-ahead segment"):
        opened(tmp_path)
    segments[1].write_bytes(kept)
    store = opened(tmp_path)
    assert store.size == 12
    store.integrate()
    assert len(list((tmp_path / "pending").glob("*.wal"))) == 1, "what stands in tiles is trimmed"
    store.close()


def test_a_changed_open_tile_is_found_at_the_start(tmp_path: Path) -> None:
    written(tmp_path, entries_of(300))
    for name, what in (("tile/0/001.p/44", "open tiles"), ("tile/entries/001.p/44", "last entry bundle")):
        path = tmp_path / name
        whole = path.read_bytes()
        path.write_bytes(bytes((*whole[:10], whole[10] ^ 1, *whole[11:])))
        with pytest.raises(EvidenceError, match=what):
            opened(tmp_path)
        path.write_bytes(whole)
    opened(tmp_path).close()


def test_another_key_or_origin_does_not_open_the_log(tmp_path: Path) -> None:
    written(tmp_path, entries_of(3))
    stranger = SignerKey(ORIGIN, ED25519, b"x" * 32)
    with pytest.raises(EvidenceError, match="no trusted signature"):
        LogStore.open(tmp_path, ORIGIN, stranger)
    with pytest.raises(EvidenceError, match="not of"):
        LogStore.open(tmp_path, "other", LOG)
    opened(tmp_path).close()


def test_one_log_has_one_writer(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(DependencyError, match="another process writes the log"):
        opened(tmp_path)
    store.close()
    opened(tmp_path).close()


def test_what_cannot_be_logged_is_refused_and_nothing_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    with pytest.raises(TooLargeError):
        store.append([b"ok", b"x" * (ENTRY_BYTES_MAX + 1)])
    with pytest.raises(InputError):
        store.append([])
    monkeypatch.setattr(store_module, "WAITING_BYTES_MAX", 100)
    with pytest.raises(DependencyError, match="faster than its disk"):
        store.append([b"x" * 101])
    assert store.append([b"x" * ENTRY_BYTES_MAX][:0] or [b"small"]) == 0
    store.commit()
    store.integrate()
    store.close()
    check_whole(tmp_path, [b"small"])


def test_the_largest_entries_are_taken(tmp_path: Path) -> None:
    entries = [bytes((n,)) * ENTRY_BYTES_MAX for n in range(130)]
    written(tmp_path, entries, step=130)
    check_whole(tmp_path, entries)


def test_cosignatures_are_published_with_the_checkpoint_that_they_are_of(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(entries_of(5))
    store.commit()
    signed = store.integrate()
    lines = [cosign(signed.note.text, one, 7) for one in WITNESSES[:2]]
    assert store.add_cosignatures(4, lines) is False
    assert store.add_cosignatures(5, lines) is True
    found = verify_log(tmp_path, KEY, ORIGIN, WITNESS_KEYS, 2)
    assert found.witnesses == ("w0.example.org", "w1.example.org")
    with pytest.raises(EvidenceError, match="2 of the 3"):
        verify_log(tmp_path, KEY, ORIGIN, WITNESS_KEYS, 3)
    store.append([b"more"])
    store.commit()
    store.integrate()
    assert store.add_cosignatures(5, lines) is False
    store.close()
    opened(tmp_path).close()


def test_a_log_does_not_sign_by_a_witness_key(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        LogStore.open(tmp_path, ORIGIN, SignerKey(ORIGIN, COSIGNATURE, b"x" * 32))


def session(folder: Path, files: FaultyFiles, sure: list[bytes], *, rounds: int) -> None:
    """Appends, commits, publishes; `sure` gets what was acknowledged. Raises what the log raises."""
    store = opened(folder, files=files)
    try:
        for _ in range(rounds):
            batch = [b"entry %d" % n for n in range(len(sure), len(sure) + 90)]
            store.append(batch)
            store.commit()
            sure += batch
            store.integrate()
    finally:
        store.close()


def count_calls(folder: Path) -> int:
    files = FaultyFiles()
    session(folder, files, [], rounds=3)
    return len(files.calls)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "mode"), [(errno.ENOSPC, "refuse"), (errno.EIO, "refuse"), (errno.EIO, "torn"), (0, "short")]
)
def test_a_fault_at_any_file_call_loses_nothing_and_never_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, mode: str
) -> None:
    monkeypatch.setattr(wal_module, "SEGMENT_BYTES", 1_500)
    for at in range(count_calls(tmp_path / "counted")):
        folder, sure = tmp_path / f"{at}", list[bytes]()
        try:
            session(folder, FaultyFiles(at, error, mode), sure, rounds=3)  # type: ignore[arg-type]
            assert mode != "refuse", at
        except DependencyError as why:
            assert os.strerror(error) in str(why) or "slow" in str(why)
        store = opened(folder)
        found = store.read(0, store.size)
        assert found[: len(sure)] == sure, f"call {at}: an acknowledged entry is lost"
        assert found == [b"entry %d" % n for n in range(len(found))], f"call {at}: an entry is there twice"
        store.append([b"last"])
        store.commit()
        store.integrate()
        store.close()
        check_whole(folder, [*found, b"last"])


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["refuse", "torn"])
def test_after_a_fault_the_log_refuses_until_retry_and_goes_on_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(wal_module, "SEGMENT_BYTES", 1_500)
    for at in range(count_calls(tmp_path / "counted")):
        folder = tmp_path / f"{at}"
        try:
            store = opened(folder, files=FaultyFiles(at, errno.ENOSPC, mode))  # type: ignore[arg-type]
        except DependencyError:
            continue
        sure: list[bytes] = []
        for _ in range(4):
            batch = [b"entry %d" % n for n in range(len(sure), len(sure) + 90)]
            try:
                assert store.append(batch) == len(sure)
                store.commit()
                sure += batch
                store.integrate()
            except DependencyError:
                with pytest.raises(DependencyError, match="free space"):
                    store.append(batch)
                with pytest.raises(DependencyError, match="free space"):
                    store.integrate()
                store.retry()
        store.retry()
        store.integrate()
        assert store.read(0, store.size) == sure
        store.close()
        check_whole(folder, sure)


def test_a_disk_that_stays_full_keeps_the_log_refusing(tmp_path: Path) -> None:
    class Full(FaultyFiles):
        full = False

        def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().pwrite(fd, data, offset)

    files = Full()
    store = opened(tmp_path, files=files)
    store.append([b"a"])
    store.commit()
    files.full = True
    store.append([b"b"])
    for act in (store.commit, store.commit, store.retry, store.integrate):
        with pytest.raises(LianfangError, match="free space"):
            act()
    files.full = False
    store.retry()
    assert store.append([b"c"]) == 1
    store.commit()
    store.integrate()
    store.close()
    check_whole(tmp_path, [b"a", b"c"])


def test_what_was_refused_never_displaces_what_was_acknowledged(tmp_path: Path) -> None:
    """The write of `ghost` reached the disk before it failed; `kept` got its index afterwards."""
    files = FaultyFiles()
    store = opened(tmp_path, files=files)
    store.append([b"a"])
    store.commit()
    files.at, files.error, files.mode = len(files.calls) + 1, errno.EIO, "torn"
    store.append([b"ghost", b"ghost 2"])
    with pytest.raises(DependencyError):
        store.commit()
    store.retry()
    store.append([b"kept"])
    store.commit()
    store.close()
    store = opened(tmp_path)
    assert store.read(0, store.size) == [b"a", b"kept"]
    signed = store.integrate()
    store.close()
    assert open_checkpoint((tmp_path / "checkpoint").read_bytes(), [KEY], ORIGIN).checkpoint == signed.checkpoint
