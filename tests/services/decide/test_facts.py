"""A payment as a row: the same values that walking the fields gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.engines.rules.screening import ASKED, FINDINGS, TAGGED, Hint
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant
from lianfang.services.decide import flattener
from lianfang.services.decide.facts import HINTS, TEXTS_REMEMBERED
from lianfang.wire import Payment, catalogue, read_payment
from tests.services.decide.twins import NOW, payment
from tests.wire import strategies

PATHS = tuple(catalogue())


def walked(one: Payment, path: str) -> Any:
    value: Any = one
    for name in path.split("."):
        value = getattr(value, name)
    return value


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=strategies.of(Payment), layout=st.permutations(PATHS), size=st.integers(1, len(PATHS)))
def test_a_row_holds_the_fields_in_the_order_asked_for(one: Payment, layout: list[str], size: int) -> None:
    layout = layout[:size]
    for path, value in zip(layout, flattener(layout)(one), strict=True):
        expected = walked(one, path)
        if catalogue()[path].type == "time" and expected is not None:
            assert isinstance(value, int)
            assert value == instant(expected)
        else:
            assert value == expected


def test_attributes_are_null_unless_they_have_the_type_asked_for() -> None:
    one = read_payment(payment(attributes={"n": 3, "f": 1.5, "t": "x", "b": True, "z": None, "odd'name.x": 1}))
    layout = [
        f"attributes.{k}:{kind}" for k in ("n", "f", "t", "b", "z", "none") for kind in ("text", "number", "flag")
    ]
    row = dict(zip(layout, flattener(layout)(one), strict=True))
    given_ = {path: value for path, value in row.items() if value is not None}
    assert given_ == {
        "attributes.n:number": 3.0,
        "attributes.f:number": 1.5,
        "attributes.t:text": "x",
        "attributes.b:flag": True,
    }
    assert flattener(["attributes.odd'name.x:number"])(one) == (1.0,)


def test_surroundings_are_their_codes() -> None:
    one = read_payment(payment(surroundings=[{"code": "remote-control"}, {"code": "vpn"}]))
    assert flattener(["surroundings", "time"])(one) == (("remote-control", "vpn"), NOW)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InputError, match=r"payer\.acount"):
        flattener(["payer.acount"])


def test_a_payment_with_some_of_the_attributes_asked_for_has_those_and_null_for_the_rest() -> None:
    made = flattener(("id", "attributes.a:text", "attributes.b:number", "attributes.c:flag", "surroundings"))
    plain = b'{"id":"p","time":"2026-01-07T12:00:00Z","kind":"qr","amount":1,"currency":"CNY","attributes":%b}'
    assert made(read_payment(plain % b'{"z":"x"}')) == ("p", None, None, None, ())
    assert made(read_payment(plain % b"{}")) == ("p", None, None, None, ())
    assert made(read_payment(plain % b'{"b":2,"z":1}')) == ("p", None, 2.0, None, ())
    assert made(read_payment(plain % b'{"a":"x","b":true,"c":false}')) == ("p", "x", None, False, ())


HINTED = (
    Hint("kind", ("transfer", "crypto")),
    TAGGED,
    Hint("channel", ("web",)),
    Hint("session.screen_shared"),
    FINDINGS,
    Hint("kind", ("crypto", "card")),
    ASKED,
    Hint("merchant.category", ("7995",)),
    Hint("memo", ("a", "租"), inside=True),
    Hint("memo", ("(b", "+"), inside=True),
)


def said(one: Payment, layout: list[str], others: list[str]) -> list[Hint]:
    bits = flattener([*layout, HINTS], HINTED, others)(one)[-1]
    return [hint for i, hint in enumerate(HINTED) if bits >> i & 1]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=strategies.of(Payment), inside=st.booleans())
def test_hints_say_what_the_payment_is_whether_the_attribute_asked_for_is_in_the_row_or_not(
    one: Payment, inside: bool
) -> None:
    attributes = ["attributes.a:number"]
    told = said(one, ["id", *(attributes if inside else [])], [] if inside else attributes)
    so = {
        HINTED[0]: one.kind in ("transfer", "crypto"),
        TAGGED: False,
        HINTED[2]: one.channel == "web",
        HINTED[3]: bool(one.session.screen_shared),
        FINDINGS: bool(one.surroundings),
        HINTED[5]: one.kind in ("crypto", "card"),
        ASKED: "a" in one.attributes,
        HINTED[7]: one.merchant.category == "7995",
        HINTED[8]: one.memo is not None and ("a" in one.memo or "租" in one.memo),
        HINTED[9]: one.memo is not None and ("(b" in one.memo or "+" in one.memo),
    }
    assert told == [hint for hint, true in so.items() if true]


def test_remembered_texts_are_let_go_and_told_again() -> None:
    flatten = flattener(["memo", HINTS], (Hint("memo", ("x",), inside=True),))
    memos = ["x", "y", *(f"{i}x" for i in range(TEXTS_REMEMBERED)), "y", "x"]
    told = [flatten(read_payment(payment(memo=memo)))[-1] for memo in memos]
    assert told == [1, 0, *[1] * TEXTS_REMEMBERED, 0, 1]
