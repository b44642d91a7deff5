"""A compiled rule set over a table: one boolean column a rule, so that a history is judged in one vectorised pass.

Imported where histories are computed, not with the package: the decider has no use for Ibis.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from hashlib import blake2b
from operator import or_
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.expr.columns import needed, true_column
from lianfang.engines.rules.compile import BUCKETS, Compiled
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant
from lianfang.wire import Rule

Table = Any
_SIGNED: Final = BUCKETS // 2
"""Buckets are unsigned, columns are not: every bucket is this much lower there."""


def rule_column(rule_id: str) -> str:
    """Boolean column: whether the rule fired."""
    return f"rule {rule_id}"


def bucket_column(rule_id: str) -> str:
    """int64 column that `buckets` makes; needed for rules with a share of the traffic."""
    return f"bucket {rule_id}"


def divides(rule: Rule) -> bool:
    """Whether the rule applies to a share of the traffic only, and so reads buckets."""
    return rule.share < 1.0 or rule.share_from > 0


def bucket_key(rule: Rule) -> str:
    """The rule whose buckets this one reads: its own, or that of the rule it divides the traffic with."""
    return rule.share_key or rule.id


def buckets(rule_id: str, accounts: Sequence[str | None], ids: Sequence[str]) -> NDArray[np.int64]:
    """The bucket of each payment for this rule, as `in_share` draws it, less 2**63. `accounts`: the payers'."""
    head = f"{rule_id}\0".encode()
    drawn = bytearray()
    for account, payment_id in zip(accounts, ids, strict=True):
        key = head + (payment_id if account is None else account).encode(errors="surrogatepass")
        drawn += blake2b(key, digest_size=8).digest()
    return (np.frombuffer(bytes(drawn), ">u8") ^ np.uint64(_SIGNED)).astype(np.uint64).view(np.int64)


def columns_needed(compiled: Compiled) -> tuple[str, ...]:
    """Columns that `rule_table` reads, sorted: see `engines.expr.columns` for their names."""
    names = {name for checked in compiled.checked for name in needed(checked)}
    names |= {bucket_column(bucket_key(rule)) for rule in compiled.rules if divides(rule)}
    if any(rule.valid_from is not None or rule.valid_until is not None for rule in compiled.rules):
        names.add("time")
    return tuple(sorted(names))


def rule_table(compiled: Compiled, table: Table, keep: Sequence[str] = ()) -> Table:
    """The columns `keep` and, for every rule, `rule_column`: what the fused function of `Compiled.bind` gives as `Hits`.

    True where a live rule counts (of the lane `first` at most one of them) or a rule in shadow fires. No order of rows is
    kept unless a backend does so by itself; `keep` says which row is which. Raises `InputError` for a lacking column.
    """
    if clash := sorted({rule_column(rule.id) for rule in compiled.rules} & set(keep)):
        raise InputError(f"the table already has a column {clash[0]!r}")
    tests = {
        rule.id: _test(rule, checked, table) for rule, checked in zip(compiled.rules, compiled.checked, strict=True)
    }
    fired = table.select(*keep, **{rule_column(one): test for one, test in tests.items()})
    first = [rule_column(r.id) for r in compiled.rules if r.lane == "first" and r.mode != "shadow"]
    if len(first) > 1:
        fired = fired.mutate(
            **{name: fired[name] & ~reduce(or_, [fired[f] for f in first[:i]]) for i, name in enumerate(first) if i}
        )
    return fired


def _test(rule: Rule, checked: Any, table: Table) -> Any:
    test = true_column(checked, table)
    if rule.valid_from is not None:
        test &= table["time"] >= instant(rule.valid_from)
    if rule.valid_until is not None:
        test &= table["time"] < instant(rule.valid_until)
    if divides(rule):
        name = bucket_column(bucket_key(rule))
        if name not in table.columns:
            raise InputError(f"the table has no column {name!r}, which `buckets` makes")
        test &= table[name] < int(rule.share * BUCKETS) - _SIGNED
        test &= table[name] >= int(rule.share_from * BUCKETS) - _SIGNED
    return test
