"""Stories of crime: money is never made on its run, accounts exist before they pay, steps follow each other, labels are late."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lianfang.engines.evaluate import auc
from lianfang.engines.world import NEVER, Life, WorldConfig
from lianfang.engines.world.calendar import SPRING_FESTIVAL, today
from lianfang.engines.world.config import HORIZON_DAYS
from lianfang.engines.world.moves import NONE, Moves
from lianfang.engines.world.plots import CRIME_PLOTS, HONEST_PLOTS, Phase
from lianfang.engines.world.tables import CRIME_NAMES, CRIMES, MULE, TRANSFER
from lianfang.engines.world.telling import begin_crimes, begin_episodes
from lianfang.kernel.instant import DAY

lives = st.builds(
    WorldConfig,
    seed=st.integers(0, 2**31),
    people=st.integers(50, 400),
    merchants=st.integers(20, 60),
    members=st.integers(1, 7),
    days=st.integers(1, 3),
    scams_per_day=st.floats(1, 30),
).map(Life)


def _whole(life: Life) -> Moves:
    """All payments of all stories that begin within a few days, cut off nowhere."""
    return np.concatenate([begin_crimes(life.world, life.crews, day) for day in range(-2, 2)])


@settings(max_examples=30, deadline=None)
@given(lives)
def test_money_on_its_run_is_at_most_what_arrived_at_every_layer(life: Life) -> None:
    moves = _whole(life)
    moves = moves[moves["chain"] != NONE]
    for chain in np.unique(moves["chain"]).tolist():
        one = moves[moves["chain"] == chain]
        for layer in range(1, 4):
            out = int(one["amount"][one["layer"] == layer].sum())
            arrived = one[(one["layer"] == layer - 1) & (one["kind"] == TRANSFER)]
            assert out <= int(arrived["amount"].sum())


@settings(max_examples=30, deadline=None)
@given(lives)
def test_an_account_pays_on_no_more_than_came_to_it_and_only_afterwards(life: Life) -> None:
    moves = _whole(life)
    moves = moves[np.argsort(moves["time"], kind="stable")]
    held: dict[tuple[int, int], int] = defaultdict(int)
    for move in moves[moves["chain"] != NONE]:
        if move["layer"] > 0:
            held[move["chain"], move["payer"]] -= int(move["amount"])
            assert held[move["chain"], move["payer"]] >= 0
        if move["payee"] != NONE:
            held[move["chain"], move["payee"]] += int(move["amount"])


@settings(max_examples=20, deadline=None)
@given(lives)
def test_no_account_pays_or_is_paid_before_it_is_opened(life: Life) -> None:
    opened = life.world.accounts.opened
    for day in range(life.config.days):
        moves = life.day(day)
        assert bool(np.all(opened[moves["payer"]] <= moves["time"]))
        paid = moves[moves["payee"] != NONE]
        assert bool(np.all(opened[paid["payee"]] <= paid["time"]))


@settings(max_examples=30, deadline=None)
@given(lives)
def test_steps_of_a_story_are_numbered_in_the_order_of_time(life: Life) -> None:
    moves = _whole(life)
    for story in np.unique(moves["story"]).tolist():
        one = moves[moves["story"] == story]
        assert sorted(one["step"].tolist()) == list(range(1, len(one) + 1))
        assert bool(np.all(np.diff(one["time"][np.argsort(one["step"])]) >= 0))
        assert set(one["steps"].tolist()) == {len(one)}


@settings(max_examples=30, deadline=None)
@given(lives)
def test_reports_come_after_their_payments_and_some_never(life: Life) -> None:
    moves = _whole(life)
    fraud = moves[moves["label"] == 1]
    assert bool(np.all(fraud["known_at"] > fraud["time"]))
    assert bool(np.all(fraud["reported_kind"] != NONE))
    assert bool(np.all((fraud["story_kind"] == MULE) == (fraud["layer"] > 0)))


@settings(max_examples=20, deadline=None)
@given(lives)
def test_whoever_is_paid_again_in_a_story_was_saved_once_and_before_the_first_time(life: Life) -> None:
    moves = _whole(life)
    saved: dict[tuple[int, int, int], int] = {}
    for move in moves[np.argsort(moves["time"], kind="stable")]:
        if move["payee_added"] != NONE:
            tie = (int(move["story"]), int(move["payer"]), int(move["payee"]))
            assert saved.setdefault(tie, int(move["payee_added"])) == move["payee_added"] < move["time"]


def test_an_account_mostly_hands_its_money_to_the_same_holder() -> None:
    life = Life(WorldConfig(people=500, merchants=50, days=1, scams_per_day=200.0))
    moves = begin_crimes(life.world, life.crews, 0)
    hops = moves[(moves["layer"] > 0) & (moves["kind"] == TRANSFER)]
    most = [np.unique(hops["payee"][hops["payer"] == payer], return_counts=True)[1] for payer in set(hops["payer"])]
    assert sum(int(counts.max()) for counts in most) > 0.6 * len(hops)


def test_honest_ties_are_often_young_and_criminal_ties_may_last_for_weeks() -> None:
    life = Life(WorldConfig(seed=3, people=2_000, merchants=100, days=1, scams_per_day=60.0))
    honest, crime = (
        _since_first(np.concatenate([begin(life.world, life.crews, day) for day in range(-18, 1)]))
        for begin in (begin_episodes, begin_crimes)
    )
    young = int(((honest > 0) & (honest < DAY)).sum())
    assert young > life.config.people, "in these weeks everybody pays somebody new again, on average"
    assert float((crime[crime > 0] > DAY).mean()) > 0.33
    assert float((crime[crime > 0] > 3 * DAY).mean()) > 0.15


@pytest.mark.parametrize("seed", [1, 2])
def test_the_age_of_a_tie_alone_tells_little_of_fraud(seed: int) -> None:
    """More crime than in the default world, for more of it to count; what is asked is where it stands among the rest."""
    life = Life(WorldConfig(seed=seed, people=6_000, merchants=400, days=15, scams_per_day=40.0))
    moves = np.concatenate([life.day(day) for day in range(life.config.days)])
    ages = _since_first(moves)
    counted = (ages > 0) & (np.arange(len(moves)) > len(moves) // 3)
    labels = moves["label"][counted].astype(np.int8)
    assert int(labels.sum()) > 300
    assert 0.25 <= auc(ages[counted].astype(np.float64), labels) <= 0.75


def _since_first(moves: Moves) -> NDArray[np.int64]:
    """Microseconds since the same account first paid the same account; 0 for the first payment and where nobody is paid."""
    moves = moves[np.argsort(moves["time"], kind="stable")]
    _, first, place = np.unique(moves[["payer", "payee"]], return_index=True, return_inverse=True)
    ages = moves["time"] - moves["time"][first][place.reshape(-1)]
    return np.where(moves["payee"] == NONE, 0, ages)


def test_some_stories_are_never_reported_and_some_under_another_name() -> None:
    life = Life(WorldConfig(people=500, merchants=50, days=1, scams_per_day=200.0))
    moves = begin_crimes(life.world, life.crews, 0)
    silent = float((moves["known_at"][moves["label"] == 1] == NEVER).mean())
    assert 0.1 < silent < 0.7
    told = moves[(moves["layer"] == 0) & (moves["label"] == 1)]
    assert 0.01 < float((told["reported_kind"] != told["story_kind"]).mean()) < 0.1


def test_stories_end_within_the_horizon_and_cross_institutions() -> None:
    life = Life(WorldConfig(people=500, merchants=50, days=1, scams_per_day=200.0))
    moves = begin_crimes(life.world, life.crews, 0)
    assert int(moves["time"].max()) < life.config.first_day + HORIZON_DAYS * DAY
    payer, payee = life.wardrobe.members(moves)
    assert 0.3 < float((payer != payee)[payee != NONE].mean()) < 0.95


def test_a_crew_whose_account_is_stopped_goes_on_with_the_next() -> None:
    config = WorldConfig(seed=9, people=400, merchants=40, days=6, scams_per_day=20.0)
    life = Life(config)
    first = life.day(0)
    at = config.first_day + DAY
    in_use = life.crews.lives.account[life.crews.lives.until > at + DAY].tolist()
    account = next(a for a in first["payee"][(first["label"] == 1) & (first["layer"] > 0)].tolist() if a in in_use)
    assert life.stop(str(life.wardrobe.words["account"][account]), at)
    for day in range(1, config.days):
        moves = life.day(day)
        later = moves[(moves["time"] > at) & (moves["label"] == 1) & (moves["layer"] > 0)]
        assert account not in later["payer"].tolist()


def test_an_honest_account_that_is_stopped_changes_nothing() -> None:
    config = WorldConfig(seed=9, people=400, merchants=40, days=2, scams_per_day=2.0)
    life = Life(config)
    honest = next(a for a in range(400) if not bool((life.crews.lives.account == a).any()))
    assert not life.stop(str(life.wardrobe.words["account"][honest]), config.first_day)
    assert not life.stop("no such account", config.first_day)
    assert life.day(1).tobytes() == Life(config).day(1).tobytes()


def test_honest_episodes_look_like_stories_and_are_none() -> None:
    life = Life(WorldConfig(people=2_000, merchants=50, days=1))
    moves = begin_episodes(life.world, life.crews, 0)
    assert len(moves) > 30
    assert set(moves["label"].tolist()) == {0}
    assert set(moves["story"].tolist()) == {NONE}
    assert int(moves["screen"].sum()) + int(moves["call"].sum()) > 0


@pytest.mark.parametrize("phase", [phase for plot in (*CRIME_PLOTS, *HONEST_PLOTS) for phase in plot.phases])
def test_every_phase_of_the_table_makes_sense(phase: Phase) -> None:
    assert 1 <= phase.times[0] <= phase.times[1] <= 40
    assert 0 < phase.wait[0] <= phase.wait[1]
    assert 0 < phase.amount[0] <= phase.amount[1]
    assert 0 < phase.growth[0] <= phase.growth[1]
    assert abs(sum(phase.via) - 1) < 1e-9
    assert all(
        0 <= share <= 1 for share in (*phase.via, phase.chance, phase.optional, phase.screen, phase.call, phase.found)
    )


def test_the_table_tells_every_kind_of_crime_once_and_each_has_two_names() -> None:
    assert sorted(plot.crime for plot in CRIME_PLOTS) == list(range(MULE))
    assert set(CRIME_NAMES) == set(CRIMES)
    assert all(any("一" <= c <= "鿿" for c in zh) and en.isascii() for zh, en in CRIME_NAMES.values())


def test_the_calendar_knows_the_feasts() -> None:
    for first in SPRING_FESTIVAL.values():
        assert today(first).red_packets > 0.3
        assert today(first).payroll_late
    assert not today(date(2040, 2, 12)).payroll_late, "outside the table there is no Spring Festival"
    assert today(date(2026, 10, 3)).travelling > today(date(2026, 10, 14)).travelling
    assert today(date(2026, 11, 11)).shopping > 1
    assert today(date(2026, 3, 7)).free
