"""The generated code's edges: one function for many filters, and nulls that hide in numbers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.engines.expr import UTC_OFFSET_HOURS, Environment, Generator, check, compile_predicates
from lianfang.engines.expr.functions import day_of_month
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant, moment

NO_NAMES = Environment()


def test_bit_i_is_set_if_and_only_if_filter_i_is_true() -> None:
    layout = ("amount", "kind", "payer.account")
    texts = ["amount > 10", 'kind == "card"', "payer.account is None", 'payer.account != "a"']
    predicates = compile_predicates([check(t, NO_NAMES) for t in texts], layout)
    assert predicates((11, "card", None)) == 0b0111
    assert predicates((11, "qr", "a")) == 0b0001
    assert predicates((1, "qr", "b")) == 0b1000


def test_no_filters_are_no_bits() -> None:
    assert compile_predicates([], ("amount",))((1,)) == 0


@pytest.mark.parametrize("text", ["score > 1", "f > 1", "card in mules", "tag(card).severity > 1"])
def test_a_filter_sees_the_payment_only(text: str) -> None:
    with pytest.raises(InputError, match="sees the payment only"):
        compile_predicates([check(text, Environment(("f",), frozenset({"mules"})))], ("amount", "card"))


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"payer\.account"):
        compile_predicates([check('payer.account == "x"', NO_NAMES)], ("amount",))


@pytest.mark.parametrize(
    ("text", "true", "false"),
    [
        ("f != 3", False, False),
        ("f == 3", False, False),
        ("f not in (1, 2)", False, False),
        ("f in (1, 2)", False, False),
        ("f < 3", False, False),
        ("min(f, amount) < 3", False, False),
        ("abs(round(f)) >= 0", False, False),
        ("f is None", True, False),
        ("f - 1 is None", True, False),
        ("f is not None", False, True),
        ("coalesce(f, 7) == 7", True, False),
        ("coalesce(f + amount, 7) not in (6, 8)", True, False),
    ],
)
def test_a_nan_is_null_everywhere(text: str, true: bool, false: bool) -> None:
    generator = Generator()
    tree = check(text, Environment(("f",))).tree
    sides = [generator.true(tree), generator.false(tree)]
    scope = generator.globals() | {"c0": 1, "f0": math.nan}
    assert [bool(eval(side, scope)) for side in sides] == [true, false]


def test_generated_code_reaches_no_builtins() -> None:
    assert Generator().globals()["__builtins__"] == {}


def test_the_day_of_the_month_is_the_calendars() -> None:
    for days in (*range(-800, 800), 11_016, 11_017, 19_782, 19_783, 47_540, 47_541, 2_932_896):
        assert day_of_month(days) == moment(days * 86_400_000_000).day


@given(st.datetimes(), st.sampled_from([None, 0, -3.5, 5.75, 14]))
def test_clock_functions_are_the_calendars_at_the_offset_given(local: datetime, offset: float | None) -> None:
    hours = UTC_OFFSET_HOURS if offset is None else offset
    at = instant(local.replace(tzinfo=timezone(timedelta(hours=hours))))
    second = "" if offset is None else f", {offset}"
    parts = {"hour": local.hour, "minute": local.minute, "weekday": local.weekday(), "day": local.day}
    filters = [check(f"{name}(time{second}) == {value}", NO_NAMES) for name, value in parts.items()]
    assert compile_predicates(filters, ("time",))((at,)) == 0b1111
