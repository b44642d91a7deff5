"""CatBoost's symmetric trees: the library's scores, its exact attributions, and every broken file refused with the reason.

The margin is CatBoost's to the bit where it reads its own binary. Where it reads its JSON, it rounds numbers otherwise than
the standard says (at most one unit in the last place each), so there the sum may differ in its last digits.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.scoring import ModelError, shapley
from lianfang.engines.scoring.catboost_json import read_catboost
from tests.engines.scoring.makers import catboost_model, rows, small_catboost, trees_of
from tests.services_required import missing

LAST_DIGITS = 1e-14
"""Of a margin of a few units: 30 leaves, each half a unit in the last place off."""


def _catboost() -> None:
    if importlib.util.find_spec("catboost") is None:
        missing("CatBoost is not installed; `make test` installs it from requirements.extras.lock")


@pytest.mark.parametrize(
    ("nan_mode", "depth", "seed"), [("Min", 6, 1), ("Max", 6, 2), ("Forbidden", 4, 3), ("Min", 1, 4), ("Max", 9, 5)]
)
def test_the_library_s_scores(tmp_path: Path, nan_mode: str, depth: int, seed: int) -> None:
    _catboost()
    from catboost import CatBoostClassifier

    catboost_model(seed, tmp_path, depth=depth, nan_mode=nan_mode)
    forest = read_catboost((tmp_path / "trees.json").read_bytes())
    x = rows(seed, 4, 400)
    x = np.vstack([x, np.random.default_rng(seed).choice(forest.border.astype(np.float64), (300, 4))])
    if nan_mode == "Forbidden":
        x = np.nan_to_num(x, nan=0.0)
    mine, probability = trees_of(forest).rows(x)
    for name, within in (("model.cbm", 0.0), ("trees.json", LAST_DIGITS)):
        theirs = CatBoostClassifier()
        theirs.load_model(str(tmp_path / name), format=name.rpartition(".")[2])
        want = theirs.predict(x, prediction_type="RawFormulaVal")
        np.testing.assert_allclose(mine, want, rtol=0, atol=within)
        np.testing.assert_allclose(probability, theirs.predict_proba(x)[:, 1], rtol=1e-12)


def test_exact_attributions_are_the_library_s(tmp_path: Path) -> None:
    _catboost()
    from catboost import Pool

    theirs = catboost_model(7, tmp_path, 5)
    x = rows(7, 5, 30)
    want = theirs.get_feature_importance(Pool(x), type="ShapValues")
    forest = read_catboost((tmp_path / "trees.json").read_bytes())
    margin = trees_of(forest).rows(x)[0]
    for i, row in enumerate(x):
        phi, expected = shapley(forest, row)
        assert phi.sum() + expected == pytest.approx(margin[i], abs=1e-9)
        np.testing.assert_allclose([*phi, expected], want[i], atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(
    x=st.lists(st.floats(width=64), min_size=2, max_size=2),
    treatment=st.sampled_from(["AsIs", "AsFalse", "AsTrue"]),
    border=st.sampled_from([0.5, 0.0, -0.0, 1e-40, 3e38]),
)
def test_a_tree_written_by_hand_says_what_its_definition_says(x: list[float], treatment: str, border: float) -> None:
    body: Any = json.loads(small_catboost())
    for one in body["features_info"]["float_features"]:
        one["nan_value_treatment"] = treatment
    body["oblivious_trees"][0]["splits"][1]["border"] = border
    forest = read_catboost(json.dumps(body).encode())
    with np.errstate(over="ignore"):
        bits = [
            (v != v and treatment == "AsTrue") or np.float32(v) > np.float32(b)
            for v, b in zip(x, (0.5, border), strict=True)
        ]
    want = 2.0 * [0.1, 0.2, 0.3, 0.4][int(bits[0]) + 2 * int(bits[1])] + 0.25
    trees = trees_of(forest)
    assert trees.rows(np.array([x]))[0][0] == want
    assert trees.pushes().sum() + trees.base == pytest.approx(want)


def _tree(**changes: Any) -> dict[str, Any]:
    tree = {
        "leaf_values": [0.0, 1.0],
        "leaf_weights": [1, 1],
        "splits": [{"split_type": "FloatFeature", "border": 0.5, "float_feature_index": 0}],
    }
    return {"oblivious_trees": [{**tree, **changes}]}


def _split(**changes: Any) -> dict[str, Any]:
    return _tree(splits=[{"split_type": "FloatFeature", "border": 0.5, "float_feature_index": 0, **changes}])


FLOATS = [{"feature_index": 0, "flat_feature_index": 0}]
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "an input that is not there": (_split(float_feature_index=9), "reads input -1"),
    "a huge border": (_split(border=1e39), "32-bit"),
    "categories": (_split(split_type="OneHotFeature"), "OneHotFeature"),
    "too few leaves": (_tree(leaf_values=[1.0]), "2 leaves"),
    "too few weights": (_tree(leaf_weights=[1]), "1 weights"),
    "a weight below 0": (_tree(leaf_weights=[1, -1]), "below 0"),
    "too deep": (
        _tree(splits=[{"split_type": "FloatFeature", "border": 0.0, "float_feature_index": 0}] * 17),
        "17 deep",
    ),
    "no trees": ({"oblivious_trees": []}, "symmetric"),
    "other trees": ({"oblivious_trees": None, "trees": [{}]}, "symmetric"),
    "categories read": ({"features_info": {"float_features": FLOATS, "categorical_features": [{}]}}, "categories"),
    "columns that jump": (
        {"features_info": {"float_features": [{"feature_index": 0, "flat_feature_index": 3}]}},
        "numbered",
    ),
    "several scores": ({"scale_and_bias": [1.0, [0.0, 1.0]]}, "one score"),
    "texts for numbers": ({"scale_and_bias": ["1", [0.0]]}, "not CatBoost's JSON"),
}


@pytest.mark.parametrize("harm", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(harm: str) -> None:
    changes, match = BROKEN[harm]
    with pytest.raises(ModelError, match=match):
        read_catboost(small_catboost(**changes))


def test_what_is_no_json_is_refused() -> None:
    for raw in (
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"features_info":{"float_features":[]},"oblivious_trees":[{"leaf_values":[1e999]}]}',
    ):
        with pytest.raises(ModelError):
            read_catboost(raw)
