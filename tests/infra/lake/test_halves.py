"""Two periods of a lake are counted as its rows would be by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lianfang.infra.lake import build
from lianfang.infra.lake.halves import Half, Halves, Spans, first_decision, read_halves
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR, Instant
from tests.infra.lake.journals import NAMES, START, Writing, journal, rows_of

SPANS = Spans(START, Instant(START + 8 * DAY), Instant(START + 10 * DAY))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("halves")
    written = Writing(root / "journal")
    for number in range(240):
        written.decide(1)
        if number % 10 == 0:
            written.tell(number, "fraud", written.at + DAY)
        if number % 30 == 1:
            written.tell(number, "genuine", written.at + HOUR)
    written.close()
    build(root / "journal", root / "lake", NAMES)
    return root / "lake"


def test_counts_are_those_of_the_rows(lake: Path) -> None:
    found = read_halves(lake, SPANS, 7 * DAY)
    rows = rows_of(lake)
    for half, some in ((found.before, rows[:192]), (found.now, rows[192:])):
        by_customer = Counter(row["payer.account"] for row in some)
        hit = Counter(row["payer.account"] for row in some if row["hits"])
        assert half.exposure == (len(some), sum(n * n for n in by_customer.values()), len(by_customer))
        cross = sum(n * by_customer[who] for who, n in hit.items())
        expected = (hit.total(), sum(n * n for n in hit.values()), cross)
        assert half.hits == {"r1": expected}
        assert half.actions["hold"] == expected
        assert half.actions["allow"][0] == len(some) - hit.total()
        assert half.versions == ("a",)
        assert len(half.customers) == len(some)
        assert np.nansum(half.numbers["amount"]) == sum(row["amount"] for row in some)
        assert np.isnan(half.numbers["payees"]).sum() == hit.total()
        assert half.blank["payee.account"].all()
        assert not half.blank["payer.account"].any()


def test_labels_are_those_known_by_the_end(lake: Path) -> None:
    found = read_halves(lake, SPANS, 7 * DAY)
    told = {n for n in range(240) if n % 10 == 0 and (n + 1) * HOUR + DAY < 10 * DAY}
    told |= {n for n in range(240) if n % 30 == 1 and (n + 2) * HOUR < 10 * DAY}
    assert found.before.unlabelled == 192 - len([n for n in told if n < 192])
    assert found.now.unlabelled == 48 - len([n for n in told if n >= 192])
    assert len(found.before.reported) + len(found.now.reported) == len([n for n in told if n % 10 == 0])
    assert set(found.before.reported.tolist()) == {DAY + HOUR}
    assert [(one.ends - one.begins) // DAY for one in found.labels] == [3, 7]
    assert sum(one.payments for one in found.labels) == 240
    assert sum(one.unlabelled for one in found.labels) == 240 - len(told)


def test_a_sample_is_of_whole_customers(lake: Path) -> None:
    found: Halves = read_halves(lake, SPANS, 7 * DAY, sample=60)
    assert found.sampled == pytest.approx(0.25)
    whole = read_halves(lake, SPANS, 7 * DAY).before

    def sizes(half: Half) -> Counter[int]:
        return Counter(np.bincount(half.customers).tolist())

    assert not sizes(found.before) - sizes(whole)
    assert found.before.exposure == whole.exposure


def test_a_lake_that_has_not_both_periods_is_refused(lake: Path, tmp_path: Path) -> None:
    assert first_decision(lake) == START
    late = Spans(Instant(START - 9 * DAY), START, SPANS.ends)
    with pytest.raises(InputError, match="no decisions in the reference period"):
        read_halves(lake, late, DAY)
    journal(tmp_path / "journal", days=1)
    with pytest.raises(InputError, match="no lake here"):
        read_halves(tmp_path / "lake", SPANS, DAY)
