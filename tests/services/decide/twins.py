"""A journal whose durability the test controls, a clock that stands still, and deciders made of text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pytest

from lianfang.engines.expr import FUNCTIONS, Function
from lianfang.engines.hotpath import HotPath
from lianfang.engines.keyed import HashKey
from lianfang.engines.scoring import NoModel
from lianfang.kernel.errors import DependencyError, InputError
from lianfang.kernel.instant import SECOND, instant
from lianfang.services.decide import Decider, ListBook, RuleBook, hot_path, list_table, rule_book
from lianfang.wire import Decision, Feature, ListEntry, Policy, Rule, RuleSet, read_decision, read_payment

KEY = HashKey(3, 5)
NOW = 1_777_600_000 * SECOND
TIME = "2026-05-01T01:46:40Z"
"""The same moment as NOW."""


class Record(NamedTuple):
    """What the decider reads of a record."""

    parts: tuple[bytes, ...]


class FakeJournal:
    """Keeps records in a list. Durable is what `sync` says; broken is what `failure` says."""

    def __init__(self) -> None:
        self.records: list[tuple[int, int, tuple[bytes, ...]]] = []
        self.durable_seq = 0
        self.failure: DependencyError | None = None
        self.commits_asked = 0

    @property
    def next_seq(self) -> int:
        return len(self.records) + 1

    @next_seq.setter
    def next_seq(self, _: int) -> None:
        raise AssertionError("only append counts")

    def ready(self) -> None:
        if self.failure is not None:
            raise self.failure

    def append(self, kind: int, at: int, parts: tuple[bytes, ...]) -> int:
        self.ready()
        self.records.append((kind, at, parts))
        return len(self.records)

    def read(self, seq: int) -> Record:
        if not 1 <= seq <= len(self.records):
            raise InputError(f"the journal has no record {seq}")
        return Record(self.records[seq - 1][2])

    def commit_soon(self) -> None:
        self.commits_asked += 1


class Ticks:
    """A monotonic clock in nanoseconds that only the test moves."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def rule(rule_id: str, when: str, **more: Any) -> Rule:
    """A rule with a code and sentences of its own."""
    given: dict[str, Any] = {"code": f"c-{rule_id}", "zh": "因为", "en": "because", **more}
    return Rule(id=rule_id, when=when, **given)


def entry(name: str, effect: str, path_kind: str, value: str, **times: str) -> ListEntry:
    """A list entry, read as from outside."""
    plain = {"list": name, "effect": effect, "subject": path_kind, "value": value, "purpose": "p", "source": "s"}
    return msgspec.convert({**plain, **times}, ListEntry)


def book_of(
    rules: Iterable[Rule] = (),
    entries: Iterable[ListEntry] = (),
    features: Iterable[Feature] = (),
    policy: Policy | None = None,
    known_lists: Iterable[str] = (),
) -> RuleBook:
    """A rule book of these."""
    whole = RuleSet(rules=tuple(rules), features=tuple(features), policy=policy)
    return rule_book(whole, ListBook(list_table(entries), KEY, "lists-1"), known_lists)


class Bench:
    """One decider with its journal and clock."""

    def __init__(self, book: RuleBook, scorer: Any = None, memory_bytes: int = 1 << 22, **options: Any) -> None:
        self.journal = FakeJournal()
        self.ticks = Ticks()
        self.hot: HotPath = hot_path(book, KEY, memory_bytes=memory_bytes, ids_remembered=1_024)
        self.decider = Decider(book, self.hot, self.journal, scorer or NoModel(), self.ticks, **options)

    def ask(self, raw: bytes, now: int = NOW, *, late: bool = False) -> Decision:
        """Decide one payment; its answer, read back."""
        _, answer = self.decider.decide(raw, read_payment(raw), now, late=late)
        return read_decision(answer)


def payment(payment_id: str = "p1", time: str = TIME, amount: int = 100, **more: Any) -> bytes:
    """A payment as JSON."""
    plain = {"id": payment_id, "time": time, "kind": "transfer", "amount": amount, "currency": "CNY", **more}
    return msgspec.json.encode(plain)


def us(time: str) -> int:
    """An RFC 3339 time as an instant."""
    return instant(datetime.fromisoformat(time))


def with_function(patch: pytest.MonkeyPatch, name: str, call: Any) -> None:
    """Teach the expression language a function of one text that gives a bool, for this test only."""
    more = {**FUNCTIONS, name: Function(("text",), "bool", call=call)}
    patch.setattr("lianfang.engines.expr.names.FUNCTIONS", more)
