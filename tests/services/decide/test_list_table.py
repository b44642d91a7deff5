"""docs/reference/lists.md is the definition: every cell of its table, and every combination that it stands for."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.services.decide import ListHit, settle
from lianfang.services.decide.policy import list_reason, unsure_reason
from lianfang.wire import SEVERITY, SIDES, Action, ListEffect, Policy, Reason
from tests.services.decide.twins import Bench, book_of, entry, payment, rule

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "lists.md"
_, _, _TRUTH = PAGE.read_text("utf-8").partition("## Truth table")
_TRUTH, _, _ = _TRUTH.partition("\n## ")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in _TRUTH.splitlines() if line.startswith("| ")]
ASKED = ROWS[0][2:]
CELLS = [(row[0], row[1], asked, action) for row in ROWS[2:] for asked, action in zip(ASKED, row[2:], strict=True)]
TABLE = {(frozenset((a, b)), asked): action for a, b, asked, action in CELLS}
PATHS: Final = {"payer": "payer.account", "payee": "payee.account"}
DECIDING: Final = ("allow", "override", "overridable_block", "block", "veto")
SUBSETS = [frozenset(c) for n in range(len(DECIDING) + 1) for c in combinations(DECIDING, n)]
NONE = math.nan


def words(cell: str) -> frozenset[str]:
    return frozenset(cell.split()) - {"-"}


def found(payer: frozenset[str], payee: frozenset[str], asked: str, policy: Policy) -> list[Reason]:
    hits = [
        ListHit(PATHS[side], f"l-{e}", e, "p", "s") for side, on in (("payer", payer), ("payee", payee)) for e in on
    ]
    reasons = [list_reason(hit, policy) for hit in hits]
    if asked != "-":
        reasons.append(Reason(code="c", source="rule", name="r", zh="z", en="e", action=asked))  # type: ignore[arg-type]
    return reasons


def action_of(payer: frozenset[str], payee: frozenset[str], asked: str, policy: Policy | None = None) -> Action:
    policy = policy or Policy()
    return settle(policy, found(payer, payee, asked, policy), NONE)[0]


@pytest.mark.parametrize("cell", CELLS, ids=" | ".join)
def test_every_cell_of_the_documented_table_holds_whichever_side_pays(cell: tuple[str, str, str, str]) -> None:
    one, other, asked, expected = cell
    assert action_of(words(one), words(other), asked) == expected
    assert action_of(words(other), words(one), asked) == expected


def in_the_table(on: frozenset[str]) -> str:
    """The row's name for what hits on one side, by the sentence above the table."""
    left = on - {"allow"} if on & {"override", "overridable_block"} else on
    if "block" in on:
        left = on & {"block", "veto"}
    order = ("allow", "override", "overridable_block", "block", "veto")
    return " ".join(word for word in order if word in left) or "-"


def test_all_combinations_of_hits_come_out_as_their_row_says() -> None:
    tried = 0
    for payer in SUBSETS:
        for payee in SUBSETS:
            for asked in ASKED:
                row = frozenset((in_the_table(payer), in_the_table(payee)))
                assert action_of(payer, payee, asked) == TABLE[row, asked], (payer, payee, asked)
                tried += 1
    assert tried == 32 * 32 * 5


def test_the_table_is_whole_and_names_every_effect() -> None:
    assert len(CELLS) == 12 * 13 // 2 * 5
    assert {word for a, b, *_ in CELLS for word in words(a) | words(b)} | {"watch"} == set(get_args(ListEffect))
    assert all(f"`{effect}`" in PAGE.read_text("utf-8") for effect in get_args(ListEffect))


@given(
    st.sampled_from(SUBSETS), st.sampled_from(SUBSETS), st.sampled_from(ASKED), st.sampled_from(["challenge", "hold"])
)
@settings(max_examples=300, deadline=None)
def test_a_vetoed_subject_is_never_blocked_and_one_more_veto_never_hardens(
    payer: frozenset[str], payee: frozenset[str], asked: str, most: str
) -> None:
    policy = Policy(veto_most=most)  # type: ignore[arg-type]
    vetoed = payer | {"veto"}
    after = action_of(vetoed, payee, asked, policy)
    assert SEVERITY[after] <= SEVERITY[action_of(payer, payee, asked, policy)]
    other_blocks = "block" in payee or {"overridable_block", "override"} & payee == {"overridable_block"}
    if not other_blocks:
        assert SEVERITY[after] <= SEVERITY[policy.veto_most]


@pytest.mark.parametrize("most", ["challenge", "hold"])
def test_what_a_veto_took_away_stands_in_the_reasons(most: str) -> None:
    policy = Policy(veto_most=most)  # type: ignore[arg-type]
    reasons = found(frozenset(), frozenset({"block", "veto"}), "block", policy)
    action, ordered, _ = settle(policy, reasons, 1.0)
    assert action == most
    assert (ordered[0].code, ordered[0].action, ordered[0].name) == ("veto-softened", most, "l-veto")
    assert "at most" in ordered[0].en
    assert {"list-block", "list-veto", "score"} <= {r.code for r in ordered}
    assert settle(policy, found(frozenset(), frozenset({"veto"}), "challenge", policy), NONE)[1][0].code == "c"


@pytest.mark.parametrize("unsure", ["challenge", "hold", "block"])
def test_a_veto_never_softens_an_unsure_answer(unsure: str) -> None:
    policy = Policy(unsure=unsure, veto_most="challenge")  # type: ignore[arg-type]
    reasons = [
        *found(frozenset({"veto"}), frozenset({"veto", "override"}), "-", policy),
        unsure_reason("no-rules", policy),
    ]
    assert settle(policy, reasons, NONE)[0] == unsure


QUIET = [rule("quiet", "amount > 1000000000")]


@pytest.mark.parametrize(
    ("side", "payer", "payee", "action"),
    [
        ("payer", "x", "y", "block"),
        ("payer", "y", "x", "allow"),
        ("payee", "x", "y", "allow"),
        ("payee", "y", "x", "block"),
        ("both", "x", "y", "block"),
        ("both", "y", "x", "block"),
    ],
)
def test_an_entry_is_met_only_on_its_side(side: str, payer: str, payee: str, action: str) -> None:
    bench = Bench(book_of(QUIET, [entry("m", "block", "account", "x", side=side)]))
    assert bench.ask(payment(payer={"account": payer}, payee={"account": payee})).action == action


def test_a_rule_sees_the_entries_of_its_side_only() -> None:
    named = [rule("named", "payee.account in m", action="hold")]
    bench = Bench(book_of(named, [entry("m", "watch", "account", "x", side="payer")], known_lists=["m"]))
    assert bench.ask(payment(payee={"account": "x"})).reasons == ()
    assert bench.ask(payment("p2", payer={"account": "x"})).action == "allow"


def test_a_hit_says_whose_subject_on_whose_word_and_what_for() -> None:
    bench = Bench(book_of(QUIET, [entry("m", "overridable_block", "merchant", "shop")]))
    [reason] = bench.ask(payment(merchant={"id": "shop"})).reasons
    assert (reason.code, reason.action) == ("list-overridable-block", "block")
    assert reason.listed is not None
    assert (reason.listed.path, reason.listed.side, reason.listed.effect) == (
        "merchant.id",
        "payee",
        "overridable_block",
    )
    assert (reason.listed.purpose, reason.listed.source) == ("p", "s")


def test_every_path_has_its_side() -> None:
    assert {side for path, side in SIDES.items() if path.startswith("payee.") or path == "merchant.id"} == {"payee"}
    assert {side for path, side in SIDES.items() if not path.startswith(("payee.", "merchant."))} == {"payer"}
