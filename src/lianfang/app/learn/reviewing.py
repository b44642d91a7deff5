"""The review of a rule set on a history: rules to look at again, and candidates made of what missed frauds have in common.

Candidates are found on the earlier part of the period and judged on the later one, which finding them never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.backtest import Backtest, Outcome, backtest
from lianfang.app.learn.backtest_figures import figures
from lianfang.app.learn.columns import check_input
from lianfang.app.learn.examples import Wanted, with_examples
from lianfang.app.learn.judging import answers
from lianfang.app.learn.matrix import read_matrix
from lianfang.app.learn.recipe import Ingredients
from lianfang.app.learn.watching import still_filling
from lianfang.engines.expr import Environment, check
from lianfang.engines.features import Ratio, declare
from lianfang.infra.history import FRAUD
from lianfang.kernel.errors import InputError
from lianfang.services.learn.backtest import FRAUD as FRAUD_ROW
from lianfang.services.learn.backtest import GENUINE as GENUINE_ROW
from lianfang.services.learn.backtest import WHOLE
from lianfang.services.learn.intervals import Share, wilson
from lianfang.services.learn.labels import known_labels
from lianfang.services.learn.patterns import CONDITIONS_MAX, Condition, Pattern, find_patterns
from lianfang.services.learn.review import TIMES_BASE, Proposal, proposals
from lianfang.wire import Feature, Input, Rule, RuleSet

EARLIER: Final = 0.6
"""Share of the period that candidates are found on."""
TOUCHED_MOST: Final = 0.0005
"""Share of genuine payments that a candidate may touch."""
DIGITS: Final = 4
EXAMPLES: Final = 2
"""Of each kind, at most: payments on which a candidate must fire, and must not."""


class Candidate(NamedTuple):
    """A rule that nobody has asked for, in shadow, and what it did in the later part of the period."""

    rule: Rule
    missed: int
    """Frauds allowed in the later part ..."""
    caught: Share
    """... and the share of them that it catches."""
    false_alarms: Share
    """Of the later part's genuine payments."""
    precision: Share
    features: tuple[Feature, ...] = ()
    """That its condition reads, declared: a rule file may not have all of them yet."""


class Review(NamedTuple):
    """What is proposed."""

    outcome: Outcome
    proposals: tuple[Proposal, ...]
    candidates: tuple[Candidate, ...]


def review(job: Backtest, made: Ingredients, progress: Callable[[int], None] | None = None) -> Review:
    """Runs the backtest, then looks for candidates. Raises `InputError` as `backtest` does."""
    outcome = backtest(job, progress)
    found = figures(outcome)
    live = {rule.id for rule in outcome.sides[0].book.compiled.rules if rule.mode == "live"}
    counts = outcome.tallies[0].counts.sum(axis=0)[WHOLE].sum(axis=1)
    known = int(counts[FRAUD_ROW] + counts[GENUINE_ROW])
    rules = [one for one in found.worths[0][1:] if one.name in live]
    said = proposals(rules, int(counts[FRAUD_ROW]) / max(known, 1), known)
    return Review(outcome, tuple(said), tuple(_candidates(job, outcome, made)))


def _candidates(job: Backtest, outcome: Outcome, made: Ingredients) -> list[Candidate]:
    matrix = read_matrix(job.history, job.mapping, made, label_delay=job.label_delay)
    said = answers(job)
    if len(said.actions) != len(matrix):
        raise InputError("rows with bad values cannot be reviewed: mend them, or leave them out", str(job.history))
    allowed = said.actions == 0
    cut = outcome.begins + int((outcome.ends - outcome.begins) * EARLIER)
    labels = [
        known_labels(matrix.labels, matrix.known_at, matrix.times, as_of, outcome.delay)
        for as_of in (cut, outcome.as_of)
    ]
    earlier = (matrix.times >= outcome.begins) & (matrix.times < cut)
    later = (matrix.times >= cut) & (matrix.times < outcome.ends)
    filling = still_filling(made, outcome.begins - int(matrix.times.min()))  # they tell the time, not the payment
    usable = [i for i, one in enumerate(made.inputs) if one.name not in filling]
    columns = matrix.columns[:, usable]
    patterns = find_patterns(
        columns,
        earlier & allowed & (labels[0] == FRAUD),
        earlier & allowed & (labels[0] == 0),
        touched_most=TOUCHED_MOST,
        seed=job.seed,
    )
    made = made._replace(inputs=tuple(made.inputs[i] for i in usable))
    rows, base = later & allowed, float((labels[1][later & allowed] == FRAUD).mean())
    judged = [_judged(i, one, made, columns, rows, labels[1]) for i, one in enumerate(patterns, 1)]
    sure = [one for one in judged if one[0].precision.low > TIMES_BASE * base]  # the others were a coincidence
    rng = np.random.default_rng(job.seed)
    period = (earlier | later) & allowed
    wanted = [_wanted(one, held, period, labels[1], matrix.ids, rng) for one, held in sure]
    rules = with_examples(job, made.features, wanted)
    return [
        one._replace(rule=rule, features=_read_by(rule, made.features))
        for (one, _), rule in zip(sure, rules, strict=True)
    ]


def _judged(
    number: int,
    pattern: Pattern,
    made: Ingredients,
    columns: NDArray[np.float64],
    rows: NDArray[np.bool_],
    labels: NDArray[np.int8],
) -> tuple[Candidate, NDArray[np.int64]]:
    """The candidate, and how many of its conditions hold on each payment, short of all by so many: int64[payments]."""
    conditions = [one._replace(value=float(f"{one.value:.{DIGITS}g}")) for one in pattern.conditions]
    lacking = np.full(len(rows), len(conditions))
    for one in conditions:
        lacking -= one.holds(columns)
    hit = rows & (lacking == 0)
    frauds, genuine = rows & (labels == FRAUD), rows & (labels == 0)
    caught, touched = int((hit & frauds).sum()), int((hit & genuine).sum())
    found = Candidate(
        _rule(number, conditions, made),
        int(frauds.sum()),
        wilson(caught, int(frauds.sum())),
        wilson(touched, int(genuine.sum())),
        wilson(caught, caught + touched),
    )
    return found, lacking


def _wanted(
    one: Candidate,
    lacking: NDArray[np.int64],
    period: NDArray[np.bool_],
    labels: NDArray[np.int8],
    ids: NDArray[np.uint64],
    rng: np.random.Generator,
) -> Wanted:
    """Missed frauds that it catches; genuine payments that it just does not touch."""
    fires = np.flatnonzero(period & (labels == FRAUD) & (lacking == 0))
    near = period & (labels == 0) & (lacking > 0)
    quiet = np.flatnonzero(near & (lacking == lacking[near].min(initial=CONDITIONS_MAX)))
    picked = [rng.choice(of, min(EXAMPLES, len(of)), replace=False) for of in (fires, quiet)]
    return Wanted(one.rule, *(tuple(ids[np.sort(of)].tolist()) for of in picked))


def _read_by(rule: Rule, features: Sequence[Feature]) -> tuple[Feature, ...]:
    """The declarations of the features that a condition reads, and of those they are made of."""
    needed = set(check(rule.when, Environment(features=tuple(one.name for one in features))).features)
    for one in declare(features):
        if isinstance(one, Ratio) and one.name in needed:
            needed |= {one.top, one.bottom}
    return tuple(one for one in features if one.name in needed)


def _rule(number: int, conditions: list[Condition], made: Ingredients) -> Rule:
    env = Environment(features=tuple(one.name for one in made.features))
    inputs = [made.inputs[one.column] for one in conditions]
    texts = [_text(one, given, env) for one, given in zip(conditions, inputs, strict=True)]
    said = [_words(one, given) for one, given in zip(conditions, inputs, strict=True)]
    return Rule(
        id=f"candidate.{number}",
        zh=f"候选规则（待核实）：{'，'.join(zh for zh, _ in said)}",
        en=f"Candidate, to be verified: {', '.join(en for _, en in said)}",
        when=" and ".join(texts),
        action="challenge",
        code=f"CANDIDATE-{number}",
        mode="shadow",
        source="found by `lianfang review` in missed frauds",
    )


def _text(one: Condition, given: Input, env: Environment) -> str:
    if check_input(given, env).type == "bool":
        return f"({given.define})" if one.op == ">=" else f"not ({given.define})"
    value = f"{one.value:.{DIGITS}g}"
    return f"({given.define}) {one.op} {int(one.value) if one.value == int(one.value) else value}"


def _words(one: Condition, given: Input) -> tuple[str, str]:
    value = f"{one.value:.{DIGITS}g}"
    return f"{given.zh or given.name} {one.op} {value}", f"{given.en or given.name} {one.op} {value}"


def draft_of(found: Review) -> RuleSet:
    """The candidates as a rule file for `lianfang draft make`: in shadow, until a person thinks otherwise."""
    features = {one.name: one for candidate in found.candidates for one in candidate.features}
    return RuleSet(features=tuple(features.values()), rules=tuple(one.rule for one in found.candidates))


def as_json(found: Review) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "proposals": [one._asdict() for one in found.proposals],
        "candidates": [
            {
                "rule": one.rule.id,
                "when": one.rule.when,
                "examples": msgspec.to_builtins(one.rule.examples),
                "missed_later": one.missed,
                **{k: getattr(one, k)._asdict() for k in ("caught", "false_alarms", "precision")},
            }
            for one in found.candidates
        ],
    }
