"""A rule set as a backtest runs it: its book, the replayer that judges by it, and numbers for whatever may be a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.app.replay.run import MEMORY_BYTES, REPLAY_KEY
from lianfang.engines.rules import features_of
from lianfang.engines.scoring import Scorer
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.services.decide import Judged, ListBook, Replayer, RuleBook, column_hints, hot_path, rule_book, version_of
from lianfang.services.decide.facts import HINTS
from lianfang.services.decide.policy import UNSURE_TEXTS, WHY
from lianfang.wire import Feature, Reason, RuleSet

IDS_REMEMBERED: Final = 2_097_152
KNOWN_MAX: Final = 16_384
"""Sets of reasons whose items are kept instead of named again."""
SCORE: Final = "score"
DERIVED: Final = frozenset({"points", WHY, "veto-softened"})
"""Codes of reasons that only sum up or explain others."""


class Side:
    """One rule set. `shares`: it is judged on the steps of the side before it, whose features it counts too."""

    def __init__(self, book: RuleBook, replayer: Replayer, version: str, *, shares: bool) -> None:
        self.book = book
        self.replayer = replayer
        self.version = version
        self.shares = shares
        self.plain = book.layout[: book.layout.index(HINTS)]
        rules = [rule.id if rule.mode == "live" else f"{rule.id} (shadow)" for rule in book.compiled.rules]
        lists = [f"list {name}" for name in sorted(book.lists.names)]
        self.items = (*rules, *lists, SCORE, *(f"unsure {code}" for code in UNSURE_TEXTS))
        """What may be a reason, by name; item i of a tally is `items[i - 1]`."""
        self._number = {name: i + 1 for i, name in enumerate(self.items)}
        self._known: dict[int, tuple[Any, tuple[int, ...]]] = {}
        self._hints = column_hints(book.screen.hints, book.layout)

    def rows(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[tuple[Any, ...]]:
        """A batch in the order of the book's layout."""
        return list(zip(*[columns[path] for path in self.plain], repeat(0, rows), strict=True))

    def hints(self, columns: Mapping[str, Sequence[Any]], rows: int) -> NDArray[np.int64]:
        """What the screen asks of each payment."""
        return self._hints(columns, rows)

    def items_of(self, reasons: tuple[Reason, ...]) -> tuple[int, ...]:
        """The items that stand behind reasons, rising."""
        known = self._known.get(id(reasons))
        if known is not None and known[0] is reasons:
            return known[1]
        made = tuple(sorted({self._number[_name(r)] for r in reasons if r.code not in DERIVED}))
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[id(reasons)] = reasons, made
        return made

    def sets(self, judged: Judged) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
        """For each payment the set of items that fired, an index of the second, or -1; rules in shadow count among them."""
        found = {place: self.items_of(reasons) for place, reasons in judged.reasons}
        for place, aside in judged.shadow:
            more = (self._number[f"{name} (shadow)"] for name in aside)
            found[place] = tuple(sorted({*found.get(place, ()), *more}))
        numbers: dict[tuple[int, ...], int] = {}
        sets = np.full(len(judged.actions), -1, np.int64)
        for place, items in found.items():
            if items:
                sets[place] = numbers.setdefault(items, len(numbers))
        return sets, list(numbers)


def _name(reason: Reason) -> str:
    if reason.source == "rule":
        return reason.name
    if reason.source == "score":
        return SCORE
    return f"list {reason.name}" if reason.source == "list" else f"unsure {reason.code}"


def sides_of(
    rules: RuleSet, current: RuleSet | None, lists: ListBook, known_lists: Sequence[str], scorer: Scorer
) -> tuple[Side, ...]:
    """The set, and the one it would replace. They count features together where no name means two things.

    Raises `InputError` for a set that does not compile, and `ModelError` where the model does not fit it.
    """
    sets = [rules] if current is None else [rules, current]
    together = _together(sets)
    sides: list[Side] = []
    for one in sets:
        book = _book(one if together is None else _with(one, together), lists, known_lists, scorer)
        shares = together is not None and bool(sides)
        hot = (
            sides[0].replayer.decider.hot
            if shares
            else hot_path(book, REPLAY_KEY, memory_bytes=MEMORY_BYTES, ids_remembered=IDS_REMEMBERED)
        )
        replayer = Replayer(book, hot, scorer)
        if trouble := replayer.decider.model_trouble.get("model"):
            raise InputError(trouble, "--model")
        sides.append(Side(book, replayer, version_of(one), shares=shares))
    return tuple(sides)


def _book(one: RuleSet, lists: ListBook, known_lists: Sequence[str], scorer: Scorer) -> RuleBook:
    return rule_book(one, lists, known_lists, also=scorer.paths)


def _with(one: RuleSet, features: tuple[Feature, ...]) -> RuleSet:
    return msgspec.structs.replace(one, features=features)


def _together(sets: Sequence[RuleSet]) -> tuple[Feature, ...] | None:
    """All features of all sets, parameters written out; None where a name means two things, or they are too many."""
    declared: dict[str, Feature] = {}
    for one in sets:
        for feature in features_of(one):
            known = declared.setdefault(feature.name, feature)
            if known.define != feature.define:
                return None
    return tuple(declared.values()) if len(declared) <= limits.FEATURES_MAX else None
