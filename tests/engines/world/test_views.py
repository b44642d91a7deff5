"""What an institution sees: its own side whole, of another's payments what the message carries, of the truth nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.world import Life, WorldConfig
from lianfang.engines.world.dress import HIDDEN
from lianfang.engines.world.moves import NONE
from lianfang.engines.world.tables import BANK, INSTITUTION, PLATFORM

lives = st.builds(
    WorldConfig,
    seed=st.integers(0, 2**31),
    people=st.integers(50, 300),
    merchants=st.integers(20, 60),
    members=st.integers(1, 7),
    days=st.just(1),
    scams_per_day=st.floats(0, 20),
).map(Life)


@settings(max_examples=25, deadline=None)
@given(lives)
def test_no_file_holds_the_other_sides_device_session_or_phone_or_any_truth(life: Life) -> None:
    moves = life.day(0)
    for member in range(life.config.members):
        seen = life.wardrobe.seen_by(member, 0, moves)
        side = np.array(seen["side"].tolist(), object)
        for path in HIDDEN:
            values = np.array(seen[path].tolist(), object)
            assert all(value is None for value in values[side == "payee"]), path
        assert all(v is None for v in np.array(seen["payee.phone"].tolist(), object)[side == "payer"])
        assert not {"label", "label_kind", "story", "known_at", "role", "chain", "step"} & set(seen)


@settings(max_examples=25, deadline=None)
@given(lives)
def test_every_payment_stands_in_the_files_of_exactly_its_institutions(life: Life) -> None:
    moves = life.day(0)
    payer, payee = life.wardrobe.members(moves)
    total = 0
    for member in range(life.config.members):
        seen = life.wardrobe.seen_by(member, 0, moves)
        mine = (payer == member) | (payee == member)
        assert len(seen["id"].values) == int(mine.sum())
        total += int(mine.sum())
    assert total == len(moves) + int(((payer != payee) & (payee != NONE)).sum())


def test_institutions_are_banks_payment_institutions_and_one_platform() -> None:
    kinds = Life(WorldConfig(people=60, merchants=20, members=9, days=1)).world.member_kind.tolist()
    assert kinds == [BANK] * 6 + [INSTITUTION] * 2 + [PLATFORM]
    assert Life(WorldConfig(people=60, merchants=20, members=1, days=1)).world.member_kind.tolist() == [BANK]


def test_both_sides_know_a_payment_by_the_same_id_and_amount() -> None:
    life = Life(WorldConfig(people=300, merchants=40, members=3, days=1))
    moves = life.day(0)
    seen: dict[str, int] = {}
    twice = 0
    for member in range(3):
        columns = life.wardrobe.seen_by(member, 0, moves)
        for id_, amount in zip(columns["id"].tolist(), columns["amount"].tolist(), strict=True):
            twice += id_ in seen
            assert seen.setdefault(id_, amount) == amount
    assert twice > 50
