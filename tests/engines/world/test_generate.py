"""The made-up world: reproducible, sorted, plausible, and labelled with what is true."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.world import CRIMES, NEVER, DayBatch, Life, WorldConfig, demo_config, generate
from lianfang.engines.world.tables import KINDS
from lianfang.kernel.instant import DAY

SMALL = WorldConfig(seed=5, people=400, merchants=60, days=4, scams_per_day=3.0)
configs = st.builds(
    WorldConfig,
    seed=st.integers(0, 2**31),
    people=st.integers(50, 300),
    merchants=st.integers(20, 60),
    members=st.integers(1, 6),
    days=st.integers(1, 4),
    scams_per_day=st.floats(0, 5),
)


def _all(config: WorldConfig) -> list[DayBatch]:
    return list(generate(config))


@settings(max_examples=25, deadline=None)
@given(configs)
def test_days_are_sorted_their_ids_unique_and_their_columns_whole(config: WorldConfig) -> None:
    ids: set[str] = set()
    batches = _all(config)
    assert [batch.day for batch in batches] == list(range(config.days))
    for batch in batches:
        times = batch.columns["time"].values
        midnight = config.first_day + batch.day * DAY
        assert bool(np.all(np.diff(times) >= 0))
        assert not batch.rows or (midnight <= times[0] and times[-1] < midnight + DAY)
        ids.update(batch.columns["id"].tolist())
        for column in (*batch.columns.values(), batch.label_kind, batch.story):
            assert len(column.values) == batch.rows
            if column.words is not None and batch.rows:
                assert column.values.min() >= -1
                assert column.values.max() < len(column.words)
    assert len(ids) == sum(batch.rows for batch in batches)


@settings(max_examples=25, deadline=None)
@given(configs)
def test_a_label_is_known_only_after_its_payment(config: WorldConfig) -> None:
    for batch in _all(config):
        assert bool(np.all(batch.known_at > batch.columns["time"].values))
        fraud = batch.label == 1
        assert fraud.tolist() == [kind is not None for kind in batch.label_kind.tolist()]
        assert all(
            story is not None for story, is_fraud in zip(batch.story.tolist(), fraud.tolist(), strict=True) if is_fraud
        )
        assert bool(np.all(batch.known_at[~fraud] != NEVER))


def test_the_same_seed_gives_the_same_world_whatever_numpy_drew_before() -> None:
    first = _all(SMALL)
    np.random.seed(1)
    np.random.random(10)
    for a, b in zip(first, _all(SMALL), strict=True):
        assert [c.tolist() for c in a.columns.values()] == [c.tolist() for c in b.columns.values()]
        assert a.known_at.tolist() == b.known_at.tolist()


def test_another_seed_gives_another_world() -> None:
    other = WorldConfig(seed=6, people=400, merchants=60, days=1, scams_per_day=3.0)
    assert _all(other)[0].columns["time"].tolist() != _all(SMALL)[0].columns["time"].tolist()


def test_rates_are_as_documented_and_fraud_is_rare() -> None:
    config = WorldConfig(seed=2, people=8_000, merchants=400, days=7)
    batches = _all(config)
    rows = sum(batch.rows for batch in batches)
    expected = config.people * config.payments_per_person * config.days
    assert 0.85 * expected < rows < 1.15 * expected
    frauds = sum(int(batch.label.sum()) for batch in batches)
    assert 0.001 < frauds / rows < 0.005
    kinds = np.bincount(np.concatenate([batch.columns["kind"].values for batch in batches]), minlength=len(KINDS))
    assert bool(np.all(kinds > 0))
    assert kinds[KINDS.index("qr")] == kinds.max()


def test_every_kind_of_crime_occurs() -> None:
    config = WorldConfig(seed=4, people=300, merchants=60, days=12, scams_per_day=20.0)
    seen = {kind for batch in _all(config) for kind in batch.label_kind.tolist()}
    assert seen == {*CRIMES, None}


def test_any_day_can_be_made_by_itself() -> None:
    whole = list(generate(SMALL))
    alone = next(iter(Life(SMALL).batches(first=3)))
    assert [c.tolist() for c in alone.columns.values()] == [c.tolist() for c in whole[3].columns.values()]
    assert alone.story.tolist() == whole[3].story.tolist()


def test_spring_festival_has_red_packets_and_no_payroll() -> None:
    ordinary = WorldConfig(seed=3, people=1_000, merchants=60, days=1)
    eve = WorldConfig(seed=3, people=1_000, merchants=60, days=1, start=ordinary.start - 14 * DAY)  # 2026-02-16

    def packets(config: WorldConfig) -> int:
        return _all(config)[0].columns["memo"].tolist().count("红包")

    assert packets(eve) > 5 * packets(ordinary)


def test_the_demo_world_is_small_and_full_of_crime() -> None:
    config = demo_config(seed=7)
    days = generate(config)
    batches = [next(days) for _ in range(5)]
    rows = sum(batch.rows for batch in batches)
    frauds = sum(int(batch.label.sum()) for batch in batches)
    assert 3_000 < rows / 5 < 4_500
    assert 0.02 < frauds / rows < 0.08


def test_no_scams_means_no_fraud() -> None:
    config = WorldConfig(people=100, merchants=30, days=3, scams_per_day=0.0)
    assert sum(int(batch.label.sum()) for batch in generate(config)) == 0


def test_identifiers_are_visibly_made_up() -> None:
    (batch,) = _all(WorldConfig(people=100, merchants=30, days=1))
    patterns = {
        "payer.phone": r"\+86100\d{8}",
        "payer.account": r"9\d{12}",
        "card": r"9\d{15}",
        "network.ip": r"(10\.|100\.64\.|203\.0\.113\.|198\.51\.100\.).*",
    }
    for path, pattern in patterns.items():
        values = [value for value in batch.columns[path].tolist() if value is not None]
        assert values
        assert all(re.fullmatch(pattern, value) for value in values), path


@pytest.mark.parametrize("path", ["device.id", "session.payee_added", "payee.account", "merchant.id", "card"])
def test_absence_is_null_and_presence_is_common(path: str) -> None:
    values = _all(SMALL)[0].columns[path].tolist()
    assert any(value is None for value in values)
    assert any(value is not None for value in values)
