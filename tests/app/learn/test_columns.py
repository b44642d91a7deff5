"""An input is a number or a condition over the payment and its features, and null where it is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lianfang.app.learn.columns import compile_inputs, paths_of
from lianfang.kernel.errors import InputError
from lianfang.wire import Input


def made(*defines: str) -> list[Input]:
    return [Input(name=f"i{n}", define=define) for n, define in enumerate(defines)]


def test_numbers_conditions_and_nulls() -> None:
    inputs = made("amount / mean_30d", "amount", 'kind == "card"', "network.vpn", "mean_30d is None", "hour(time)")
    layout = paths_of(inputs, ["other", "mean_30d"])
    assert set(layout) == {"amount", "kind", "network.vpn", "time"}
    run = compile_inputs(inputs, layout, ["other", "mean_30d"])
    row = {"amount": 300, "kind": "card", "network.vpn": None, "time": 3_600_000_000}
    found = run(tuple(row[path] for path in layout), np.array([7.0, 100.0]))
    assert found[:3] == (3.0, 300, 1.0)
    assert math.isnan(found[3])
    assert found[4:] == (0.0, 9)
    nothing = run(tuple(row[path] for path in layout), np.array([7.0, math.nan]))
    assert math.isnan(nothing[0])
    assert nothing[4] == 1.0


@pytest.mark.parametrize(
    "define", ["kind", "time", "amount +", "nobody", "score", 'payee.account in "mules"', "amount) == 0 or (1"]
)
def test_what_is_neither_is_refused_with_the_inputs_name(define: str) -> None:
    with pytest.raises(InputError, match="i0"):
        paths_of(made(define), [])
