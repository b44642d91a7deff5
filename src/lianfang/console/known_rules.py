"""Every rule with where it lives, as pages show it, and what its condition may name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from lianfang.console.words import Lang
from lianfang.engines.expr import FUNCTIONS, Environment
from lianfang.engines.expr.functions import CLOCK
from lianfang.engines.expr.names import SPECIAL
from lianfang.engines.rules import environment
from lianfang.services.decide import store
from lianfang.services.decide.publisher import Publisher
from lianfang.wire import SUBJECTS, Rule, catalogue

_CALLS: Final = frozenset(SPECIAL - set(CLOCK))


class Known(NamedTuple):
    """One rule. `file`: empty for a rule of the API; `mode`: in force, which a pack that is off changes."""

    rule: Rule
    file: str
    pack: str
    mode: str
    version: int = 0
    changed_by: str = ""
    changed_at: int | None = None


def known_rules(publisher: Publisher, connection: Any) -> list[Known]:
    """All rules in the order in which they run."""
    modes = {rule.id: rule.mode for rule in publisher.ruleset.rules}
    held = [
        Known(rule, file.name, file.ruleset.pack.name if file.ruleset.pack else "", modes.get(rule.id, rule.mode))
        for file in publisher.files
        for rule in file.ruleset.rules
    ]
    return held + [
        Known(one.rule, "", "", modes.get(one.rule.id, one.rule.mode), one.version, one.changed_by, one.changed_at)
        for one in store.all_rules(connection)
    ]


def wanted(rules: Iterable[Known], text: str, mode: str, pack: str) -> list[Known]:
    """Those whose id, sentence, code or condition holds the text, of one mode, of one pack; empty: any."""
    low = text.lower()
    return [
        one
        for one in rules
        if (not mode or one.mode == mode)
        and (not pack or one.pack == pack)
        and (not low or any(low in said.lower() for said in _texts(one.rule)))
    ]


def _texts(rule: Rule) -> tuple[str, ...]:
    return rule.id, rule.zh, rule.en, rule.code, rule.when, rule.owner


def names(publisher: Publisher, lists: Sequence[str], lang: Lang) -> list[dict[str, str]]:
    """What the editor completes: fields, features, functions, lists and parameters, each with what it is."""
    zh = lang == "zh"
    ruleset = publisher.ruleset
    found = [
        {"label": f.path, "type": "property", "detail": f.type + (" | " + ", ".join(f.choices) if f.choices else "")}
        for f in catalogue().values()
    ]
    found += [
        {"label": f.name, "type": "variable", "detail": (f.zh if zh else f.en) or f.define} for f in ruleset.features
    ]
    found += [{"label": "score", "type": "variable", "detail": "float"}]
    found += [
        {
            "label": f"param.{p.name}",
            "type": "constant",
            "detail": f"{p.value} {p.unit} {p.zh if zh else p.en}".strip(),
        }
        for p in ruleset.parameters
    ]
    found += [
        {"label": name, "type": "function", "detail": f"({', '.join(f.takes)}) {f.gives}"}
        for name, f in FUNCTIONS.items()
    ]
    found += [{"label": name, "type": "function", "detail": "(time) int"} for name in CLOCK]
    found += [{"label": name, "type": "function", "detail": "( )"} for name in sorted(_CALLS)]
    found += [{"label": name, "type": "class", "detail": "名单" if zh else "list"} for name in lists]
    return found + [{"label": word, "type": "keyword", "detail": ""} for word in ("and", "or", "not", "in", "is None")]


def environment_of(publisher: Publisher, connection: Any) -> Environment:
    """What a condition may name now."""
    return environment(publisher.ruleset, store.list_names(connection))


def choices_of_rows(publisher: Publisher, lists: Sequence[str], lang: Lang) -> dict[str, Any]:
    """For the form of rows: fields and features to compare, parameters to compare with, lists, subjects."""
    zh = lang == "zh"
    fields = [
        {"name": f.path, "text": f.path, "type": f.type, "choices": list(f.choices)} for f in catalogue().values()
    ]
    features = [
        {"name": f.name, "text": f"{(f.zh if zh else f.en) or f.define} ({f.name})", "type": "float", "choices": []}
        for f in publisher.ruleset.features
    ]
    return {
        "fields": fields,
        "features": [*features, {"name": "score", "text": "score", "type": "float", "choices": []}],
        "parameters": [{"name": f"param.{p.name}", "text": f"param.{p.name} = {p.value}"} for p in publisher.ruleset.parameters],
        "lists": list(lists),
        "subjects": list(SUBJECTS),
    }  # fmt: skip
