"""The decider's core: one payment in, one answer out, its record appended to the journal. No I/O, no clock of its own.

Whatever goes wrong on the way, the answer is unsure and at least a challenge; it is never silently an allow.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.hotpath import FRESH, HotPath, Steps
from lianfang.engines.hotpath.journey import LIST_PATHS
from lianfang.engines.rules import NO_HITS, Hits
from lianfang.engines.scoring import NEUTRAL, BoundScorer, ModelError, NoModel, Scorer
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, EvidenceError, InputError, LianfangError, TooLargeError
from lianfang.kernel.instant import SECOND
from lianfang.services.decide.answer import Answers
from lianfang.services.decide.book import RuleBook, rule_book
from lianfang.services.decide.facts import Row
from lianfang.services.decide.lists import ListHit
from lianfang.services.decide.policy import list_reason, model_reasons, settle, unsure_reason
from lianfang.services.decide.tags import NO_TAGS, TagBook, TagChange, Tags
from lianfang.wire import Action, Outcome, Payment, Reason, Versions, read_payment

DECISION: Final = 1
OUTCOME: Final = 2
"""Kinds of journal record."""
OVERRUNS: Final = 16
"""So many payments whose rules together took longer than one may: then each rule is timed alone."""
FORGIVE_EVERY: Final = 4_096
"""After so many payments one overrun is forgiven: a busy machine is not a slow rule."""
SETTLED_MAX: Final = 8_192
"""Sets of rules whose outcome is kept instead of settled again."""
SOME_MAX: Final = 24
"""So many rules are run one by one; more, all together: a call each costs more than the rest of them."""
FEW: Final = 6
"""So many rules read features one by one; for more, all are made into numbers at once."""
SCORE_BINS: Final = 20
SLOW_TIMES: Final = 3
"""A rule is quarantined when it was too slow so many times in a row."""
_NO_MODEL: Final = NoModel()
NO_LISTS: Final[dict[str, frozenset[str]]] = {}
Judgement = tuple[Action, tuple[Reason, ...], float, int, tuple[str, ...]]
"""Action, reasons by weight, score (NaN: none), points, rules in shadow that fired."""
Settled = tuple[Action, tuple[Reason, ...], int]
_SKEW = limits.CLOCK_SKEW_MAX_S * SECOND


class Recorded(Protocol):
    """What the core reads of a journal record: the payment's bytes and the answer's."""

    @property
    def parts(self) -> tuple[bytes, ...]: ...


class Journal(Protocol):
    """Where decisions are recorded. `append` buffers; making it durable before the answer leaves is the door's work."""

    next_seq: int

    def ready(self) -> None: ...
    def append(self, kind: int, at: int, parts: tuple[bytes, ...]) -> int: ...
    def read(self, seq: int) -> Recorded: ...


class Decider:
    """Owns the live state. `ticks` is a monotonic clock in nanoseconds; `now` arguments are microseconds, UTC."""

    def __init__(
        self,
        book: RuleBook,
        hot: HotPath,
        journal: Journal,
        scorer: Scorer,
        ticks: Callable[[], int],
        *,
        rule_budget_us: int = 1_000,
    ) -> None:
        self.hot = hot
        self.journal = journal
        self.scorer = scorer
        """The model asked for; `model_version` says whether it is in force."""
        self.challenger: Scorer = _NO_MODEL
        """A second model in shadow: its score is recorded, and changes nothing."""
        self.tags = TagBook()
        """What the alliance says of subjects; changed in place, by the thread that decides."""
        self.model_trouble: dict[str, str] = {}
        """Why a model asked for is not in force, by what it is (`model`, `challenger`)."""
        self._model: BoundScorer = _NO_MODEL
        self._second: BoundScorer = _NO_MODEL
        self.scores: dict[str, list[int]] = {"model": [0] * SCORE_BINS, "challenger": [0] * SCORE_BINS}
        """How many scores of each twentieth from 0 to 1 each model gave."""
        self.counters: Counter[str] = Counter()
        self.rule_hits: Counter[str] = Counter()
        self._ticks = ticks
        self._budget_ns = rule_budget_us * 1_000
        self._slow: Counter[str] = Counter()
        self._overruns = 0
        self._until_forgiven = FORGIVE_EVERY
        self.use(book)

    def use(self, book: RuleBook, models: tuple[Scorer, Scorer] | None = None) -> None:
        """Decide by this book from now on, and score by these models (in force, in shadow; none given: as before).

        Raises `ConflictError` if the book counts other features than the live state.
        """
        if book.plan.signature != self.hot.state.plan.signature:
            raise ConflictError(
                "the feature declarations have changed; restart the decider to count them from the journal"
            )
        self.book = book
        self.scorer, self.challenger = models or (self.scorer, self.challenger)
        self.model_trouble = {}
        self._model = self._bound("model", self.scorer, book)
        self._second = self._bound("challenger", self.challenger, book)
        self._scores = self.model_version is not None
        self._shadows = self._second.version is not None
        self.hot.lists = book.lists.table
        self.hot.tags = self.tags.table
        self.hot.screen = book.screen
        self._text = self.hot.text(book.layout)
        self._at = book.layout.index("time")
        self._answers = Answers(
            Versions(
                rules=book.rules_version,
                lists=book.lists.version,
                features=book.plan.signature,
                model=self.model_version,
                challenger=self._second.version,
            ),
            book.challenges,
        )
        self._standing = self._standing_doubts(book)
        self._least_score = min(book.policy.challenge_score, book.policy.hold_score, book.policy.block_score)
        self._settled: dict[tuple[int, ...], Settled] = {}

    def use_tags(self, tags: TagBook) -> None:
        """Decide by this whole book of tags from the next payment on."""
        self.tags = tags
        self.hot.tags = tags.table

    def change_tags(self, change: TagChange) -> None:
        """Take up one change of what the alliance says: in force for the next payment."""
        self.tags.apply(change)
        self.hot.tags_changed()

    def score_by(self, scorer: Scorer, challenger: Scorer | None = None) -> None:
        """Score by this model from the next payment on. What does not fit the book stands in `model_trouble`, and scores null."""
        self.use(self.book, (scorer, challenger or _NO_MODEL))

    @property
    def model_version(self) -> str | None:
        """The model in force; None where there is none."""
        return self._model.version

    @property
    def challenger_version(self) -> str | None:
        """The model in shadow; None where there is none."""
        return self._second.version

    @property
    def speaks_always(self) -> bool:
        """Whether a payment of which no rule may be true and that is on no list may still be answered otherwise than allow."""
        return self._scores or bool(self._standing)

    def _bound(self, role: str, scorer: Scorer, book: RuleBook) -> BoundScorer:
        """A model that does not fit is not in force: a policy that requires one is then unsure, and an operator is told."""
        try:
            return scorer.bind(book.layout, book.features)
        except (ModelError, InputError) as why:
            self.model_trouble[role] = str(why)
            return _NO_MODEL

    def _standing_doubts(self, book: RuleBook) -> tuple[Reason, ...]:
        """Doubts that hold for every payment under this book."""
        codes = []
        if not any(rule.mode == "live" for rule in book.compiled.rules):
            codes.append("no-rules")
        if book.quarantined:
            codes.append("rule-quarantined")
        if book.policy.model_required and self.model_version is None:
            codes.append("model-missing")
        return tuple(unsure_reason(code, book.policy) for code in codes)

    def decide(self, raw: bytes, payment: Payment, now: int, *, late: bool = False) -> tuple[int, bytes]:
        """(seq that must be durable before the answer may leave, the answer as JSON).

        Raises `InputError` for a time ahead of the clock, `ConflictError` for a changed payment under an old id, and
        `DependencyError` while the journal cannot be written; after any of them nothing was counted.
        """
        book, hot, journal = self.book, self.hot, self.journal
        if len(raw) > limits.PAYMENT_BYTES_MAX:
            raise TooLargeError(f"a payment has at most {limits.PAYMENT_BYTES_MAX} bytes", "$")
        row = book.brief(payment)
        at = row[self._at]
        if at > now + _SKEW:
            raise InputError(
                f"the payment's time is more than {limits.CLOCK_SKEW_MAX_S} s ahead of this node's clock", "$.time"
            )
        journal.ready()  # before anything is counted: a payment that cannot be recorded is not decided
        seq = journal.next_seq
        before = hot.step(self._text(row), seq, at, book.mask(row), book.numbers(row), row[-1])
        if before != FRESH:
            return self._again(before, payment)
        which = hot.candidates
        if which is None or which:
            row = row[:-1] + book.rest(payment)
        action, reasons, score, points, shadow = self.judge(row, hot.features, at, late=late)
        second = self._shadow(row) if self._shadows else NEUTRAL
        if self._scores and score == score:
            self.scores["model"][min(int(score * SCORE_BINS), SCORE_BINS - 1)] += 1
        if second == second:
            self.scores["challenger"][min(int(second * SCORE_BINS), SCORE_BINS - 1)] += 1
        if hot.tagged:
            said = self.tags.met(hot.met)
            self.counters["tagged"] += 1
            answer = self._answers.full(payment.id, now, seq, action, reasons, score, points, shadow, second, said)
        elif reasons or shadow:
            answer = self._answers.full(payment.id, now, seq, action, reasons, score, points, shadow, second)
        elif self._scores or self._shadows:
            answer = self._answers.scored(payment.id, now, seq, score, second)
        else:
            answer = self._answers.allow(payment.id, now, seq)
        journal.append(DECISION, now, (raw, answer, hot.features.tobytes()))
        self.counters[action] += 1
        self._until_forgiven -= 1
        if not self._until_forgiven:
            self._forgive()
        return seq, answer

    def judge(self, row: Row, features: NDArray[np.float64], at: int, *, late: bool = False) -> Judgement:
        """What is to be answered to the payment just stepped, whose features these are. Never raises: a fault is unsure."""
        try:
            return self._judge(self.book, row, features, at, late)
        except Exception:
            self.counters["engine_errors"] += 1
            doubt = unsure_reason("engine-error", self.book.policy)
            return doubt.action or "challenge", (doubt,), math.nan, 0, ()

    def _judge(self, book: RuleBook, row: Row, array: NDArray[np.float64], at: int, late: bool) -> Judgement:
        standing, known = self._standing, self._settled  # of this book: the profile may put another in force
        doubts = standing
        if self.hot.full:
            self.counters["features_full"] += 1
            doubts = (*doubts, unsure_reason("features-full", book.policy))
        if late:
            self.counters["late"] += 1
            doubts = (*doubts, unsure_reason("deadline-passed", book.policy))
        listed = self._listed(book, row, at) if self.hot.listed else ()
        names = _names(listed) if listed else NO_LISTS
        tags = self.tags.for_rules(self.hot.met) if self.hot.tagged else NO_TAGS
        score = self._model(row, array) if self._scores else NEUTRAL
        hits = NO_HITS
        which = self.hot.candidates
        if not late and (which is None or which):
            # As Python's numbers: all, or each when it is asked for.
            features: Sequence[float] = array.tolist() if which is None or len(which) > FEW else array.data
            began = self._ticks()
            if which is None or len(which) > SOME_MAX:
                hits = book.evaluate(row, features, names, tags, score, at)
            else:
                hits = book.evaluate_some(which, row, features, names, tags, score, at)
            if self._ticks() - began > self._budget_ns:
                self._overrun(book, row, features, names, tags, score, at)
        if hits is NO_HITS and not listed and not doubts and not score >= self._least_score:
            return "allow", (), score, 0, ()
        shadow = tuple([book.compiled.rules[i].id for i in hits.shadow])
        if not (listed or doubts is not standing or hits.failed or score >= self._least_score):
            # By rules alone, besides what always holds: the same rules, the same outcome.
            action, ordered, points = known.get(hits.fired) or _settle_rules(book, hits.fired, standing, known)
            for i in hits.fired:
                self.rule_hits[book.reasons[i].name] += 1
            for reason in standing:
                self.rule_hits[reason.name] += 1
            if score == score and action != "allow" and not book.by_score.isdisjoint(hits.fired):
                ordered = (*ordered, *self._why(ordered, action, book, hits))
            return action, ordered, score, points, shadow
        if hits.failed:
            doubts = (*doubts, *self._failures(book, hits))
        reasons = [*(list_reason(hit, book.policy) for hit in listed), *(book.reasons[i] for i in hits.fired), *doubts]
        for reason in reasons:
            self.rule_hits[reason.name] += 1
        action, ordered, points = settle(book.policy, reasons, score)
        if score == score and action != "allow":
            ordered = (*ordered, *self._why(ordered, action, book, hits))
        return action, ordered, score, points, shadow

    def _why(self, reasons: tuple[Reason, ...], action: Action, book: RuleBook, hits: Hits) -> tuple[Reason, ...]:
        """The model's reasons, where the score (its threshold, or a rule that reads it) is what asked for this action."""
        by_score = {book.compiled.rules[i].id for i in hits.fired if i in book.by_score}
        raised = any(r.action == action and (r.source == "score" or r.name in by_score) for r in reasons)
        return model_reasons(self._model.why()) if raised else ()

    def _shadow(self, row: Row) -> float:
        """What the model in shadow says. Its fault is counted, and changes nothing."""
        try:
            score = self._second(row, self.hot.features)
        except Exception:
            self.counters["challenger_errors"] += 1
            return NEUTRAL
        if score >= self._least_score:
            self.counters["challenger_raised"] += 1
        return score

    def _listed(self, book: RuleBook, row: Row, at: int) -> tuple[ListHit, ...]:
        found: list[ListHit] = []
        first = book.layout
        for i, group in enumerate(self.hot.groups.tolist()):
            if group >= 0:
                found += book.lists.hits(i, group, row[first.index(LIST_PATHS[i])], at)
        return tuple(found)

    def _failures(self, book: RuleBook, hits: Hits) -> tuple[Reason, ...]:
        failed = [book.compiled.rules[i] for i, _ in hits.failed]
        for rule in failed:
            self.counters["rule_failures"] += 1
            self.rule_hits[f"{rule.id} (failed)"] += 1
        return tuple(unsure_reason("rule-failed", book.policy, rule.id) for rule in failed if rule.mode == "live")

    def _overrun(
        self,
        book: RuleBook,
        row: Row,
        features: Sequence[float],
        names: dict[str, frozenset[str]],
        tags: Tags,
        score: float,
        at: int,
    ) -> None:
        """The rules took too long. If that is no accident, find the slow one; slow several times, it is taken out."""
        self.counters["rule_overruns"] += 1
        self._overruns += 1
        if self._overruns < OVERRUNS:
            return
        taken = book.compiled.profile(row, features, names, tags, score, at, layout=book.layout, clock=self._ticks)
        slow = {book.compiled.rules[i].id for i, ns in taken if ns > self._budget_ns}
        self._slow = Counter({rule: self._slow[rule] + 1 for rule in slow})
        out = frozenset(rule for rule, times in self._slow.items() if times >= SLOW_TIMES)
        if not slow:
            self._overruns = 0
        elif out:
            self.counters["rules_quarantined"] += len(out)
            self._overruns = 0
            self.use(rule_book(book.ruleset, book.lists, book.known_lists, book.quarantined | out, also=book.also))

    def _forgive(self) -> None:
        self._until_forgiven = FORGIVE_EVERY
        self._overruns = max(self._overruns - 1, 0)

    def _again(self, seq: int, payment: Payment) -> tuple[int, bytes]:
        """The same answer to the same payment; `ConflictError` to another one under its id."""
        parts = self.journal.read(seq).parts
        if len(parts) < 2:
            raise EvidenceError(f"record {seq} of the journal is not a decision; run `lianfang journal verify`")
        if read_payment(parts[0]) != payment:
            raise ConflictError("a payment with this id was already decided, and it was not the same payment", "$.id")
        self.counters["repeated"] += 1
        return seq, parts[1]

    def learn(self, raw: bytes, outcome: Outcome, now: int) -> int:
        """Record an outcome; the seq that must be durable before it is acknowledged."""
        seq = self.journal.append(OUTCOME, now, (raw,))
        self.counters[f"outcome_{outcome.label}"] += 1
        self.count_outcome(outcome, now)
        return seq

    def count_outcome(self, outcome: Outcome, at: int) -> bool:
        """Count a payment that became known to be fraud at `at`, where features ask for it. Whether it was counted.

        Once for each payment, as long as its id is remembered; one that no longer is, or whose record the journal no
        longer has, is left out. What is later said to be genuine stays counted: a window cannot give back.
        """
        if outcome.label != "fraud" or not self.book.plan.frauds:
            return False
        seq = self.hot.seen(outcome.payment_id)
        counted = False
        if seq >= 0:
            try:
                payment = read_payment(self.journal.read(seq).parts[0])
            except LianfangError:
                payment = None
            if payment is not None and payment.id == outcome.payment_id:
                row = self.book.flatten(payment)
                counted = self.hot.learn(self._text(row), at, self.book.mask(row), self.book.numbers(row))
        self.counters["frauds_counted" if counted else "frauds_not_counted"] += 1
        return counted

    def found(self, payment_id: str) -> tuple[int, bytes] | None:
        """(seq that must be durable before it may be shown, the answer given to a payment), if it is remembered."""
        seq = self.hot.seen(payment_id)
        if seq < 0:
            return None
        parts = self.journal.read(seq).parts
        same = len(parts) >= 2 and read_payment(parts[0]).id == payment_id
        return (seq, parts[1]) if same else None

    def step_rows(self, rows: list[Row], seqs: NDArray[np.int64], times: NDArray[np.int64] | None = None) -> Steps:
        """Count payments in turn, many at once: a history's, or the journal's after a restart.

        A seq below 0: the row's payment became known to be fraud, at `times`, which are the payments' own if not given.
        """
        book = self.book
        masks: NDArray[np.int64] = np.zeros(len(rows), np.int64)
        if book.plan.filters:
            masks[:] = [book.mask(row) for row in rows]
        numbers = np.array([book.numbers(row) for row in rows], np.int64).reshape(len(rows), -1)
        at = np.array([row[self._at] for row in rows], np.int64) if times is None else times
        return self.hot.step_many([self._text(row) for row in rows], seqs, at, masks, numbers)

    def relive(self, records: Sequence[tuple[int, tuple[bytes, ...]]]) -> int:
        """Count journaled decisions (seq, parts) again, in order; how many features come out otherwise than recorded."""
        if not records:
            return 0
        rows = [self.book.flatten(read_payment(parts[0])) for _, parts in records]
        steps = self.step_rows(rows, np.array([seq for seq, _ in records], np.int64))
        fresh = (steps.before == FRESH).tolist()
        found = steps.features
        return sum(
            fresh[i] and len(parts) > 2 and found[i].tobytes() != parts[2] for i, (_, parts) in enumerate(records)
        )

    def without_quarantine(self) -> None:
        """Give quarantined rules another chance, at an operator's word."""
        self._slow.clear()
        book = self.book
        self.use(rule_book(book.ruleset, book.lists, book.known_lists, also=book.also))


def _settle_rules(
    book: RuleBook, fired: tuple[int, ...], standing: tuple[Reason, ...], known: dict[tuple[int, ...], Settled]
) -> Settled:
    if len(known) >= SETTLED_MAX:
        known.clear()
    known[fired] = settled = settle(book.policy, [*(book.reasons[i] for i in fired), *standing], math.nan)
    return settled


def _names(hits: tuple[ListHit, ...]) -> dict[str, frozenset[str]]:
    names: dict[str, frozenset[str]] = {}
    for hit in hits:
        names[hit.path] = names.get(hit.path, frozenset()) | {hit.list}
    return names
