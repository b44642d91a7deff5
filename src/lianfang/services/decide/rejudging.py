"""One recorded payment judged again under other rules: what a draft would have answered. Changes nothing, records nothing.

Approximate in two ways, which pages say: features, score and shared tags are those recorded then; lists are those in force now.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from lianfang.engines.hotpath.journey import LIST_PATHS
from lianfang.engines.keyed import HashKey
from lianfang.kernel.instant import instant
from lianfang.services.decide.book import RuleBook, rule_book
from lianfang.services.decide.lists import LIST_SCHEMA, ListBook, ListHit
from lianfang.services.decide.policy import list_reason, settle, unsure_reason
from lianfang.services.decide.store import entries_table, lists_table
from lianfang.services.decide.tags import read_by_rules
from lianfang.wire import SIDES, SUBJECTS, Action, Payment, Reason, RuleSet, TagMet

_e = entries_table.c
_values: Final = attrgetter(*LIST_PATHS)


class Rejudged(NamedTuple):
    """An answer that was not given."""

    action: Action
    reasons: tuple[Reason, ...]
    points: int
    shadow: tuple[str, ...]


def hits_of(connection: sa.Connection, payment: Payment, at: int) -> tuple[ListHit, ...]:
    """The payment's subjects on the lists on record, in force at `at` (us)."""
    effects = {row.name: row.effect for row in connection.execute(sa.select(lists_table))}
    found: list[ListHit] = []
    for path, value in zip(LIST_PATHS, _values(payment), strict=True):
        if not value or not effects:
            continue
        where = (_e.list.in_(tuple(effects))) & (_e.subject == SUBJECTS[path]) & (_e.value == value)
        for row in connection.execute(sa.select(entries_table).where(where).order_by(_e.id)):
            begun = row.valid_from is None or row.valid_from <= at
            if row.side in ("both", SIDES[path]) and begun and (row.valid_until is None or at < row.valid_until):
                found.append(ListHit(path, row.list, effects[row.list], row.purpose, row.source))
    return tuple(found)


def book_of(ruleset: RuleSet, lists: Iterable[str]) -> RuleBook:
    """Compiled, with no list table: hits are handed in."""
    return rule_book(ruleset, ListBook(LIST_SCHEMA.empty_table(), HashKey(0, 0), "none"), lists)


def rejudge(
    book: RuleBook,
    payment: Payment,
    features: Mapping[str, float | None],
    score: float | None,
    listed: Sequence[ListHit],
    met: Sequence[TagMet] = (),
) -> Rejudged:
    """The answer by `book` to a payment with these features (by name; missing: null), score, list hits and tags met."""
    row = book.flatten(payment)
    values = [_number(features.get(one.name)) for one in book.features]
    names: dict[str, frozenset[str]] = {}
    for hit in listed:
        names[hit.path] = names.get(hit.path, frozenset()) | {hit.list}
    by = math.nan if score is None else score
    hits = book.evaluate(row, values, names, read_by_rules(met), by, int(instant(payment.time)))
    reasons: list[Any] = [*(list_reason(hit, book.policy) for hit in listed), *(book.reasons[i] for i in hits.fired)]
    failed = [book.compiled.rules[i] for i, _ in hits.failed]
    reasons += [unsure_reason("rule-failed", book.policy, rule.id) for rule in failed if rule.mode == "live"]
    if not any(rule.mode == "live" for rule in book.compiled.rules):
        reasons.append(unsure_reason("no-rules", book.policy))
    action, ordered, points = settle(book.policy, reasons, by)
    return Rejudged(action, ordered, points, tuple(book.compiled.rules[i].id for i in hits.shadow))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
