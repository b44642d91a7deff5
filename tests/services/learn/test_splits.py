"""Periods follow each other, never overlap, and leave the gap that late labels need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY
from lianfang.services.learn.splits import prequential, split_history


@given(st.integers(60, 400), st.integers(0, 14), st.floats(0.1, 0.4))
def test_periods_are_in_order_with_the_gap_before_the_last(days: int, gap: int, share: float) -> None:
    made = split_history(0, days * DAY, gap * DAY, share)
    spans = [made.fit, made.choose, made.calibrate, made.held_out]
    assert [one.begins for one in spans[:3]] + [made.calibrate.ends] == sorted(
        [one.begins for one in spans[:3]] + [made.calibrate.ends]
    )
    assert made.fit.ends == made.choose.begins
    assert made.choose.ends == made.calibrate.begins
    assert made.held_out.begins - made.calibrate.ends == gap * DAY
    assert made.held_out.ends == days * DAY
    assert made.made_at == made.held_out.begins


def test_a_short_history_is_refused_with_the_length_it_needs() -> None:
    with pytest.raises(InputError, match="at least 18 days"):
        split_history(0, 10 * DAY, 7 * DAY)
    split_history(0, 18 * DAY, 7 * DAY)


def test_every_payment_has_at_most_one_use() -> None:
    times = np.arange(0, 40 * DAY, DAY // 4)
    made = split_history(0, 40 * DAY, 5 * DAY)
    uses = np.concatenate([span.rows(times) for span in (made.fit, made.choose, made.calibrate, made.held_out)])
    assert len(uses) == len(np.unique(uses)) == len(times) - 5 * 4


def test_prequential_folds_step_back_by_the_test_length() -> None:
    folds = prequential(100 * DAY, 7 * DAY, 7 * DAY, 7 * DAY, 4)
    assert [one.train.begins // DAY for one in folds] == [100, 93, 86, 79]
    assert all(one.test.begins - one.train.ends == 7 * DAY for one in folds)
    with pytest.raises(InputError):
        prequential(0, DAY, 0, DAY, 0)
