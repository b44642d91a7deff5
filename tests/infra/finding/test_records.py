"""Records whole: from the journal, and the same from the lake when the journal's segment is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lianfang.infra.finding import Finder, Query, Records, Sought, index
from lianfang.infra.journal.files import segment_list, segment_path
from lianfang.infra.lake import build
from lianfang.infra.lake.columns import Answered, Told
from tests.infra.finding.made import KEY, NAMES, Making, Row, rows_of


@pytest.fixture
def records(tmp_path: Path) -> Records:
    making = Making(tmp_path / "j", 1)
    making.some(150)
    making.writer.close()
    index(tmp_path / "j", tmp_path / "f", KEY)
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    return Records(tmp_path / "j", tmp_path / "lake", Finder(tmp_path / "f", tmp_path / "j", KEY))


def rows(root: Path) -> list[Row]:
    return rows_of(root / "j")


def test_decisions_come_whole_with_names_and_outcomes(records: Records, tmp_path: Path) -> None:
    every = rows(tmp_path)
    seqs = records.finder.find(Query(limit=200)).seqs
    shown = records.read(seqs)
    by_seq = {row.seq: row for row in every if isinstance(row, Answered)}
    assert [one.seq for one in shown] == list(seqs)
    for one in shown:
        row = by_seq[one.seq]
        assert (one.payment, one.decision) == (row.payment, row.decision)
        assert list(one.features) == ["spent", "payees"]
        assert one.features["payees"] is None
        known = [told.outcome for told in every if isinstance(told, Told) and told.outcome.payment_id == row.payment.id]
        assert list(one.outcomes) == known[::-1]
    records.close()


def test_what_the_journal_no_longer_has_comes_from_the_lake(records: Records, tmp_path: Path) -> None:
    seqs = records.finder.find(Query(limit=200)).seqs
    before = records.read(seqs)
    for first in segment_list(tmp_path / "j")[:-1]:
        segment_path(tmp_path / "j", first).unlink()
    assert records.read(seqs) == before
    records.close()


def test_an_outcomes_seq_gives_the_decision_it_is_about(records: Records) -> None:
    page = records.finder.find(Query(label="fraud", limit=200))
    told = [row for row in page.rows if row.decision_seq is not None]
    assert told
    for row in told:
        (shown,) = records.read([row.seq])
        assert "fraud" in {one.label for one in shown.outcomes}
    assert records.read([10**9]) == []
    records.close()


def test_one_payment_its_history_and_what_is_related(records: Records, tmp_path: Path) -> None:
    every = [row for row in rows(tmp_path) if isinstance(row, Answered)]
    row = every[len(every) // 2]
    one = records.one(row.payment.id)
    assert one is not None
    assert one.payment.id == row.payment.id
    assert records.one("nobody") is None
    account = row.payment.payer.account
    assert account is not None
    points = records.history(Sought(account, "account", "payer"), "spent", 200)
    assert len(points) == sum(1 for other in every if other.payment.payer.account == account)
    assert points == sorted(points)
    related = records.related(one.payment, limit=3)
    assert [group.path for group in related][:2] == ["payer.account", "payee.account"]
    for group in related:
        assert len(group.decisions) <= 3
        assert one.payment.id not in {shown.payment.id for shown in group.decisions}
    records.close()
