"""LightGBM's trees: the library's scores to the bit, its exact attributions, and every broken text refused with the reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.scoring import ModelError, shapley
from lianfang.engines.scoring.leafwise import GROUP
from lianfang.engines.scoring.lightgbm_text import read_lightgbm
from tests.engines.scoring.makers import head, random_lightgbm, rows, trees_of


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), inputs=st.integers(1, 6), trees=st.integers(1, 3 * GROUP))
def test_random_trees_score_what_the_library_scores_to_the_bit(seed: int, inputs: int, trees: int) -> None:
    raw = random_lightgbm(seed, inputs, trees)
    x = rows(seed, inputs)
    booster: Any = lightgbm.Booster(model_str=raw.decode())
    margin, probability = trees_of(read_lightgbm(raw)).rows(x)
    assert margin.tobytes() == booster.predict(x, raw_score=True).tobytes()
    np.testing.assert_allclose(probability, booster.predict(x), rtol=4e-16, atol=0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_value_equal_to_a_threshold_goes_where_the_library_sends_it(seed: int) -> None:
    raw = random_lightgbm(seed, 2, 5)
    forest = read_lightgbm(raw)
    x = np.random.default_rng(seed).choice(np.append(forest.threshold, [0.0]), (50, 2))
    x = np.nextafter(x, np.random.default_rng(seed).choice([-np.inf, np.inf, 0.0], x.shape)) if seed % 2 else x
    booster: Any = lightgbm.Booster(model_str=raw.decode())
    want = booster.predict(x, raw_score=True)
    assert trees_of(forest).rows(x)[0].tobytes() == want.tobytes()


def test_a_trained_model_with_missing_values_scores_the_same_to_the_bit() -> None:
    draw = np.random.default_rng(5)
    x = draw.normal(size=(3_000, 12))
    x[draw.random(x.shape) < 0.2] = np.nan
    x[:, 3] = np.round(np.abs(np.nan_to_num(x[:, 3])) * 3)
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) * (x[:, 3] > 2) + draw.normal(size=3_000) > 1).astype(int)
    for more in ({}, {"zero_as_missing": True}, {"use_missing": False}, {"boosting": "dart"}, {"sigmoid": 0.7}):
        settings_: dict[str, Any] = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 3, **more}
        booster: Any = lightgbm.train(settings_, lightgbm.Dataset(x, y), 40)
        slope = settings_.get("sigmoid", 1.0)
        margin, probability = trees_of(read_lightgbm(booster.model_to_string().encode())).rows(x)
        assert margin.tobytes() == (booster.predict(x, raw_score=True) * slope).tobytes()
        np.testing.assert_allclose(probability, booster.predict(x), rtol=4e-16, atol=0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_exact_attributions_sum_to_the_margin(seed: int) -> None:
    raw = random_lightgbm(seed, 4, 6)
    x = rows(seed, 4, 12)
    forest = read_lightgbm(raw)
    margin = trees_of(forest).rows(x)[0]
    for i, row in enumerate(x):
        phi, expected = shapley(forest, row)
        assert phi.sum() + expected == pytest.approx(margin[i], abs=1e-9)


def test_exact_attributions_of_a_trained_model_are_the_library_s() -> None:
    draw = np.random.default_rng(8)
    x = draw.normal(size=(2_000, 6))
    x[draw.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x) @ [1, 1, 0, 0.5, 0, 0] + draw.normal(size=2_000) > 1).astype(int)
    booster: Any = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 30)
    forest = read_lightgbm(booster.model_to_string().encode())
    want = booster.predict(x[:40], pred_contrib=True)
    for i in range(40):
        phi, expected = shapley(forest, x[i])
        np.testing.assert_allclose([*phi, expected], want[i], atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_path_attributions_sum_to_the_margin(seed: int) -> None:
    trees = trees_of(read_lightgbm(random_lightgbm(seed, 4, 9)))
    for row in rows(seed, 4, 10):
        margin = trees.rows(row[None])[0][0]
        assert trees.pushes().sum() + trees.base == pytest.approx(margin, abs=1e-9)


TREE = random_lightgbm(1, 3, 2).decode()


def _line(name: str, value: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.split("\n")
        at = max(i for i, line in enumerate(lines) if line.startswith(f"{name}="))
        lines[at] = f"{name}={value}"
        return "\n".join(lines)

    return change


def _three() -> str:
    """One tree of three leaves: split 0 leads to split 1 and leaf 0."""
    return (
        f"{head(2)}tree_sizes=1\n\nTree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\nthreshold=0.5 1.5\ndecision_type=2 2\n"
        "left_child=1 -2\nright_child=-1 -3\nleaf_value=0.1 0.2 0.3\nleaf_count=5 6 7\nis_linear=0\n"
        "shrinkage=1\n\n\nend of trees\n"
    )


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "a circle": (_line("left_child", "1 1"), "reached twice"),
    "the root as a child": (_line("left_child", "0 -2"), "reached twice"),
    "a leaf twice": (_line("right_child", "-1 -2"), "reached twice"),
    "a split that is not there": (_line("left_child", "7 -2"), "leads to split 7"),
    "a leaf that is not there": (_line("right_child", "-1 -9"), "leads to leaf 8"),
    "an input that is not there": (_line("split_feature", "0 2"), "reads input 2"),
    "an input below 0": (_line("split_feature", "0 -1"), "reads input -1"),
    "an index that is none": (_line("left_child", "1.5 -2"), "no index"),
    "a huge index": (_line("left_child", "1e300 -2"), "no index"),
    "a NaN index": (_line("left_child", "nan -2"), "no index"),
    "a NaN threshold": (_line("threshold", "nan 1"), "threshold is NaN"),
    "a NaN leaf": (_line("leaf_value", "nan 0 0"), "no number"),
    "an infinite leaf": (_line("leaf_value", "0 inf 0"), "no number"),
    "too few leaves": (_line("leaf_value", "0 0"), "2 numbers instead of 3"),
    "no text": (_line("threshold", "a b"), "not a number"),
    "categories": (_line("decision_type", "1 2"), "categories"),
    "a kind not known": (_line("decision_type", "14 2"), "not known"),
    "a fraction of a kind": (_line("decision_type", "2.5 2"), "not known"),
    "num_cat": (_line("num_cat", "1"), "categories"),
    "linear leaves": (_line("is_linear", "1"), "linear"),
    "too many leaves": (_line("num_leaves", "9999999"), "leaves are scored"),
    "no leaves": (_line("num_leaves", "0"), "leaves are scored"),
    "a negative count": (_line("leaf_count", "-5 6 7"), "below 0"),
    "several classes": (_line("num_class", "3"), "one score"),
    "a regression": (_line("objective", "regression"), "binary"),
    "no slope": (_line("objective", "binary sigmoid:0"), "above 0"),
    "another version": (_line("version", "v9"), "not known"),
    "too many inputs": (_line("max_feature_idx", "99999"), "at most"),
    "cut": (lambda text: text[: text.index("end of trees")], "it was cut"),
    "a line twice": (lambda text: text.replace("num_cat=0", "num_cat=0\nnum_cat=0"), "stands twice"),
    "trees out of order": (lambda text: text.replace("Tree=0", "Tree=1"), "in order"),
    "something else": (lambda _: "hello", "not a LightGBM model"),
    "a forest": (lambda text: text.replace("num_class", "average_output\nnum_class"), "random forest"),
}


@pytest.mark.parametrize("harm", BROKEN)
def test_a_broken_text_is_refused_with_the_reason(harm: str) -> None:
    change, match = BROKEN[harm]
    assert read_lightgbm(_three().encode()).trees == 1
    with pytest.raises(ModelError, match=match):
        read_lightgbm(change(_three()).encode())


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_the_bytes_are_there_is_one_kind_of_error_or_a_model_that_walks(seed: int) -> None:
    draw = random.Random(seed)
    raw = bytearray(TREE.encode())
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(raw))
        raw[at] = draw.choice(b"0123456789-.=e \n\xff")
    try:
        forest = read_lightgbm(bytes(raw))
    except ModelError:
        return
    assert np.isfinite(trees_of(forest).rows(rows(seed, forest.inputs, 5))[0]).all()
