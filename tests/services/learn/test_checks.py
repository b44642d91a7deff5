"""Bad histories and inputs that know the answer are refused, with rows and reasons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.kernel.instant import DAY
from lianfang.services.learn.checks import (
    HistoryChecks,
    LeakError,
    RefusedHistoryError,
    check_history,
    refuse_label_columns,
    refuse_leaks,
)

START = 1_780_000_000_000_000
NOW = START + 100 * DAY
NEVER = 1 << 62


def history(rows: int = 100) -> dict[str, np.ndarray]:
    times = START + np.arange(rows) * DAY // 10
    labels = (np.arange(rows) % 10 == 0).astype(np.int8)
    return {
        "ids": np.arange(rows, dtype=np.uint64),
        "times": times,
        "amounts": np.full(rows, 12_300),
        "labels": labels,
        "known_at": np.where(labels == 1, times + DAY, NEVER),
    }


def findings(**changed: np.ndarray) -> list[str]:
    return [str(one) for one in check_history(**(history() | changed), now=NOW)]


def test_a_sound_history_has_no_findings() -> None:
    assert findings() == []


def test_unsorted_times_are_told_with_their_rows() -> None:
    times = history()["times"].copy()
    times[50] = times[40]
    (one,) = findings(times=times)
    assert "sort the history" in one
    assert "1 rows (row 51:" in one


def test_repeated_ids_are_told_from_the_second_on() -> None:
    ids = history()["ids"].copy()
    ids[[7, 9]] = ids[3]
    (one,) = findings(ids=ids)
    assert "2 rows (row 8: repeated id; row 10: repeated id)" in one


def test_a_fraud_known_before_its_payment_is_told() -> None:
    known_at = history()["known_at"].copy()
    known_at[20] -= 3 * DAY
    (one,) = findings(known_at=known_at)
    assert "row 21: 2.0 days before" in one


def test_times_in_seconds_are_a_wrong_unit_and_nothing_else() -> None:
    made = history()
    (one,) = findings(times=made["times"] // 1_000_000, known_at=made["known_at"] // 1_000_000)
    assert "unit" in one
    assert "100 rows" in one
    assert "; ...)" in one


def test_amounts_in_whole_yuan_are_a_wrong_unit() -> None:
    (one,) = findings(amounts=np.full(100, 45))
    assert "scale" in one


def test_a_history_without_labels_cannot_teach() -> None:
    (one,) = findings(labels=np.full(100, -1))
    assert "no label at all" in one


def test_the_refusal_lists_everything() -> None:
    made = history()
    found = check_history(**(made | {"ids": np.zeros(100, np.uint64), "amounts": np.ones(100, np.int64)}), now=NOW)
    text = str(RefusedHistoryError(found, "payments.parquet"))
    assert text.count("\n- ") == 2
    assert "payments.parquet" in text


def columns(extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    labels = (random.random(2_000) < 0.1).astype(np.int8)
    labels[:3] = -1
    honest = random.normal(size=2_000) + labels
    return np.column_stack([honest, extra(labels, random)]), labels  # type: ignore[operator]


@pytest.mark.parametrize(
    ("leak", "why"),
    [
        (lambda y, r: y.astype(float), "equals the label"),
        (lambda y, r: 1.0 - y, "equals the label"),
        (lambda y, r: np.where(y == 1, r.random(len(y)), np.nan), "one of fraud and genuine only"),
        (lambda y, r: r.random(len(y)) - 2.0 * (y == 1), "AUC of 1.0000"),
    ],
)
def test_an_input_that_knows_the_answer_is_refused_by_name(leak, why) -> None:  # type: ignore[no-untyped-def]
    rows, labels = columns(leak)
    with pytest.raises(LeakError, match=why) as caught:
        refuse_leaks(["honest", "leak"], rows, labels)
    assert caught.value.inputs == ("leak",)


def test_honest_inputs_pass_also_with_nulls() -> None:
    refuse_leaks(["a", "b"], *columns(lambda y, r: np.where(r.random(len(y)) < 0.3, np.nan, y + r.normal(size=len(y)))))  # type: ignore[arg-type]


def test_a_field_read_from_the_label_is_refused() -> None:
    with pytest.raises(LeakError, match="hint"):
        refuse_label_columns({"amount": "AMT", "attributes.hint": "IS_FRAUD"}, ("IS_FRAUD", "KNOWN"))
    refuse_label_columns({"amount": "AMT"}, ("IS_FRAUD",))


@given(
    st.lists(
        st.tuples(st.integers(-3, 40), st.sampled_from([5, 5_000]), st.integers(-1, 1), st.integers(-2, 9)), min_size=1
    )
)
@settings(max_examples=80, deadline=None)
def test_a_history_in_chunks_is_found_as_bad_as_in_one_piece(drawn: list[tuple[int, int, int, int]]) -> None:
    times, amounts, labels, after = (np.array(one, np.int64) for one in zip(*drawn, strict=True))
    times = 1_600_000_000_000_000 + times * DAY
    known = times + after * DAY
    now = 1_700_000_000_000_000
    whole = check_history(np.arange(len(times)).astype(np.uint64), times, amounts, labels, known, now)
    chunks = HistoryChecks(now)
    for start in range(0, len(times), 3):
        cut = slice(start, start + 3)
        chunks.add(times[cut], amounts[cut], labels[cut], known[cut], start)
    try:
        chunks.refuse("h")
        found: dict[str, int] = {}
    except RefusedHistoryError as why:
        found = {one.what: one.rows for one in why.findings}
    wanted = {one.what: one.rows for one in whole if "no label" not in one.what}  # a backtest may do without labels
    assert found == wanted
