"""A rule's own examples: each must fire, or must not. Slow and plain; never on the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lianfang.engines.expr import Environment, ExpressionError, check, suggestion
from lianfang.engines.rules.compile import Compiled, Row
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import instant
from lianfang.wire import SUBJECTS, Example, Payment, Rule, build, catalogue

DEFAULT_PAYMENT: Final[Mapping[str, Any]] = {
    "id": "example",
    "time": "2026-01-07T12:00:00+08:00",  # a Wednesday at noon, China's clock
    "kind": "transfer",
    "amount": 10_000,
    "currency": "CNY",
    "channel": "mobile",
    "payer": {"account": "example-payer", "name": "Payer"},
    "payee": {"account": "example-payee", "name": "Payee"},
}
"""What an example's payment is laid over. All other fields are null."""

_TAG_PARTS: Final[Mapping[str, type]] = {"category": str, "severity": int, "contributors": int}
_NAN: Final = float("nan")


@dataclass(frozen=True)
class ExampleResult:
    """One example run. `fired` is None when it could not be run; `problem` then says why."""

    rule: str
    index: int
    expected: bool
    fired: bool | None
    problem: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.fired is self.expected


def test_examples(rules: Sequence[Rule], env: Environment) -> list[ExampleResult]:
    """Runs every example of every rule, whatever its mode, share and validity: an example proves the condition."""
    results: list[ExampleResult] = []
    for rule in rules:
        try:
            checked = check(rule.when, env)
        except ExpressionError as why:
            results += [
                ExampleResult(rule.id, i, example.fires, None, str(why), example.note)
                for i, example in enumerate(rule.examples)
            ]
            continue
        bare = Rule(id=rule.id, zh=rule.zh, en=rule.en, when=rule.when, code=rule.code)
        compiled = Compiled((bare,), (checked,), env.features)
        for i, example in enumerate(rule.examples):
            try:
                fired = _run(compiled, example, env)
                results.append(ExampleResult(rule.id, i, example.fires, fired, "", example.note))
            except InputError as why:
                results.append(ExampleResult(rule.id, i, example.fires, None, str(why), example.note))
    return results


def row_of(payment: Payment, layout: Sequence[str]) -> Row:
    """One payment's values in the order of `layout`. Raises `InputError` for a path that no row has."""
    return tuple(_column(payment, path) for path in layout)


def _column(payment: Payment, path: str) -> Any:
    if path == "surroundings":
        return tuple(finding.code for finding in payment.surroundings)
    if path.startswith("attributes."):
        key, _, kind = path.removeprefix("attributes.").rpartition(":")
        return _attribute(payment.attributes.get(key), kind)
    if path not in catalogue():
        raise InputError(f"a row has no column {path}")
    value: Any = payment
    for name in path.split("."):
        value = getattr(value, name)
    return instant(value) if value is not None and catalogue()[path].type == "time" else value


def _attribute(value: Any, kind: str) -> Any:
    if kind == "flag":
        return value if isinstance(value, bool) else None
    if kind == "text":
        return value if isinstance(value, str) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _run(compiled: Compiled, example: Example, env: Environment) -> bool:
    payment = build(Payment, _merge(DEFAULT_PAYMENT, example.payment))
    for name in example.features:
        if name not in env.features:
            raise InputError(f"unknown feature `{name}`{suggestion(name, env.features)}", "features")
    row = row_of(payment, compiled.paths)
    features = [float(example.features.get(name, _NAN)) for name in env.features]
    listed = {path: _lists(payment, path, names, env) for path, names in example.lists.items()}
    tags = {path: _tag(payment, path, parts) for path, parts in example.tags.items()}
    score = _NAN if example.score is None else example.score
    hits = compiled.bind(compiled.paths)(row, features, listed, tags, score, instant(payment.time))
    if hits.failed:
        raise InputError(f"the rule raised {hits.failed[0][1]!r}")
    return bool(hits.fired)


def _lists(payment: Payment, path: str, names: Sequence[str], env: Environment) -> frozenset[str]:
    _subject(payment, path, "lists")
    for name in names:
        if name not in env.lists:
            raise InputError(f"unknown list `{name}`{suggestion(name, env.lists)}", f"lists.{path}")
    return frozenset(names)


def _tag(payment: Payment, path: str, parts: Mapping[str, Any]) -> tuple[str | None, int | None, int | None]:
    _subject(payment, path, "tags")
    for part, value in parts.items():
        wanted = _TAG_PARTS.get(part)
        if wanted is None:
            raise InputError(f"a tag has no `{part}`{suggestion(part, _TAG_PARTS)}", f"tags.{path}")
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InputError(f"`{part}` is {'text' if wanted is str else 'a whole number'}", f"tags.{path}")
    return parts.get("category"), parts.get("severity"), parts.get("contributors")


def _subject(payment: Payment, path: str, where: str) -> None:
    if path not in SUBJECTS:
        raise InputError(f"`{path}` names no subject{suggestion(path, SUBJECTS)}", where)
    if _column(payment, path) is None:
        raise InputError(f"the example's payment has no `{path}`", where)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
