"""The reference page of the starting pack, read off its files: rules by pack, parameters, warnings, attributes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lianfang.app.replay import load_rules, rule_files
from lianfang.engines.expr import Checked, check
from lianfang.engines.rules import environment, laws_of
from lianfang.wire import Parameter, Rule, RuleSet

_INTRO: Final = """\
# The starting pack

What a node decides by until it is given rules of its own: {rules} rules in {packs} packs, {features} features, {parameters}
parameters, {warnings} warnings. Made from the files in `src/lianfang/app/starter`; `lianfang rules test` runs their examples.

**A hit says that a payment looks like a pattern, and is to be verified (待核实). It is never a finding of crime.** Every
number here is to be back-tested on your own payments (`lianfang replay`) before you rely on it; what they are worth on
made-up payments: [pack-worth.md](pack-worth.md). No rule fires on the words of
a memo or a name alone, nor on the kind of payment or a new payee alone: a test walks every condition and proves it.

Marks of sources: "facts.md" are the field notes that the project began with; [V] was read in a stored file, [X] in an
excerpt of a third-party copy, [R] is recalled, [inference] is a conclusion. Check law against the official text.

| you want to | do this |
| --- | --- |
| see packs and switch one | `lianfang rules packs`, `lianfang rules pack law off --reason ...`; `/v1/packs` |
| see numbers and change one | `lianfang rules parameters`, `lianfang rules set NAME VALUE --reason ...`; `/v1/parameters` |
| change more than numbers | copy the folder, set `rules` to the copy; the files are then yours |

A number of the law cannot be changed this way (409): it changes in its dated file, with its article. A parameter that a feature's
`where` reads changes what is counted, so the decider starts again and counts anew from its journal.
"""


def pack_reference() -> str:
    """docs/reference/starter-pack.md."""
    files, whole = rule_files(()), load_rules(())
    packs = [(file.ruleset.pack, file.ruleset.rules) for file in files if file.ruleset.pack is not None]
    parts = [
        _INTRO.format(
            rules=len(whole.rules),
            packs=len(packs),
            features=len(whole.features),
            parameters=len(whole.parameters),
            warnings=len(whole.warnings),
        )
    ]
    for pack, rules in packs:
        parts.append(f"## {pack.name}: {pack.zh} / {pack.en}\n\n" + _table(_HEAD, (_row(r, whole) for r in rules)))
    parts.append("## Parameters\n\n" + _table(_PARAMETER_HEAD, (_parameter(p) for p in whole.parameters)))
    warnings = ((f"`{w.code}`", w.zh, w.en) for w in whole.warnings)
    parts.append("## Warnings\n\nWhat a customer must read.\n\n" + _table(("code", "zh", "en"), warnings))
    parts.append(_attributes(whole))
    return "\n".join(parts)


_HEAD: Final = ("rule", "says", "asks for", "of the customer", "parameters", "source")
_PARAMETER_HEAD: Final = ("param.", "value", "unit", "since", "what it is", "source")


def _checked(rule: Rule, whole: RuleSet) -> Checked:
    return check(rule.when, environment(whole, ()))


def _row(rule: Rule, whole: RuleSet) -> Sequence[str]:
    asks = [rule.action or "", f"{rule.points:+} points" if rule.points else "", "(shadow)" * (rule.mode == "shadow")]
    laws = "; ".join(f"{law.zh} / {law.en}" for law in laws_of(rule, whole))
    return (
        f"`{rule.id}`",
        f"{rule.zh}<br>{rule.en}",
        " ".join(word for word in asks if word),
        _challenge(rule),
        ", ".join(f"`{name}`" for name in sorted(_checked(rule, whole).parameters)),
        f"{rule.source}{'; ' + laws if laws else ''}",
    )


def _challenge(rule: Rule) -> str:
    asks = rule.challenge
    if asks is None:
        return ""
    wait = f" `{asks.delay or asks.delay_s}`" if asks.kind == "delay" else ""
    return (
        f"{asks.kind}{wait}"
        + (f", warning `{asks.warning}`" if asks.warning and asks.kind != "warning" else "")
        + (f" `{asks.warning}`" if asks.kind == "warning" else "")
    )


def _parameter(one: Parameter) -> Sequence[str]:
    law = f"; {one.law.zh}：{one.law.text} / {one.law.en}; in force from {one.valid_from:%Y-%m-%d}" if one.law else ""
    return f"`{one.name}`", f"{one.value:,}", one.unit, f"{one.since}", f"{one.zh}<br>{one.en}", one.source + law


def _attributes(whole: RuleSet) -> str:
    users: dict[str, list[str]] = {}
    for rule in whole.rules:
        for path in _checked(rule, whole).paths:
            if path.startswith("attributes."):
                users.setdefault(path.removeprefix("attributes."), []).append(f"`{rule.id}`")
    rows = (
        (f"`{name.partition(':')[0]}`", name.partition(":")[2], ", ".join(of)) for name, of in sorted(users.items())
    )
    return (
        "## Attributes\n\nWhat these rules read beyond the fields of a payment. A rule is silent where an attribute is missing "
        "or of another type; the files say what each means.\n\n" + _table(("attribute", "type", "read by"), rows)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
