"""The shipped packs: proved by their own examples, sourced, in both languages, and never deciding by a keyword alone."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from lianfang.app.replay import load_rules, rule_files
from lianfang.engines.expr import Checked, check
from lianfang.engines.expr.check import leaves
from lianfang.engines.expr.tree import (
    Column,
    Compare,
    Condition,
    Const,
    Feature,
    Found,
    In,
    IsNull,
    Join,
    Member,
    Not,
    Tag,
)
from lianfang.engines.rules import check_ruleset, environment, laws_of
from lianfang.engines.rules import test_examples as run_examples
from lianfang.services.decide import ListBook, rule_book
from lianfang.services.decide.assemble import Adjustments, assemble
from lianfang.services.decide.lists import LIST_SCHEMA
from lianfang.wire import Rule
from tests.services.decide.twins import KEY, Bench, payment

FILES = rule_files(())
WHOLE = load_rules(())
ENV = environment(WHOLE, ())
BOOK = rule_book(WHOLE, ListBook(LIST_SCHEMA.empty_table(), KEY, "none"))
SCAMS = (
    "刷单返利", "虚假投资理财", "虚假购物服务", "冒充电商物流客服", "虚假贷款",
    "虚假征信", "冒充领导熟人", "冒充公检法", "婚恋交友", "游戏交易",
)  # fmt: skip
WORDS = frozenset({"memo", "payer.name", "payee.name", "merchant.name"})
"""What people write: the words of a story."""
SCOPE = frozenset({"kind", "channel", "currency", "merchant.id", "attributes.payer_kind:text", "pair_count_90d"})
"""What kind of payment it is, and that the payee is new: true of half the world's payments, so no evidence."""
SHARED: dict[str, Any] = {
    "amount": 300_000, "payer": {"account": "a"}, "payee": {"account": "b"}, "session": {"screen_shared": True},
}  # fmt: skip
each_rule = pytest.mark.parametrize("rule", WHOLE.rules, ids=lambda rule: rule.id)


def test_there_are_seven_packs_and_no_rule_outside_them() -> None:
    packs = {file.ruleset.pack.name: len(file.ruleset.rules) for file in FILES if file.ruleset.pack}
    assert set(packs) == {"victim", "takeover", "mule", "cards", "merchants", "crypto", "law"}
    assert sum(packs.values()) == len(WHOLE.rules) >= 40
    assert WHOLE.policy is not None


def test_every_example_comes_out_as_it_says() -> None:
    assert check_ruleset(WHOLE, []) == []
    assert [result for result in run_examples(WHOLE.rules, ENV) if not result.ok] == []


@each_rule
def test_every_rule_is_proved_sourced_owned_and_to_be_verified_in_both_languages(rule: Rule) -> None:
    assert {example.fires for example in rule.examples} == {True, False}
    assert "to be verified" in rule.source
    assert "to be verified" in rule.en
    assert "需核实" in rule.zh or "待核实" in rule.zh
    assert rule.owner
    assert rule.action != "allow"


@each_rule
def test_words_alone_and_the_kind_of_payment_never_make_a_rule_fire(rule: Rule) -> None:
    """Every way for the condition to be true goes through at least one finding that is neither a word nor a scope."""
    assert needs_evidence(check(rule.when, ENV).tree)


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ('contains(memo, "x")', False),
        ('contains(memo, "x") and kind == "transfer" and merchant.id is None', False),
        ('contains(memo, "x") or amount > 5', False),
        ('contains(memo, "x") and not session.call_in_progress', False),
        ('contains(memo, "x") and pair_count_90d is None', False),
        ('payee.name == "x" and coalesce(amount > 5 and memo == "y", False)', None),
        ('contains(memo, "x") and (amount > 5 or session.screen_shared)', True),
        ('not (memo != "x" or amount <= 5)', True),
        ('kind == "qr"', False),
        ('contains(memo, "x") and pair_count_90d == 0', False),
        ("tag(payee.account).severity >= 3", True),
        ('finding("vpn")', True),
    ],
)
def test_the_proof_itself_sees_through_what_it_must(text: str, sound: bool | None) -> None:
    if sound is None:
        with pytest.raises(ValueError, match="condition cannot be used as a value"):
            needs_evidence(_checked(text).tree)
    else:
        assert needs_evidence(_checked(text).tree) is sound


def _checked(text: str) -> Checked:
    try:
        return check(text, ENV)
    except Exception as why:
        raise ValueError(str(why)) from why


def needs_evidence(node: Condition, *, true: bool = True) -> bool:
    """Whether `node` can only be true (or, not `true`, false) where some evidence is."""
    match node:
        case Not():
            return needs_evidence(node.item, true=not true)
        case Join():
            parts = [needs_evidence(item, true=true) for item in node.items]
            return any(parts) if (node.op == "and") == true else all(parts)
        case Compare() | In():
            # A comparison with something we know is evidence, whichever way it goes: null makes neither true nor false.
            return _reads_evidence(node)
        case Found() | Member():
            return true
        case IsNull():
            return False
        case _:
            return true and _reads_evidence(node)


def _reads_evidence(node: Condition) -> bool:
    found = list(leaves(node))
    columns = {leaf.path for leaf in found if isinstance(leaf, Column)}
    counted = any(isinstance(leaf, Tag) or (isinstance(leaf, Feature) and leaf.name not in SCOPE) for leaf in found)
    return counted or bool(columns - WORDS - SCOPE)


@each_rule
def test_money_is_compared_with_named_parameters_and_not_with_bare_numbers(rule: Rule) -> None:
    sums = {f.name for f in WHOLE.features if f.define.startswith(("sum(", "max(", "mean("))}
    for node in leaves(check(rule.when, ENV).tree):
        if isinstance(node, Compare):
            money = any(
                (isinstance(leaf, Column) and leaf.path == "amount")
                or (isinstance(leaf, Feature) and leaf.name in sums)
                for leaf in leaves(node)
            )
            bare = [s for s in (node.left, node.right) if isinstance(s, Const) and not s.parameter and s.value]
            assert not (money and bare), f"{rule.id}: {bare}"


def test_every_parameter_is_dated_sourced_and_used() -> None:
    used = {name for rule in WHOLE.rules for name in check(rule.when, ENV).parameters}
    used |= {rule.challenge.delay for rule in WHOLE.rules if rule.challenge and rule.challenge.delay}
    used |= {p.name for p in WHOLE.parameters if any(f"param.{p.name}" in f.define for f in WHOLE.features)}
    assert {p.name for p in WHOLE.parameters} == used
    assert all(p.source and p.unit and p.zh and p.en for p in WHOLE.parameters)


def test_every_feature_and_every_warning_is_used() -> None:
    used = {name for rule in WHOLE.rules for name in check(rule.when, ENV).features}
    parts = {word for f in WHOLE.features if f.define.startswith("ratio") for word in f.define.split()}
    assert {f.name for f in WHOLE.features} == used | (parts & {f.name for f in WHOLE.features})
    warned = {rule.challenge.warning for rule in WHOLE.rules if rule.challenge and rule.challenge.warning}
    assert {w.code for w in WHOLE.warnings} == warned


def test_each_of_the_ten_scams_has_a_rule_on_the_victims_side_and_a_warning() -> None:
    victim = next(file.ruleset.rules for file in FILES if file.ruleset.pack and file.ruleset.pack.name == "victim")
    for scam in SCAMS:
        of = [rule for rule in victim if scam in rule.source]
        assert of, scam
        assert any(rule.challenge and rule.challenge.warning for rule in of), scam


def test_victims_are_asked_and_slowed_and_never_blocked() -> None:
    victim = [rule for rule in WHOLE.rules if rule.id.startswith("victim.")]
    assert {rule.action for rule in victim} <= {"challenge", "hold"}
    assert all(rule.challenge is not None and rule.challenge.warning for rule in victim)
    assert Counter(rule.lane for rule in victim) == {"first": len(victim)}


def test_an_everyday_payment_meets_no_rule() -> None:
    assert Bench(BOOK).ask(payment(amount=3_000, payer={"account": "a"}, payee={"account": "b"})).action == "allow"


def test_a_scam_is_answered_with_its_own_warning_in_both_languages() -> None:
    answer = Bench(BOOK).ask(
        payment(amount=300_000, payer={"account": "a"}, payee={"account": "b"}, session={"screen_shared": True})
    )
    assert (answer.action, answer.reasons[0].name) == ("hold", "victim.screen-shared")
    asked = answer.challenge
    assert asked is not None
    assert (asked.kind, asked.also, [w.code for w in asked.warnings]) == ("call_back", ("warning",), ["fake-service"])
    assert "客服" in asked.warnings[0].zh
    assert "customer service" in asked.warnings[0].en


# the law


LAW = [rule for rule in WHOLE.rules if rule.id.startswith("law.")]


@pytest.mark.parametrize("rule", LAW, ids=lambda rule: rule.id)
def test_a_rule_of_the_law_quotes_its_article_and_never_blocks(rule: Rule) -> None:
    [law, *_] = laws_of(rule, WHOLE)
    reason = next(r for r in BOOK.reasons if r.name == rule.id)
    assert law.zh in reason.zh
    assert law.en in reason.en
    assert law.jurisdiction == "CN"
    assert law.text
    assert rule.action in ("challenge", "hold")


def test_a_number_of_the_law_holds_from_its_day() -> None:
    said: dict[str, Any] = {
        "kind": "qr",
        "amount": 60_000,
        "attributes": {"qr_static": True},
        "payer": {"account": "a"},
    }
    today = Bench(BOOK).ask(payment("p1", **said))
    assert "law.qr-static" in {r.name for r in today.reasons}
    before = Bench(BOOK).ask(payment("p2", "2018-03-31T15:59:59Z", **said))
    assert "law.qr-static" not in {r.name for r in before.reasons}
    since = Bench(BOOK).ask(payment("p3", "2018-03-31T16:00:00Z", **said))
    assert "law.qr-static" in {r.name for r in since.reasons}


def test_a_transfer_at_a_machine_waits_as_long_as_the_law_says() -> None:
    said: dict[str, Any] = {"channel": "atm", "attributes": {"same_owner": False, "payer_kind": "person"}}
    asked = Bench(BOOK).ask(payment(**said)).challenge
    assert asked is not None
    assert (asked.kind, asked.delay_s, [w.code for w in asked.warnings]) == ("delay", 86_400, ["atm-revocable"])


def test_the_law_pack_is_switched_off_whole_and_nothing_else_is() -> None:
    off = assemble(FILES, (), (), Adjustments(off=frozenset({"law"})))
    assert {r.id for r in off.rules if r.mode == "off"} == {r.id for r in LAW}
    assert [f.name for f in off.features] == [f.name for f in WHOLE.features]


def test_a_changed_parameter_is_in_force_and_the_rules_own_examples_still_prove_them() -> None:
    changed = assemble(FILES, (), (), Adjustments(values={"victim_new_payee_amount": 9_000_000}))
    book = rule_book(changed, ListBook(LIST_SCHEMA.empty_table(), KEY, "none"))
    assert Bench(book).ask(payment(**SHARED)).action == "allow"
    assert not math.isnan(next(p.value for p in changed.parameters if p.name == "victim_new_payee_amount"))
