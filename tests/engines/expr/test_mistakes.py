"""Every mistake is refused, with its place and, where one is close, what was meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.expr import Environment, ExpressionError, check
from lianfang.kernel import limits

ENV = Environment(("payer_sum_24h", "pair_count"), frozenset({"mules"}))


def mistake(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        check(text, ENV)
    return caught.value


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("amont > 3", 1, "did you mean `amount`?"),
        ("payer.acount == 'x'", 1, "did you mean `payer.account`?"),
        ("amount > 1 and payer_sum_24 > 3", 16, "did you mean `payer_sum_24h`?"),
        ("payee.account in mulles", 18, "did you mean `mules`?"),
        ("memo in mules", 1, "lists and tags are about subjects"),
        ("mules", 1, "`mules` is a list"),
        ("payer", 1, "is not one value; it has `payer.account`"),
        ("kind == 'transfr'", 9, "did you mean `transfer`?"),
        ("'mobil' == channel", 1, "did you mean `mobile`?"),
        ("kind in ('card', 'crpto')", 18, "did you mean `crypto`?"),
        ("memo < 5", 8, "text is compared with a whole number"),
        ("memo < 'b'", 8, "text has no order"),
        ("amount == '5'", 11, "a whole number is compared with text"),
        ("amount + memo > 3", 10, "a number is needed, but this is text"),
        ("device.rooted + 1 > 1", 1, "a number is needed, but this is true or false"),
        ("time - session.started > 5", 1, "seconds_between"),
        ("amount", 1, "a condition is true or false"),
        ("memo and amount > 1", 1, "a condition is true or false"),
        ("(amount > 1) == True", 2, "a condition cannot be used as a value"),
        ("length(amount) > 1", 8, "text is needed, but this is a whole number"),
        ("lower(memo, 1) == 'x'", 1, "`lower` takes 1 argument, not 2"),
        ("lowr(memo) == 'x'", 1, "did you mean `lower`?"),
        ("memo.lower() == 'x'", 1, "did you mean `lower(...)`?"),
        ("lower == 'x'", 1, "call it"),
        ("lower(memo=1) == 'x'", 12, "by position"),
        ("hour(time, 99) > 1", 12, "a UTC offset lies between"),
        ("hour(time, amount) > 1", 12, "must be a literal"),
        ("round(amount, 7) > 1", 15, "0 to 6 decimals"),
        ("coalesce(payer_sum_24h, pair_count) > 1", 25, "may be null itself"),
        ("tag(payee.account).categry == 'x'", 1, "did you mean `category`?"),
        ("tag(payee.account)", 1, "a tag has parts"),
        ("tag(memo).category == 'x'", 5, "subjects"),
        ("memo == None", 9, "write `is None`"),
        ("memo is 'x'", 9, "compare with `==`"),
        ("'a' in memo", 8, "contains(text, part)"),
        ("amount in ()", 11, "nothing is in an empty list"),
        ("amount in (1, amount)", 15, "only literals"),
        ("amount = 3", 1, "write `==`"),
        ("true", 1, "write `True`"),
        ("surroundings", 1, 'finding("code")'),
        ("attributes.x == 'y'", 1, 'text("key")'),
        ("amount > ", 10, "ends too early"),
        ("amount > 3)", 11, "unmatched ')'"),
        ("amount > 3) or (amount > 1", 11, "unmatched ')'"),
        ("amount > 99999999999999999999", 10, "at most 63 bits"),
        ("payer_sum_24h > 1e999", 17, "too large"),
        ("", 1, "is empty"),
        ("[x for x in memo]", 1, "not part of the language: a comprehension"),
        ("(lambda: 1)() > 1", 2, "not part of the language"),
        ("__import__('os')", 1, "unknown function `__import__`"),
        ("memo.__class__ == 'x'", 1, "unknown name `memo.__class__`"),
        ("f'{memo}' == 'x'", 1, "an f-string"),
        ("(x := 1) > 0", 2, "`:=`"),
        ("payer['account'] == 'x'", 1, "indexing"),
        ("amount ** 2 > 1", 1, "`Pow`"),
        ("amount > 1 if True else amount > 2", 1, "`if ... else`"),
        ("memo == b'x'", 9, "bytes"),
        ("memo == '\\d'", 9, "invalid escape"),
        ("memo == '\x00'", 1, "null"),
        ("memo == '\ud800'", 1, "not text"),
    ],
)
def test_a_mistake_has_its_column_and_its_sentence(text: str, column: int, says: str) -> None:
    error = mistake(text)
    assert says in error.what
    assert (error.line, error.column) == (1, column)


def test_the_caret_stands_under_the_mistake_also_behind_chinese() -> None:
    assert mistake("memo == '账户' and amont > 3").caret() == "memo == '账户' and amont > 3\n" + " " * 19 + "^^^^^"


def test_a_list_may_bear_the_name_of_a_field() -> None:
    assert check("payee.account in card", Environment(lists=frozenset({"card"}))).lists == {("payee.account", "card")}


def test_lines_count_from_the_first_of_the_text() -> None:
    error = mistake("amount > 1\nand (amont > 2\n  or amount > 3)")
    assert (error.line, error.column) == (2, 6)
    assert error.caret() == "and (amont > 2\n     ^^^^^"


def test_all_mistakes_are_found_in_one_go() -> None:
    error = mistake("amont > 1 and (kind == 'x' or not memo) and amount > 1")
    assert [e.column for e in (error, *error.also)] == [1, 24, 35]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 300 + "1" + ")" * 300,
        "-" * 3_000 + "1 > 0",
        "not " * 900 + "True",
        " or ".join(["amount>1"] * 200),
        "amount > 1" + " " * limits.EXPRESSION_LENGTH_MAX,
        " * ".join(["amount"] * 31) + " > 1",
    ],
)
def test_too_large_is_refused(text: str) -> None:
    mistake(text)


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from([*"()[],.'#=<>", "\n", "\r", "\x0c", "\u2028", "账", "amount", "memo", " in ", " or "])
        ).map("".join),
    )
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_checked_or_refused_and_never_raises_another_error(text: str) -> None:
    try:
        check(text, ENV)
    except ExpressionError as why:
        caret = why.caret()
    else:
        caret = "^"
    assert "^" in caret
