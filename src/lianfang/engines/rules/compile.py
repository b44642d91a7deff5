"""All rules as one generated Python function: values are unpacked once, then each rule is one `if`.

A rule that raises is recorded and never stops the others: each stands in its own `try`, which costs nothing until it
catches (CPython 3.11 keeps exception tables beside the code).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from lianfang.engines.expr import Checked, Environment, ExpressionError, Generator, check, columns_of, unpack
from lianfang.engines.rules.errors import RuleError
from lianfang.engines.rules.screening import Screen, make_screen
from lianfang.kernel.instant import instant
from lianfang.wire import Rule

BUCKETS: Final = 1 << 64
ACTIVE: Final = frozenset({"live", "shadow"})
_ALWAYS: Final = frozenset({"payer.account", "id"})
"""Columns that choose a payment's bucket for rules with a share."""


class Hits(NamedTuple):
    """What fired, as indices into `Compiled.rules`, in their order. `failed` pairs an index with what it raised."""

    fired: tuple[int, ...] = ()
    """Live rules that count: of the lane `first` at most one."""
    failed: tuple[tuple[int, Exception], ...] = ()
    shadow: tuple[int, ...] = ()
    """Rules in shadow that fired."""


NO_HITS: Final = Hits()
"""The one result of all payments on which nothing fired and nothing failed."""

Row = tuple[Any, ...]
Listed = Mapping[str, Collection[str]]
"""Path to the names of the lists its value stands on; paths on no list are left out."""
Tags = Mapping[str, tuple[str | None, int | None, int | None]]
"""Path to (category, severity, contributors) of the shared tag on its value; paths without one are left out."""
Evaluate = Callable[[Row, Sequence[float], Listed, Tags, float, int], Hits]
"""(row, features, listed, tags, score, payment's time) to hits. NaN is the null of features and score."""

EvaluateSome = Callable[[Sequence[int], Row, Sequence[float], Listed, Tags, float, int], Hits]
"""The indices of the rules to run, ascending; then as `Evaluate`."""


@dataclass(frozen=True)
class Compiled:
    """Checked rules, ready to be bound to a row's layout."""

    rules: tuple[Rule, ...]
    checked: tuple[Checked, ...]
    features: tuple[str, ...]
    """Names in the order of the features' values."""
    _alone: dict[tuple[str, ...], list[Evaluate]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """Columns of the row that the rules need, sorted."""
        return tuple(sorted(_ALWAYS.union(*(expression.paths for expression in self.checked))))

    @property
    def list_pairs(self) -> tuple[tuple[str, str], ...]:
        """(path, list) pairs that the rules ask for, sorted."""
        return tuple(sorted({pair for expression in self.checked for pair in expression.lists}))

    @property
    def tag_paths(self) -> tuple[str, ...]:
        """Paths whose shared tag the rules read, sorted."""
        return tuple(sorted({path for expression in self.checked for path in expression.tags}))

    def bind(self, layout: Sequence[str]) -> Evaluate:
        """The fused function for rows of this layout. Raises `InputError` if a needed column is missing."""
        return self._build(layout, range(len(self.rules)))

    def bind_some(self, layout: Sequence[str]) -> EvaluateSome:
        """The same for a few rules, by their indices: each in a function of its own, made together."""
        scope: dict[str, Any] = {"__builtins__": {}, "_in_share": in_share}
        lines: list[str] = []
        for i, (rule, checked) in enumerate(zip(self.rules, self.checked, strict=True)):
            generator = Generator()
            test = _test(rule, checked, generator)
            lines += [f"def _r{i}(row, features, listed, tags, score, at_us):"]
            lines += [f"    {s}" for s in (*self._head(generator, layout), f"return {test}")]
            scope |= generator.globals()
        exec(compile("\n".join(lines), "<rules one by one>", "exec"), scope)  # noqa: S102 - our own source, as above
        return _runner([scope[f"_r{i}"] for i in range(len(self.rules))], _settler(self.rules))

    def screen(self, *, amount: bool) -> Screen:
        """What rules out most of the rules before any is run (`screening`)."""
        return make_screen(self.checked, self.features, amount=amount)

    def without(self, rule_ids: Iterable[str]) -> Compiled:
        """The same without some rules. Indices of the result count its own `rules`."""
        out = frozenset(rule_ids)
        kept = [i for i, rule in enumerate(self.rules) if rule.id not in out]
        return Compiled(tuple(self.rules[i] for i in kept), tuple(self.checked[i] for i in kept), self.features)

    def profile(
        self,
        row: Row,
        features: Sequence[float],
        listed: Listed,
        tags: Tags,
        score: float,
        at_us: int,
        *,
        layout: Sequence[str],
        clock: Callable[[], int],
    ) -> list[tuple[int, int]]:
        """Runs each rule alone; (rule index, nanoseconds by `clock`) in order. Slow: for finding the slow rule."""
        key = tuple(layout)
        alone = self._alone.get(key)
        if alone is None:
            alone = self._alone[key] = [self._build(layout, (i,)) for i in range(len(self.rules))]
        taken: list[tuple[int, int]] = []
        for i, evaluate in enumerate(alone):
            start = clock()
            evaluate(row, features, listed, tags, score, at_us)
            taken.append((i, clock() - start))
        return taken

    def _build(self, layout: Sequence[str], indices: Iterable[int]) -> Evaluate:
        generator = Generator()
        body: list[str] = []
        for i in indices:
            body += _statement(i, self.rules[i], self.checked[i], generator)
        head = [*self._head(generator, layout), "fired = failed = None"]
        tail = ["if fired is None and failed is None:", "    return _no_hits", "return _settle(fired, failed)"]
        lines = [
            "def evaluate(row, features, listed, tags, score, at_us):",
            *(f"    {s}" for s in [*head, *body, *tail]),
        ]
        scope = {
            **generator.globals(),
            "_no_hits": NO_HITS,
            "_settle": _settler(self.rules),
            "_fail": _fail,
            "_in_share": in_share,
        }
        exec(compile("\n".join(lines), "<rules>", "exec"), scope)  # noqa: S102 - our own source, from checked trees only
        evaluate: Evaluate = scope["evaluate"]
        return evaluate

    def _head(self, generator: Generator, layout: Sequence[str]) -> list[str]:
        """Statements that give the locals that the generator's conditions read."""
        positions = {self.features.index(name): local for name, local in generator.features.items()}
        return [
            *unpack("row", columns_of(layout, generator.columns), len(layout)),
            *unpack("features", positions, len(self.features)),
            *generator.prepare(),
            *_listed(generator),
            *_tags(generator),
        ]


def compile_rules(rules: Sequence[Rule], env: Environment, *, modes: Collection[str] = ACTIVE) -> Compiled:
    """Checks every rule, keeps those in `modes`. Raises `RuleError` for the first that is wrong."""
    kept: list[tuple[Rule, Checked]] = []
    for rule in rules:
        try:
            checked = check(rule.when, env)
        except ExpressionError as why:
            raise RuleError(why.what, rule.id, cause=why) from why
        if rule.share_from and rule.share_from >= rule.share:
            raise RuleError(f"its share begins at {rule.share_from:g} and ends at {rule.share:g}: nothing", rule.id)
        if rule.mode in modes:
            kept.append((rule, checked))
    return Compiled(tuple(r for r, _ in kept), tuple(c for _, c in kept), env.features)


def in_share(rule_id: str, account: str | None, payment_id: str, below: int, least: int = 0) -> bool:
    """The stable bucket: BLAKE2b-64 of rule and payer's account (else payment's id), so rules draw independently."""
    key = f"{rule_id}\0{payment_id if account is None else account}".encode(errors="surrogatepass")
    return least <= int.from_bytes(blake2b(key, digest_size=8).digest(), "big") < below


def _test(rule: Rule, checked: Checked, generator: Generator) -> str:
    """Source of whether a rule fires."""
    tests: list[str] = []
    if rule.valid_from is not None:
        tests.append(f"at_us >= {instant(rule.valid_from)}")
    if rule.valid_until is not None:
        tests.append(f"at_us < {instant(rule.valid_until)}")
    tests.append(generator.true(checked.tree))
    if rule.share < 1.0 or rule.share_from:
        account, payment = generator.column("payer.account"), generator.column("id")
        least, below = int(rule.share_from * BUCKETS), int(rule.share * BUCKETS)
        tests.append(f"_in_share({(rule.share_key or rule.id)!r}, {account}, {payment}, {below}, {least})")
    return " and ".join(tests)


def _statement(i: int, rule: Rule, checked: Checked, generator: Generator) -> list[str]:
    return [
        "try:",
        f"    if {_test(rule, checked, generator)}:",
        f"        if fired is None: fired = [{i}]",
        f"        else: fired.append({i})",
        "except Exception as why:",
        f"    failed = _fail(failed, {i}, why)",
    ]


def _listed(generator: Generator) -> list[str]:
    """Most payments stand on no list: one test then answers every membership."""
    if not generator.members:
        return []
    found = [f"    {m} = {name!r} in listed.get({path!r}, ())" for (path, name), m in generator.members.items()]
    none = " = ".join([*generator.members.values(), "False"])
    return ["if listed:", *found, "else:", f"    {none}"]


def _tags(generator: Generator) -> list[str]:
    if not generator.tags:
        return []
    part = {"category": 0, "severity": 1, "contributors": 2}
    null = (None, None, None)
    found = [f"    {t} = tags.get({path!r}, {null})[{part[p]}]" for (path, p), t in generator.tags.items()]
    none = " = ".join([*generator.tags.values(), "None"])
    return ["if tags:", *found, "else:", f"    {none}"]


def _runner(rules: Sequence[Callable[..., Any]], settle: Callable[..., Hits]) -> EvaluateSome:
    def some(
        which: Sequence[int],
        row: Row,
        features: Sequence[float],
        listed: Listed,
        tags: Tags,
        score: float,
        at_us: int,
    ) -> Hits:
        fired: list[int] | None = None
        failed: list[tuple[int, Exception]] | None = None
        for i in which:
            try:
                if rules[i](row, features, listed, tags, score, at_us):
                    if fired is None:
                        fired = [i]
                    else:
                        fired.append(i)
            except Exception as why:
                failed = _fail(failed, i, why)
        return NO_HITS if fired is None and failed is None else settle(fired, failed)

    return some


def _fail(failed: list[tuple[int, Exception]] | None, i: int, why: Exception) -> list[tuple[int, Exception]]:
    failed = [] if failed is None else failed
    failed.append((i, why.with_traceback(None)))  # the traceback would keep the payment alive
    return failed


def _settler(rules: Sequence[Rule]) -> Callable[[list[int] | None, list[tuple[int, Exception]] | None], Hits]:
    """Splits what fired by mode, and lets only the first of the lane `first` count."""
    shadow = frozenset(i for i, rule in enumerate(rules) if rule.mode == "shadow")
    first = frozenset(i for i, rule in enumerate(rules) if rule.lane == "first")

    def settle(fired: list[int] | None, failed: list[tuple[int, Exception]] | None) -> Hits:
        counts: list[int] = []
        aside: list[int] = []
        taken = False
        for i in fired or ():
            if i in shadow:
                aside.append(i)
            elif i not in first:
                counts.append(i)
            elif not taken:
                taken = True
                counts.append(i)
        return Hits(tuple(counts), tuple(failed or ()), tuple(aside))

    return settle
