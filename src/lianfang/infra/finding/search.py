"""One question over several runs: windows of rows from the newest down, the rarest key first, then the other conditions.

A window is what is looked at together. Without a key, whole blocks whose least and most rule the time or the amount out are
passed over without a look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import codes, keys
from lianfang.infra.finding.keys import Keys, hashed, subject_words, word
from lianfang.infra.finding.query import LOOK_MAX, Query
from lianfang.infra.finding.run import BLOCK, Array, Run

WINDOW_MIN: Final = 4_096
WINDOW_MAX: Final = 262_144
_Slices = list[Array]


class Plan(NamedTuple):
    """A question in keys and numbers. `keyed`: of each condition, the keys of which a row must have one."""

    query: Query
    keyed: tuple[Keys, ...]
    of_decision: tuple[Keys, ...]
    """For outcomes: what the decision they are about must have."""
    flags: int
    flags_mask: int
    actions: Array | None
    currency: int
    kind: int
    channel: int


def plan_of(query: Query, key: HashKey) -> Plan:
    """Raises `InputError` for a subject that no payment has."""
    own: list[list[str]] = []
    others: list[list[str]] = []
    if query.payment_id is not None:
        own.append([word(keys.PAYMENT, query.payment_id)])
    for what, value in ((keys.LABEL, query.label), (keys.SCAM, query.scam)):
        if value is not None:
            own.append([word(what, value)])
    if query.subject is not None:
        others.append(subject_words(query.subject.value, query.subject.kind, query.subject.side))
    for what, value in ((keys.RULE, query.rule), (keys.SHADOW, query.shadow), (keys.REASON, query.reason)):
        if value is not None:
            others.append([word(what, value)])
    if not query.outcomes:  # an outcome has these in its columns only
        if query.actions and "allow" not in query.actions:
            own.append([word(keys.ACTION, action) for action in query.actions])
        if query.unsure:
            own.append([word(keys.UNSURE, "")])
    flags = (codes.OUTCOME if query.outcomes else 0) | (codes.UNSURE if query.unsure else 0)
    mask = codes.OUTCOME | (0 if query.unsure is None else codes.UNSURE)
    hashes = [hashed(words, key) for words in (*own, *others)]
    split = len(own) if query.outcomes else len(hashes)
    return Plan(
        query,
        tuple(hashes[:split]),
        tuple(hashes[split:]),
        flags,
        mask,
        np.array([codes.code_of(one, codes.ACTIONS) for one in query.actions], np.uint8) if query.actions else None,
        codes.currency_code(query.currency),
        codes.code_of(query.kind, codes.KINDS),
        codes.code_of(query.channel, codes.CHANNELS),
    )


class Found(NamedTuple):
    """Rows of one run that fit, the newest first, and the seq down to which everything was looked at."""

    run: Run
    rows: Array
    down_to: int
    looked: int


def search(runs: Sequence[Run], plan: Plan, look_max: int = LOOK_MAX, floor: int = 0) -> Iterator[Found]:
    """Window by window from the newest run (the last) down, until the caller has enough or `look_max` rows were looked at.

    `floor`: a run that reaches to it or beyond gives nothing below it, because an older run has that.
    """
    looked = 0
    for run in reversed(runs):
        low = run.row_of(floor) if run.sizes.last >= floor else 0
        for rows, down_to, count in _windows(run, plan, low, look_max - looked):
            looked += count
            fitting = _fits(run, rows, plan)
            if plan.of_decision and len(fitting):
                fitting = fitting[_decisions_fit(runs, run.about(fitting), plan.of_decision)]
            yield Found(run, fitting[::-1], down_to, looked)
            if looked >= look_max:
                return


def _windows(run: Run, plan: Plan, low: int, look_max: int) -> Iterator[tuple[Array, int, int]]:
    """Rows to be looked at (ascending), the seq down to which nothing else is left, and how many they are."""
    alive = _alive_blocks(run, plan)
    if not len(alive):
        return
    query = plan.query
    high = len(run) if query.before_seq is None else run.row_of(query.before_seq)
    low, high = max(low, int(alive[0]) * BLOCK), min(high, (int(alive[-1]) + 1) * BLOCK)
    if plan.keyed:
        yield from _keyed_windows(run, plan, low, high, look_max)
        return
    size = 1
    blocks = alive[(alive * BLOCK < high) & ((alive + 1) * BLOCK > low)]
    while len(blocks) and look_max > 0:
        taken, blocks = blocks[-size:], blocks[:-size]
        rows = (taken[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        rows = rows[(rows < high) & (rows >= low)]
        if not len(rows):
            continue
        yield rows, int(run.seq[rows[0]]), len(rows)
        look_max -= len(rows)
        size = min(size * 2, WINDOW_MAX // BLOCK)


def _alive_blocks(run: Run, plan: Plan) -> Array:
    """Numbers of blocks that may have a row of the times and amounts asked for."""
    query, arrays = plan.query, run.arrays
    alive = np.ones(len(arrays["at_min"]), bool)
    for name, least, most in (("at", query.time_from, query.time_to), ("amount", query.amount_from, query.amount_to)):
        if least is not None:
            alive &= arrays[f"{name}_max"] >= least
        if most is not None:
            alive &= arrays[f"{name}_min"] <= most
    return np.flatnonzero(alive)


def _keyed_windows(run: Run, plan: Plan, low: int, high: int, look_max: int) -> Iterator[tuple[Array, int, int]]:
    conditions: list[_Slices] = []
    for wanted in plan.keyed:
        slices = [_between(run.slice_of(key), low, high) for key in wanted]
        conditions.append([one for one in slices if len(one)])
    conditions.sort(key=lambda slices: sum(map(len, slices)))
    if not conditions[0]:
        return
    driver, others = conditions[0], conditions[1:]
    size = WINDOW_MIN
    while driver and look_max > 0:
        floor = max(int(one[max(len(one) - size, 0)]) for one in driver)
        rows = np.concatenate([one[int(one.searchsorted(np.uint32(floor))) :] for one in driver])
        if len(driver) > 1:
            rows = np.unique(rows)
        looked = len(rows)
        for slices in others:
            rows = rows[_members(rows, slices)]
        yield rows, int(run.seq[floor]), looked
        look_max -= looked
        driver = [left for one in driver if len(left := one[: int(one.searchsorted(np.uint32(floor)))])]
        size = min(size * 2, WINDOW_MAX)


def _between(rows: Array, low: int, high: int) -> Array:
    return rows[int(rows.searchsorted(np.uint32(low))) : int(rows.searchsorted(np.uint32(high)))]


def _members(rows: Array, slices: _Slices) -> Array:
    """Which of `rows` stand in one of the slices."""
    found = np.zeros(len(rows), bool)
    for one in slices:
        at = np.minimum(one.searchsorted(rows), len(one) - 1)
        found |= one[at] == rows
    return found


def _fits(run: Run, rows: Array, plan: Plan) -> Array:
    """Those rows whose columns are as asked."""
    query = plan.query
    if len(rows):
        rows = rows[run.flags[rows] & plan.flags_mask == plan.flags]
    if plan.actions is not None:
        rows = rows[np.isin(run.action[rows], plan.actions)]
    for column, asked, code in (
        (run.currency, query.currency, plan.currency),
        (run.kind, query.kind, plan.kind),
        (run.channel, query.channel, plan.channel),
    ):
        if asked is not None:
            rows = rows[(column[rows] == code) & (code > 0)]
    for column, least, most in (
        (run.amount, query.amount_from, query.amount_to),
        (run.at, query.time_from, None if query.time_to is None else query.time_to - 1),
    ):
        if least is not None:
            rows = rows[column[rows] >= least]
        if most is not None:
            rows = rows[column[rows] <= most]
    return rows


def _decisions_fit(runs: Sequence[Run], seqs: Array, conditions: Sequence[Keys]) -> Array:
    """Which of these decisions have, for each condition, one of its keys."""
    fits = np.zeros(len(seqs), bool)
    for run in runs:
        inside = np.flatnonzero((seqs >= run.sizes.first) & (seqs <= run.sizes.last))
        if not len(inside):
            continue
        rows = np.minimum(run.seq.searchsorted(seqs[inside]), len(run) - 1)
        good = run.seq[rows] == seqs[inside]
        for wanted in conditions:
            good &= _members(rows, [one for key in wanted if len(one := run.slice_of(key))])
        fits[inside] = good
    return fits
