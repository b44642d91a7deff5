"""Lists: the entries in force about exactly this value, never another's, whatever the hashes do."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.hotpath.journey import LIST_PATHS
from lianfang.kernel.errors import InputError
from lianfang.services.decide import LIST_SCHEMA, ListBook, list_table
from lianfang.wire import SUBJECTS
from tests.services.decide.twins import KEY, NOW, Bench, book_of, entry, payment, rule, us

QUIET = [rule("quiet", "amount > 1000000000")]
VALUES = ["a", "b", "甲", "a" * 64]
kinds = st.sampled_from(["account", "card", "phone", "email"])
entries = st.lists(
    st.tuples(st.sampled_from([("m", "block"), ("w", "watch"), ("f", "allow")]), kinds, st.sampled_from(VALUES)),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(given_entries=entries, account=st.sampled_from([*VALUES, "z"]), card=st.sampled_from([None, *VALUES]))
def test_a_payment_meets_exactly_the_entries_about_its_subjects(
    given_entries: list[tuple[tuple[str, str], str, str]], account: str, card: str | None
) -> None:
    made = [entry(name, effect, kind, value) for (name, effect), kind, value in given_entries]
    bench = Bench(book_of(QUIET, made))
    answer = bench.ask(payment(payer={"account": account}, card=card))
    about = [e for e in made if (e.subject, e.value) in {("account", account), ("card", card)}]
    assert sorted(r.name for r in answer.reasons if r.source == "list") == sorted(e.list for e in about)


@pytest.mark.parametrize(
    ("times", "at", "hit"),
    [
        ({}, "2026-05-01T00:00:00Z", True),
        ({}, "1960-01-01T00:00:00Z", True),
        ({"valid_from": "2026-05-01T00:00:00Z"}, "2026-05-01T00:00:00Z", True),
        ({"valid_from": "2026-05-01T00:00:00.000001Z"}, "2026-05-01T00:00:00Z", False),
        ({"valid_until": "2026-05-01T00:00:00Z"}, "2026-05-01T00:00:00Z", False),
        ({"valid_until": "2026-05-01T00:00:00.000001Z"}, "2026-05-01T00:00:00Z", True),
        ({"valid_from": "1970-01-01T00:00:00Z"}, "1969-12-31T23:59:59Z", False),
    ],
)
def test_an_entry_holds_from_its_beginning_until_before_its_end(times: dict[str, str], at: str, hit: bool) -> None:
    bench = Bench(book_of(QUIET, [entry("m", "block", "account", "x", **times)]))
    answer = bench.ask(payment(time=at, payee={"account": "x"}))
    assert answer.action == ("block" if hit else "allow")


def test_another_value_with_the_same_hash_is_not_taken_for_it() -> None:
    book = ListBook(list_table([entry("m", "block", "account", "x")]), KEY, "v")
    place = LIST_PATHS.index("payee.account")
    assert [h.list for h in book.hits(place, 0, "x", NOW)] == ["m"]
    assert book.hits(place, 0, "y", NOW) == []
    assert book.hits(LIST_PATHS.index("card"), 0, "x", NOW) == []


def test_one_subject_may_stand_on_several_lists_many_times() -> None:
    made = [entry("m", "block", "ip", "10.0.0.1")] * 3 + [entry("w", "watch", "ip", "10.0.0.1")]
    bench = Bench(book_of(QUIET, made))
    answer = bench.ask(payment(network={"ip": "10.0.0.1"}))
    assert [r.name for r in answer.reasons] == ["m", "m", "m", "w"]


def test_a_list_has_one_effect() -> None:
    mixed = list_table([entry("m", "block", "card", "1"), entry("m", "watch", "card", "2")])
    with pytest.raises(InputError, match="list m"):
        ListBook(mixed, KEY, "v")


def test_the_empty_book_knows_nothing() -> None:
    book = ListBook(LIST_SCHEMA.empty_table(), KEY, "none")
    assert (book.size, book.names) == (0, frozenset())


def test_a_table_in_pieces_is_the_same_list() -> None:
    made = [entry("m", "block", "account", f"a{i}") for i in range(5)] + [entry("w", "watch", "card", "c")]
    pieces = pa.concat_tables([list_table([one]) for one in made])
    bench = Bench(book_of(QUIET))
    bench.decider.use(book_of(QUIET, made))
    split = ListBook(pieces.slice(1), KEY, "v")
    assert split.size == 5
    assert [h.list for i in range(5) for h in split.hits(LIST_PATHS.index("payer.account"), i, "a3", NOW)] == ["m"]
    assert bench.ask(payment(payer={"account": "a3"})).action == "block"


def test_times_of_entries_are_microseconds() -> None:
    table = list_table([entry("m", "block", "card", "1", valid_until="2026-05-01T08:00:00.5+08:00")])
    assert table["valid_until"].to_pylist() == [us("2026-05-01T00:00:00.5Z")]
    assert table["valid_from"].to_pylist() == [None]


def test_every_path_of_a_subject_is_looked_up() -> None:
    assert set(LIST_PATHS) == set(SUBJECTS)
