"""A question to index and tail is answered as by looking at every record."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.finding import Finder, Query, Sought, Tail, index
from lianfang.infra.finding import run as runs
from lianfang.infra.finding.manifest import read_manifest
from lianfang.kernel.errors import EvidenceError, InputError
from tests.infra.finding.made import KEY, Making, plain_find, queries


class Built:
    """A journal, of which some is in the index, some in the tail."""

    def __init__(self, root: Path, seed: int, tail_rows: int = 1_000_000) -> None:
        self.draw = random.Random(seed)
        self.root = root
        self.making = Making(root / "j", seed)
        self.tail = Tail(KEY, tail_rows)
        self.tail.begin(1)
        self.finder = Finder(root / "finding", root / "j", KEY, self.tail)
        self.seen = 0

    def go_on(self, *, build: bool) -> None:
        self.making.some(self.draw.randrange(1, 60))
        rows = self.making.rows()
        new = [row for row in rows if row.seq > self.seen]
        cut = self.draw.randrange(len(new) + 1)
        for some in (new[:cut], new[cut:]):
            self.tail.add(some, some[-1].seq + 1 if some else self.tail.view.next_seq)
        self.seen = self.making.writer.next_seq - 1
        if build:
            index(self.root / "j", self.root / "finding", KEY, run_rows=self.draw.choice((10, 1_000)))
            if self.draw.random() < 0.5:
                self.finder.refresh()

    def pages(self, query: Query, limit: int, look_max: int) -> list[int]:
        found: list[int] = []
        before = query.before_seq
        for _ in range(2_000):
            import msgspec

            page = self.finder.find(msgspec.structs.replace(query, before_seq=before, limit=limit), look_max)
            assert page.missing == 0
            found += page.seqs
            if page.next is None:
                return found
            assert before is None or page.next < before
            before = page.next
        raise AssertionError("pages never end")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 rows, so that a small journal has many."""
    from lianfang.infra.finding import search

    monkeypatch.setattr(runs, "BLOCK", 16)
    monkeypatch.setattr(search, "BLOCK", 16)
    monkeypatch.setattr(search, "WINDOW_MIN", 4)


_JOURNALS: dict[int, Built] = {}


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Built]:
    """Journals at several stages; made once, asked often."""
    patch = pytest.MonkeyPatch()
    patch.setattr(runs, "BLOCK", 16)
    made = {}
    for seed in range(6):
        built = Built(tmp_path_factory.mktemp(f"made{seed}"), seed)
        for _ in range(2 + 3 * seed):
            built.go_on(build=built.draw.random() < 0.6)
        made[seed] = built
    patch.undo()
    return made


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 5), query=queries(), limit=st.sampled_from([1, 3, 200]), look=st.sampled_from([1, 20, 10**6])
)
def test_pages_together_are_what_a_look_at_every_record_finds(
    journals: dict[int, Built], seed: int, query: Query, limit: int, look: int
) -> None:
    built = journals[seed]
    expected = plain_find(built.making.rows(), query)
    assert built.pages(query, limit, look) == expected
    assert built.finder.count(query, look_max=10**6).count == len(expected)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), builds=st.lists(st.booleans(), min_size=1, max_size=12))
def test_whatever_the_order_of_building_and_following_nothing_is_missed_or_doubled(
    seed: int, builds: list[bool]
) -> None:
    with TemporaryDirectory() as folder:
        built = Built(Path(folder), seed)
        for build in builds:
            built.go_on(build=build)
            rows = built.making.rows()
            for query in (Query(), Query(subject=Sought("a1")), Query(label="fraud", actions=("allow", "hold"))):
                assert built.pages(query, 200, 10**6) == plain_find(rows, query)
            decided = sum(1 for row in rows)
            assert built.finder.size() == decided
        built.making.writer.close()


def test_neighbouring_runs_are_merged_so_that_few_are_left(tmp_path: Path) -> None:
    making = Making(tmp_path / "j", 1)
    for _ in range(40):
        making.some(5)
        index(tmp_path / "j", tmp_path / "f", KEY)
    manifest = read_manifest(tmp_path / "f")
    assert len(manifest.runs) <= 3 * 4
    assert sorted(path.name for path in (tmp_path / "f").glob("*.run")) == sorted(one.name for one in manifest.runs)
    finder = Finder(tmp_path / "f", tmp_path / "j", KEY)
    assert list(finder.find(Query(limit=200)).seqs) == plain_find(making.rows(), Query())
    making.writer.close()


def test_a_full_tail_says_how_many_records_it_cannot_find(tmp_path: Path) -> None:
    built = Built(tmp_path, 3, tail_rows=40)
    for _ in range(6):
        built.go_on(build=False)
    page = built.finder.find(Query())
    assert page.missing == built.tail.view.begins - 1 > 0
    assert set(page.seqs) <= set(plain_find(built.making.rows(), Query()))
    index(tmp_path / "j", tmp_path / "finding", KEY)
    assert built.finder.find(Query()).missing == 0
    built.making.writer.close()


def test_records_that_were_skipped_are_told_until_the_index_has_them(tmp_path: Path) -> None:
    built = Built(tmp_path, 4)
    built.go_on(build=True)
    built.tail.add([], built.seen + 11, skipped=10)
    assert built.finder.find(Query()).missing == 10
    built.making.writer.close()


def test_without_a_tail_what_the_index_does_not_have_is_missing(tmp_path: Path) -> None:
    making = Making(tmp_path / "j", 5)
    making.some(30)
    finder = Finder(tmp_path / "f", tmp_path / "j", KEY)
    assert (finder.find(Query()).missing, finder.find(Query()).rows) == (30, ())
    index(tmp_path / "j", tmp_path / "f", KEY)
    assert finder.find(Query()).missing == 0
    making.writer.close()


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": 201}, {"payment_id": ""}, {"amount_from": 9, "amount_to": 8}, {"actions": ("go",)}],
)
def test_a_question_out_of_bounds_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Finder(tmp_path / "f", tmp_path / "j", KEY).find(Query(**wrong))


def test_a_side_that_no_such_subject_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device"):
        Finder(tmp_path / "f", tmp_path / "j", KEY).find(Query(subject=Sought("d", "device", "payee")))


def test_a_broken_manifest_or_file_is_evidence_not_an_answer(tmp_path: Path) -> None:
    making = Making(tmp_path / "j", 6)
    making.some(50)
    index(tmp_path / "j", tmp_path / "f", KEY)
    making.writer.close()
    (file,) = (tmp_path / "f").glob("*.run")
    raw = bytearray(file.read_bytes())
    raw[20] ^= 1
    file.write_bytes(raw)
    with pytest.raises(EvidenceError, match="is not the run"):
        Finder(tmp_path / "f", tmp_path / "j", KEY).find(Query())
    file.unlink()
    with pytest.raises(EvidenceError, match="not there"):
        Finder(tmp_path / "f", tmp_path / "j", KEY).find(Query())
    (tmp_path / "f" / "finding.json").write_bytes(b"{")
    with pytest.raises(EvidenceError, match="no manifest"):
        Finder(tmp_path / "f", tmp_path / "j", KEY).find(Query())
