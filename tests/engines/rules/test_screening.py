"""The screen rules out only what is certainly not true; and of ordinary rules it rules out almost all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.rules import Compiled, compile_rules
from lianfang.engines.rules.screening import ASKED, FINDINGS, HINTS_MAX, TAGGED, Hint
from lianfang.engines.rules.sieve import STACK
from lianfang.wire import Rule
from tests.engines.expr.reference import Facts, evaluate
from tests.engines.expr.test_null_logic import ENV, FEATURES, LAYOUT, conditions, facts


def rules_of(*texts: str) -> Compiled:
    made = [Rule(id=f"r{i}", zh="x", en="x", when=text, code="X", points=1) for i, text in enumerate(texts)]
    return compile_rules(made, ENV)


def hinted(hint: Hint, row: Mapping[str, Any]) -> bool:
    if hint == FINDINGS:
        return bool(row["surroundings"])
    if hint == ASKED:
        return any(value is not None for path, value in row.items() if path.startswith("attributes."))
    if hint.inside:
        return row[hint.path] is not None and any(part in row[hint.path] for part in hint.values)
    return row[hint.path] in hint.values if hint.values else bool(row[hint.path])


def tagged(hint: Hint, known: Facts) -> bool:
    return bool(known.tags) if hint == TAGGED else hinted(hint, known.row)


def candidates(compiled: Compiled, known: Facts, *, amount: bool = True) -> list[int]:
    screen = compiled.screen(amount=amount)
    bits = sum(int(tagged(hint, known)) << i for i, hint in enumerate(screen.hints))
    given_ = known.row["amount"] if amount else math.nan
    return screen.candidates(np.array(values(known)), float(given_), bool(known.listed), bits)


def values(known: Facts) -> list[float]:
    return [math.nan if (value := known.features[name]) is None else value for name in FEATURES]


def plain(**row: Any) -> Facts:
    blank: dict[str, Any] = dict.fromkeys(LAYOUT) | {"id": "p", "surroundings": (), "amount": 7, "time": 0}
    return Facts(blank | row, dict.fromkeys(FEATURES, 1.0), {}, {}, None)


def with_feature(name: str, value: float | None) -> Facts:
    return Facts(plain().row, {**dict.fromkeys(FEATURES, 1.0), name: value}, {}, {}, None)


@given(st.lists(conditions, min_size=1, max_size=5), facts(), st.booleans())
@settings(max_examples=700, deadline=None)
def test_whatever_is_true_stays(texts: Sequence[str], known: Facts, amount: bool) -> None:
    both = [*texts, *(f"not ({text})" for text in texts)]
    true = {i for i, text in enumerate(both) if evaluate(text, known) is True}
    assert true <= set(candidates(rules_of(*both), known, amount=amount))


@given(st.lists(conditions, min_size=1, max_size=5), facts())
@settings(max_examples=300, deadline=None)
def test_running_what_stays_is_running_all(texts: Sequence[str], known: Facts) -> None:
    compiled = rules_of(*texts)
    row = tuple(known.row[path] for path in LAYOUT)
    score = math.nan if known.score is None else known.score
    some, all_ = compiled.bind_some(LAYOUT), compiled.bind(LAYOUT)
    which = candidates(compiled, known)
    found: Any = (known.listed, known.tags, score, 0)
    assert some(which, row, values(known), *found) == all_(row, values(known), *found)


@pytest.mark.parametrize(
    "text",
    [
        "amount > 8",
        "f_a > 1 and memo == 'x'",
        "2 * f_a + 1 > 4",
        "f_a / 0 > 1",
        "coalesce(f_b, 0) > 1",
        "is_null(f_a)",
        "payee.account in mules and amount > 1",
        "session.screen_shared or device.rooted",
        "finding('vpn')",
        "number('k') > 0",
        "not flag('k')",
        "memo in ('x', 'y')",
        "not (f_a <= 1 or memo == 'z')",
        "(f_a > 1 and amount > 1) or (f_b > 1 and memo == 'z')",
    ],
)
def test_what_numbers_or_hints_deny_is_screened_out(text: str) -> None:
    assert candidates(rules_of(text), plain()) == []


@pytest.mark.parametrize(
    "text",
    [
        "not (payee.account in mules)",
        "starts_with(payer.account, 'x')",
        "amount > 1 or starts_with(memo, 'x')",
        "score > 0.5",
        "+".join(["f_a"] * (STACK + 3)) + " > 100",
    ],
)
def test_what_they_cannot_tell_stays(text: str) -> None:
    assert candidates(rules_of(text), plain()) == [0]


NUMBERS = st.one_of(st.integers(-(2**53), 2**53).map(float), st.floats(-1e12, 1e12).map(lambda x: round(x, 3)))


@given(st.sampled_from(["<", "<=", ">", ">="]), NUMBERS, st.sampled_from([-math.inf, 0.0, math.inf]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_one_comparison_with_a_constant_is_told_to_the_last_bit(op: str, bound: float, to: float, amount: bool) -> None:
    value = math.nextafter(bound, to) if to else bound
    rules = rules_of(f"f_b {op} {bound:.3f} and f_a > 0", *(["amount > 8"] if amount else []))
    constant = float(f"{bound:.3f}")
    known = with_feature("f_b", value)
    holds = {"<": value < constant, "<=": value <= constant, ">": value > constant, ">=": value >= constant}[op]
    assert candidates(rules, known) == ([0] if holds else [])


def test_nothing_is_said_of_a_comparison_with_what_is_not_known() -> None:
    for text in ("f_a > 0", "f_a < 0", "f_a >= 0", "f_a <= 0"):
        assert candidates(rules_of(text), with_feature("f_a", None)) == []


def test_more_hints_than_there_are_bits_are_left_out() -> None:
    compiled = rules_of(*(f"memo == 'w{i}'" for i in range(HINTS_MAX + 3)))
    assert len(compiled.screen(amount=True).hints) == HINTS_MAX
    assert candidates(compiled, plain()) == [HINTS_MAX, HINTS_MAX + 1, HINTS_MAX + 2]


def test_without_any_tag_a_rule_on_tags_is_ruled_out() -> None:
    rules = rules_of("tag(payee.account).severity >= 3", 'tag(payee.account).category == "mule" or amount > 100')
    assert candidates(rules, plain()) == []
    assert candidates(rules, plain(amount=101)) == [1]


def test_the_words_of_a_text_are_one_hint() -> None:
    rules = rules_of('amount > 1 and (contains(memo, "甲") or contains(memo, "乙"))', 'contains(memo, "丙")')
    assert [hint.values for hint in rules.screen(amount=True).hints] == [("甲", "乙"), ("丙",)]
    assert [candidates(rules, plain(memo=memo)) for memo in (None, "", "丁乙", "丙甲")] == [[], [], [0], [0, 1]]


@given(st.lists(conditions, min_size=1, max_size=4), st.lists(facts(), max_size=5))
@settings(max_examples=200, deadline=None)
def test_many_payments_at_once_are_screened_as_each_alone(texts: Sequence[str], known: list[Facts]) -> None:
    screen = rules_of(*texts).screen(amount=True)
    bits = [sum(int(tagged(hint, one)) << i for i, hint in enumerate(screen.hints)) for one in known]
    ends, rules = screen.rows(
        np.array([values(one) for one in known], np.float64).reshape(len(known), len(FEATURES)),
        np.array([one.row["amount"] for one in known], np.float64),
        np.array([bool(one.listed) for one in known], np.bool_),
        np.array(bits, np.int64),
    )
    found = np.split(rules, ends[:-1]) if known else []
    assert [part.tolist() for part in found] == [candidates(rules_of(*texts), one) for one in known]
