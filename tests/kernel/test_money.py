"""Money in whole minor units, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.kernel.money import CURRENCIES, exponent, major_text, minor_units

currencies = st.sampled_from(sorted(CURRENCIES))


@given(amount=st.integers(-limits.AMOUNT_MAX, limits.AMOUNT_MAX), currency=currencies)
def test_what_people_read_is_the_same_amount(amount: int, currency: str) -> None:
    assert minor_units(major_text(amount, currency).replace(",", ""), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "units"),
    [("12.30", "CNY", 1_230), ("12.3", "CNY", 1_230), ("12", "JPY", 12), ("1.234", "KWD", 1_234), ("-0.01", "EUR", -1)],
)
def test_units_by_the_currencys_exponent(text: str, currency: str, units: int) -> None:
    assert minor_units(text, currency) == units


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.5", "JPY"),
        ("0.001", "CNY"),
        ("abc", "CNY"),
        ("", "CNY"),
        ("NaN", "CNY"),
        ("Infinity", "CNY"),
        ("1e999999", "CNY"),
        ("1", "XXX"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(InputError):
        minor_units(text, currency)


@given(text=st.text(max_size=12), currency=currencies)
def test_any_text_is_an_amount_or_our_error(text: str, currency: str) -> None:
    try:
        assert isinstance(minor_units(text, currency), int)
    except InputError as why:
        assert why.what


def test_exponents_are_those_of_iso_4217() -> None:
    assert [exponent(c) for c in ("CNY", "JPY", "KRW", "BHD", "USD", "CLP", "TND")] == [2, 0, 0, 3, 2, 0, 3]
    assert all(len(c) == 3 and c.isupper() for c in CURRENCIES)
