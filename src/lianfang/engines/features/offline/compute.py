"""Declarations to one table of features: prepares each key's events, computes straight and crooked payments, joins them.

Where the decider cannot know what it once knew (a key busier than its memory, a payment later than its memory) a row is
marked DOUBTFUL: there the two may differ by design (docs/explanation/one-definition.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import ibis

from lianfang.engines.expr import Environment, check
from lianfang.engines.expr.columns import needed, true_column
from lianfang.engines.features.declare import Declared, Ratio, Windowed
from lianfang.engines.features.offline.pairs import order_of, pairs
from lianfang.engines.features.offline.parts import FRAUD, KEYS, SEQ, TIME, Group, Table, ring_of
from lianfang.engines.features.offline.windows import windows
from lianfang.engines.features.plan import BUCKETS_MAX, EVENTS_MAX, LATE_S, VALUES_MAX
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import SECOND

DOUBTFUL: Final = "doubtful"
"""Boolean column of the result: the decider's memory may have been at a limit for this payment."""
FRAUD_COLUMNS: Final = ("seq", "known_seq", "known_at")
"""Of the table of frauds: the payment's seq, the outcome's own place in the order, and its instant (us)."""


def columns_needed(declared: Sequence[Declared]) -> tuple[str, ...]:
    """Columns of the table of payments, sorted: SEQ, `time` (us), keys, counted fields, what `where` reads."""
    names = {SEQ, TIME}
    for one in declared:
        if isinstance(one, Windowed):
            names |= {*one.keys, *([one.value] if one.value else [])}
            names |= set(needed(check(one.where, Environment()))) if one.where else set()
    return tuple(sorted(names))


def feature_table(
    declared: Sequence[Declared],
    payments: Table,
    frauds: Table | None = None,
    *,
    sets: bool = False,
    straight: bool | None = None,
) -> Table:
    """SEQ, every feature under its name (float64, null where the decider has NaN), and DOUBTFUL; one row a payment.

    `payments`: `columns_needed`, each payment once. `frauds`: FRAUD_COLUMNS, at most one row a payment; without it no fraud
    is known. `sets`: for backends without distinct window functions. `straight`: True where no payment came late, which
    leaves out the pairs; by default pairs are made for the payments that need them. Raises `InputError`.
    """
    if missing := sorted(set(columns_needed(declared)) - set(payments.columns)):
        raise InputError(f"the table of payments has no column {', '.join(missing)}")
    windowed = [one for one in declared if isinstance(one, Windowed)]
    newest = ibis.rows_window(order_by=SEQ, preceding=(None, 1))
    result = payments.select(SEQ, TIME)
    doubts: list[str] = []
    late = payments.select(SEQ, _ahead=payments[TIME].max().over(newest)) if straight is not True else None
    for i, keys in enumerate(dict.fromkeys(one.keys for one in windowed)):
        group = _group(keys, [one for one in windowed if one.keys == keys], payments, frauds)
        part = _of_group(group, late, sets).rename(**{f"_seq{i}": SEQ, f"_doubt{i}": DOUBTFUL})
        result = result.left_join(part, result[SEQ] == part[f"_seq{i}"]).drop(f"_seq{i}")
        doubts.append(f"_doubt{i}")
    result = _ratios(declared, result)
    doubtful = reduce(or_, [result[name].fill_null(False) for name in doubts], ibis.literal(False))
    return result.select(SEQ, *[one.name for one in declared], **{DOUBTFUL: doubtful})


def _ratios(declared: Sequence[Declared], result: Table) -> Table:
    made = {one.name: result[one.top] / result[one.bottom].nullif(0.0) for one in declared if isinstance(one, Ratio)}
    return result.mutate(**made) if made else result


def _group(keys: tuple[str, ...], features: Sequence[Windowed], payments: Table, frauds: Table | None) -> Group:
    """The events of one key, with the columns that its features count."""
    counted: dict[str, str] = {}
    columns: dict[str, Any] = {}
    for one in features:
        what = _counted(one, payments)
        name = next((n for n, c in columns.items() if c[0] == what[0]), f"_c{len(columns)}")
        columns.setdefault(name, what)
        counted[one.name] = name
    keyed = {name: payments[path].nullif("") for name, path in zip(KEYS, keys, strict=False)}
    base = payments.select(SEQ, TIME, **keyed, **{FRAUD: ibis.literal(False)}, **{n: c[1] for n, c in columns.items()})
    base = base.filter([base[name].notnull() for name in keyed])
    group = Group(keys, tuple(features), base, counted)
    if group.frauds and frauds is not None:
        base = base.union(_known(base, frauds, columns))
    events = base.mutate(**{n: _by_source(base, n, c[0][0], c[2]) for n, c in columns.items()})
    return Group(keys, tuple(features), events, counted)


def _counted(one: Windowed, payments: Table) -> tuple[tuple[str, ...], Any, bool]:
    """(what makes it the same column, the column, whether it is the event's time)"""
    passes = ibis.literal(True) if not one.where else true_column(check(one.where, Environment()), payments)
    since = one.aggregate in ("first", "last")
    if one.aggregate == "distinct":
        value = payments[one.value].nullif("")
    else:
        value = payments[one.value].cast("int64") if one.value else ibis.literal(1, "int64")
    same = (one.source, one.where, one.value, "time" if since else "")
    return same, passes.ifelse(value, ibis.null(value.type())), since


def _by_source(events: Table, name: str, source: str, since: bool) -> Any:
    """The counted column, null in events of the other source; the event's own time where time is what counts."""
    mine = events[FRAUD] if source == "frauds" else ~events[FRAUD]
    value = events[TIME] if since else events[name]
    return (mine & events[name].notnull()).ifelse(value, ibis.null(value.type()))


def _known(base: Table, frauds: Table, columns: dict[str, Any]) -> Table:
    """The same payments once more, where and when each became known to be fraud."""
    known = frauds.select(_of="seq", _at_seq="known_seq", _at="known_at")
    both = base.inner_join(known, base[SEQ] == known._of)
    return both.select(
        **{SEQ: both._at_seq, TIME: both._at}, **{n: both[n] for n in base.columns if n not in (SEQ, TIME, FRAUD)},
        **{FRAUD: ibis.literal(True)},
    ).select(*base.columns)  # fmt: skip


def _of_group(group: Group, late: Table | None, sets: bool) -> Table:
    """SEQ, features and DOUBTFUL of the payments that have the key."""
    found = windows(group, sets=sets)
    marked = _marks(group, late)
    names = [one.name for one in group.features]
    marks = marked.select(_seq=SEQ, _crooked=marked._crooked, **{DOUBTFUL: marked[DOUBTFUL]})
    joined = found.inner_join(marks, found[SEQ] == marks._seq)
    plain = joined.filter(~joined._crooked).select(SEQ, *names, DOUBTFUL)
    if late is None:
        return plain
    paired = pairs(group, marked.filter(marked._crooked))
    doubts = marks.filter(marks._crooked)
    bent = paired.inner_join(doubts, paired[SEQ] == doubts._seq).select(SEQ, *names, DOUBTFUL)
    return plain.union(bent)


def _marks(group: Group, late: Table | None) -> Table:
    """The group's payments with `_crooked` and DOUBTFUL, and the columns of `order_of`."""
    by = group.by
    events = order_of(group) if late is not None else group.events
    kinds = [ring_of(one, group.features) for one in group.features]
    doubt = [ibis.literal(False)]
    for source, limit, retain in sorted(
        {
            (r.source, _limit(r), r.retain_us)
            for r in kinds
            if r.width_us == 0 or r.values or r.retain_us > BUCKETS_MAX * r.width_us
        }
    ):
        frame = ibis.range_window(group_by=by, order_by=TIME, preceding=(retain, 0))
        mine = events[FRAUD] if source == "frauds" else ~events[FRAUD]
        doubt.append(mine.ifelse(1, 0).sum().over(frame) > limit)
    if late is None:
        return events.mutate(_crooked=ibis.literal(False), **{DOUBTFUL: reduce(or_, doubt)}).filter(~events[FRAUD])
    after = ibis.rows_window(group_by=by, order_by=SEQ, following=(1, None))
    events = events.mutate(
        _crooked=(events[TIME] < events._newest).fill_null(False)
        | (events[TIME] > events[TIME].min().over(after)).fill_null(False),
        _full=reduce(or_, doubt),
    )
    events = events.left_join(late.rename(_late_seq=SEQ), events[SEQ] == late[SEQ]).drop("_late_seq")
    horizon = max(r.retain_us for r in kinds)
    behind = (events[TIME] < events._ahead - LATE_S * SECOND).fill_null(False)
    expired = behind & (events._newest + horizon < events._ahead).fill_null(False)
    up_to = ibis.rows_window(group_by=by, order_by=SEQ, preceding=(None, 0))
    events = events.mutate(_behind=behind, _expired=expired.ifelse(1, 0))
    lost = events._behind & (events._expired.max().over(up_to) > 0)
    return events.mutate(**{DOUBTFUL: events._full | lost}).filter(~events[FRAUD])


def _limit(ring: Any) -> int:
    if ring.width_us == 0:
        return EVENTS_MAX
    return VALUES_MAX if ring.values else BUCKETS_MAX
