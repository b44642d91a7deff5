"""Shared tags inside the live decision: rules read them, the record says whose they were, and they end when they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lianfang.engines.hotpath.journey import SUBJECT_KINDS, hash_subjects
from lianfang.engines.lookup import Met, packed
from lianfang.kernel.instant import MINUTE
from lianfang.services.decide.tags import TagBook, TagChange, read_by_rules
from lianfang.wire import CATEGORY_CODES, TagMet
from tests.services.decide.twins import KEY, NOW, Bench, book_of, entry, payment, rule

HOLD = rule("tagged", 'tag(payee.account).severity >= 3 and tag(payee.account).category == "mule"', action="hold")
TWO = rule("two-say-so", "tag(payee.account).contributors >= 2", action="block")
QUIET = rule("quiet", "amount > 1000000000")
MULE = CATEGORY_CODES.index("mule") + 1
LATER = NOW // MINUTE + 60
PAYEE = {"account": "6222", "phone": "138"}


def hashed(kind: str, value: str) -> int:
    raw = value.encode()
    places = np.array([0, len(raw)], np.int64)
    return int(hash_subjects(raw, places, np.array([SUBJECT_KINDS.index(kind) + 1], np.int64), KEY)[0])


def say(bench: Bench, kind: str, value: str, met: Met | None, *sets: tuple[str, ...]) -> None:
    word = 0 if met is None else packed(met)
    change = TagChange(np.array([hashed(kind, value)], np.uint64), np.array([word], np.int64), sets)
    bench.decider.change_tags(change)


@pytest.fixture(name="bench")
def two_rules() -> Bench:
    bench = Bench(book_of([HOLD, TWO, QUIET]))
    say(bench, "account", "6222", Met(MULE, 4, 0, False, LATER), ("bank-a",))
    return bench


def test_a_tag_changes_the_next_decision_and_the_record_says_whose_it_was(bench: Bench) -> None:
    answer = bench.ask(payment(payee=PAYEE))
    assert answer.action == "hold"
    assert [r.name for r in answer.reasons] == ["tagged"]
    assert answer.tags == (TagMet(path="payee.account", category="mule", severity=4, contributors=("bank-a",)),)


def test_without_the_subject_nothing_is_said(bench: Bench) -> None:
    answer = bench.ask(payment(payee={"account": "6223", "phone": "6222"}))
    assert (answer.action, answer.tags) == ("allow", ())


def test_more_members_saying_so_is_another_answer(bench: Bench) -> None:
    say(bench, "account", "6222", Met(MULE, 4, 1, True, LATER), ("bank-a", "bank-b"))
    answer = bench.ask(payment(payee=PAYEE))
    assert answer.action == "block"
    assert answer.tags[0].contributors == ("bank-a", "bank-b")
    assert answer.tags[0].pending


def test_a_withdrawn_tag_is_gone_with_the_next_payment(bench: Bench) -> None:
    assert bench.ask(payment("p1", payee=PAYEE)).action == "hold"
    say(bench, "account", "6222", None)
    assert bench.ask(payment("p2", payee=PAYEE)).action == "allow"


def test_an_expired_tag_says_nothing(bench: Bench) -> None:
    say(bench, "account", "6222", Met(MULE, 4, 0, False, NOW // MINUTE))
    answer = bench.ask(payment(payee=PAYEE))
    assert (answer.action, answer.tags) == ("allow", ())


def test_a_tag_that_no_rule_heeds_is_on_record_all_the_same() -> None:
    bench = Bench(book_of([QUIET]))
    say(bench, "phone", "138", Met(1, 1, 0, False, LATER), ("bank-c",))
    answer = bench.ask(payment(payee=PAYEE))
    assert answer.action == "allow"
    assert [(t.path, t.contributors) for t in answer.tags] == [("payee.phone", ("bank-c",))]
    assert bench.ask(payment("p2", payee=PAYEE, payer={"phone": "138"})).tags[0].path == "payer.phone"


def test_tags_and_lists_are_looked_up_side_by_side() -> None:
    bench = Bench(book_of([HOLD, QUIET], [entry("bad", "block", "phone", "138")]))
    assert bench.ask(payment("p0", payee=PAYEE)).tags == ()
    say(bench, "account", "6222", Met(MULE, 5, 0, False, LATER), ("bank-a",))
    answer = bench.ask(payment("p1", payee=PAYEE))
    assert answer.action == "block"
    assert {r.name for r in answer.reasons} == {"bad", "tagged"}
    assert [t.path for t in answer.tags] == ["payee.account"]


def test_a_new_rule_book_keeps_the_tags_and_a_new_tag_book_the_rules(bench: Bench) -> None:
    bench.decider.use(book_of([QUIET]))
    assert bench.ask(payment("p1", payee=PAYEE)).tags != ()
    bench.decider.use_tags(TagBook())
    assert bench.ask(payment("p2", payee=PAYEE)).tags == ()


def test_ten_thousand_tags_later_the_answer_is_the_same(bench: Bench) -> None:
    values = np.full(10_000, packed(Met(1, 1, 0, False, LATER)), np.int64)
    bench.decider.change_tags(TagChange(np.arange(1, 10_001, dtype=np.uint64) * np.uint64(2**40 + 7), values))
    assert bench.ask(payment(payee=PAYEE)).action == "hold"
    assert bench.ask(payment("p2", payee={"account": "nobody"})).action == "allow"


def test_rules_read_recorded_tags_as_they_read_them_live() -> None:
    met: Any = [TagMet(path="payee.account", category="mule", severity=4, contributors=("a1", "b1"))]
    assert read_by_rules(met) == {"payee.account": ("mule", 4, 2)}
