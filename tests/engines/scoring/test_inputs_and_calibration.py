"""Inputs computed from a payment, and the way from a margin to a probability."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.expr import Environment, check_number, compile_numbers
from lianfang.engines.scoring import ModelError, TrainedModel, check_inputs
from lianfang.wire import Calibration, Feature, Input, Isotonic, Platt
from tests.engines.scoring.makers import model, random_lightgbm, trained

LAYOUT = ("amount", "kind", "time", "channel", "session.screen_shared", "surroundings")
ROW = (250, "transfer", 1_767_787_200_000_000, None, None, ("x",))  # 2026-01-07 12:00 UTC
NUMBERS = {
    "amount": 250.0,
    "amount / 100": 2.5,
    "amount / f0": 25.0,
    "amount / f1": math.nan,
    "amount / (f0 - 10)": math.nan,
    "f1": math.nan,
    "coalesce(f1, -1)": -1.0,
    "hour(time)": 20.0,
    "weekday(time)": 2.0,
    'kind == "transfer"': 1.0,
    'kind != "transfer"': 0.0,
    'channel == "mobile"': math.nan,
    "session.screen_shared": math.nan,
    'finding("x")': 1.0,
    'not finding("x")': 0.0,
    "f1 > 3": math.nan,
    "is_null(f1)": 1.0,
    "f0 > 3 and amount > 3": 1.0,
}


@pytest.mark.parametrize("text", NUMBERS)
def test_an_input_gives_its_number(text: str) -> None:
    checked = check_number(text, Environment(features=("f0", "f1")))
    (found,) = compile_numbers([checked], LAYOUT, ("f1", "f0"))(ROW, np.array([np.nan, 10.0]))
    assert found == pytest.approx(NUMBERS[text], nan_ok=True)
    assert isinstance(found, float)


@pytest.mark.parametrize(
    ("define", "match"),
    [
        ("payer.account", "a number or a condition"),
        ("time", "a number or a condition"),
        ("score", "the score"),
        ("tag(payer.account).severity", "a tag"),
        ("payer.account in mules", "mules"),
        ("nothing", "unknown name"),
        ("amount +", "invalid syntax|ends"),
        ("__import__('os')", "unknown|not part"),
    ],
)
def test_an_input_that_a_model_may_not_have_is_refused_by_name(define: str, match: str) -> None:
    bad = msgspec.structs.replace(model(1), inputs=(Input(name="bad", define=define),))
    with pytest.raises(ModelError, match=f"(?s)bad.*({match})"):
        check_inputs(bad)


def test_names_twice_and_features_that_cannot_be_counted_are_refused() -> None:
    made = model(1)
    with pytest.raises(ModelError, match="input f0 stands twice"):
        check_inputs(msgspec.structs.replace(made, inputs=made.inputs * 2))
    with pytest.raises(ModelError, match="feature f0 stands twice"):
        check_inputs(msgspec.structs.replace(made, features=made.features * 2))
    with pytest.raises(ModelError, match="its feature r"):
        check_inputs(
            msgspec.structs.replace(made, features=(*made.features, Feature(name="r", define="ratio of f0 to x")))
        )


def test_trees_of_another_number_of_inputs_are_refused() -> None:
    with pytest.raises(ModelError, match="read 3 inputs, and its manifest names 2"):
        TrainedModel(model(2), random_lightgbm(1, 3))


def test_a_bound_model_reads_features_in_the_node_s_order() -> None:
    raw = random_lightgbm(4, 2, 9)
    made = trained(raw, 2)
    declared = made.model.features
    other = Feature(name="other", define="count of payments by device.id over 1h")
    here = made.bind((), (declared[1], other, declared[0]))
    want = trained(raw, 2).trees().rows(np.array([[0.5, -0.5]]))[1][0]
    assert here((), np.array([-0.5, 99.0, 0.5])) == want


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=20, unique=True), st.integers(0, 2**32 - 1))
def test_isotonic_interpolates_never_falls_and_is_level_beyond_the_ends(xs: list[float], seed: int) -> None:
    x = np.sort(np.array(xs))
    y = np.sort(np.random.default_rng(seed).random(len(x)))
    made = trained(random_lightgbm(seed, 2, 5), 2, calibration=Isotonic(x=tuple(x.tolist()), y=tuple(y.tolist())))
    margins, found = made.trees().rows(np.random.default_rng(seed).normal(size=(60, 2)) * 3)
    np.testing.assert_allclose(found, np.interp(margins, x, y), atol=1e-12)
    assert (np.diff(found[np.argsort(margins, kind="stable")]) >= 0).all()


def test_platt_is_a_line_before_the_logistic_function() -> None:
    made = trained(random_lightgbm(3, 2, 5), 2, calibration=Platt(a=0.7, b=-1.5))
    margins, found = made.trees().rows(np.random.default_rng(1).normal(size=(60, 2)))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(0.7 * margins - 1.5))), rtol=1e-15)


@pytest.mark.parametrize(
    "wrong",
    [
        Isotonic(x=(1.0, 1.0), y=(0.1, 0.2)),
        Isotonic(x=(2.0, 1.0), y=(0.1, 0.2)),
        Isotonic(x=(1.0, 2.0), y=(0.3, 0.2)),
        Isotonic(x=(1.0, 2.0, 3.0), y=(0.1, 0.2)),
        Isotonic(x=(math.nan, 2.0), y=(0.1, 0.2)),
        Isotonic(x=(1.0, 2.0), y=(0.1, math.nan)),
        Platt(a=math.inf, b=0.0),
        Platt(a=-1.0, b=0.0),
    ],
)
def test_a_calibration_that_is_none_is_refused(wrong: Calibration) -> None:
    with pytest.raises(ModelError):
        trained(random_lightgbm(1, 2), 2, calibration=wrong)
