"""A rule is proposed for retirement or tightening only where the interval of its figures is sure of it."""

from __future__ import annotations

from lianfang.services.learn.intervals import wilson
from lianfang.services.learn.review import proposals
from lianfang.services.learn.worth import Worth

FRAUDS, GENUINE = 500, 99_500
BASE = FRAUDS / (FRAUDS + GENUINE)


def worth(name: str, frauds: int, genuine: int, alone: int = 0) -> Worth:
    hits = frauds + genuine
    return Worth(
        name, hits, frauds, genuine, 0, 0, hits, wilson(frauds, hits), wilson(frauds, FRAUDS), wilson(genuine, GENUINE),
        1.0, (), (alone, 0, 0), (),
    )  # fmt: skip


def said(*rules: Worth) -> list[tuple[str, str]]:
    return [(one.rule, one.advice) for one in proposals(rules, BASE, FRAUDS + GENUINE)]


def test_a_rule_that_never_fired_and_one_that_is_no_better_than_chance_are_to_retire() -> None:
    assert said(worth("silent", 0, 0), worth("chance", 2, 800)) == [("chance", "retire"), ("silent", "retire")]


def test_a_rule_that_alone_finds_frauds_but_disturbs_many_is_to_be_tightened_and_stands_first() -> None:
    assert said(worth("silent", 0, 0), worth("wide", 60, 2_000, alone=20)) == [
        ("wide", "tighten"),
        ("silent", "retire"),
    ]


def test_few_hits_and_good_rules_are_left_alone() -> None:
    assert said(worth("few", 0, 20), worth("good", 200, 100), worth("small", 5, 40)) == []
