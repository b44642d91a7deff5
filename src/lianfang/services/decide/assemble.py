"""From rule files and API rules to one checked rule set: what may be published, or every reason why not. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from lianfang.engines.expr import ExpressionError, is_reserved
from lianfang.engines.keyed import HashKey
from lianfang.engines.rules import ExampleResult, RuleError, check_ruleset, environment
from lianfang.engines.rules import test_examples as run_examples
from lianfang.engines.rules.parameters import problems_of
from lianfang.kernel.errors import InputError
from lianfang.services.decide.book import merge, rule_book
from lianfang.services.decide.lists import LIST_SCHEMA, ListBook
from lianfang.services.decide.rulefiles import RuleFile
from lianfang.wire import Parameter, Rule, RuleSet, read_ruleset, write

API: Final = "api"
"""Where a rule lives that no file holds."""
PROBLEMS_SHOWN: Final = 20


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a rule set. `line` and `column` count from 1 inside the rule's condition; 0: not there."""

    what: str
    rule: str = ""
    where: str = ""
    line: int = 0
    column: int = 0
    caret: str = ""

    def text(self) -> str:
        """For a person: the sentence, the place, the caret under the mistake."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return "\n".join([head, *("    " + line for line in self.caret.splitlines())])


class RefusedRulesError(InputError):
    """A rule set that may not be published. `problems` says everything that is wrong with it."""

    code = "invalid-rule"

    def __init__(self, problems: Sequence[Problem]) -> None:
        shown = [p.text() for p in problems[:PROBLEMS_SHOWN]]
        if len(problems) > PROBLEMS_SHOWN:
            shown.append(f"... and {len(problems) - PROBLEMS_SHOWN} more")
        super().__init__("\n".join(shown))
        self.problems = tuple(problems)
        self.where = problems[0].where


def problem_of_error(why: InputError) -> Problem:
    """One of our errors as a problem."""
    if isinstance(why, RuleError):
        return Problem(
            what=why.what, rule=why.rule, where=why.where, line=why.line, column=why.column, caret=why.caret()
        )
    return Problem(what=why.what, where=why.where)


class Adjustments(NamedTuple):
    """What an installation changes about its rule files without touching them."""

    off: frozenset[str] = frozenset()
    """Packs that are switched off: their rules are checked and not run."""
    values: Mapping[str, int | float] = {}
    """Values of parameters, in the place of the files'."""


UNADJUSTED: Final = Adjustments()


def assemble(
    files: Sequence[RuleFile],
    api_rules: Iterable[Rule],
    lists: Collection[str],
    adjustments: Adjustments = UNADJUSTED,
) -> RuleSet:
    """One rule set of all, in the order of the files, then the API's rules by id. Raises `RefusedRulesError`.

    Checked here: every condition, every feature, every rule's own examples (unless it is off), and that it compiles.
    Examples prove the condition as the files have it, so they run before packs and parameters are adjusted.
    """
    own = RuleFile("", "", RuleSet(rules=tuple(api_rules)))
    parts = [*files, own] if own.ruleset.rules else list(files)
    try:
        _refuse_twice(parts)
        whole = merge(part.ruleset for part in parts)
    except InputError as why:
        raise RefusedRulesError([problem_of_error(why)]) from why
    problems = [p for part in parts for p in _problems(part, whole, lists)]
    if problems:
        raise RefusedRulesError(problems)
    whole = _adjusted(whole, files, adjustments)
    try:
        empty = ListBook(LIST_SCHEMA.empty_table(), HashKey(0, 0), "none")
        rule_book(whole, empty, lists)
        return read_ruleset(write(whole))  # as the decider will read it
    except InputError as why:
        raise RefusedRulesError([_placed(why, parts)]) from why


def examples(ruleset: RuleSet, lists: Collection[str]) -> list[ExampleResult]:
    """Every example of every rule, run."""
    return run_examples(ruleset.rules, environment(ruleset, lists))


def _adjusted(whole: RuleSet, files: Sequence[RuleFile], adjustments: Adjustments) -> RuleSet:
    off = {r.id for f in files if f.ruleset.pack and f.ruleset.pack.name in adjustments.off for r in f.ruleset.rules}
    values = adjustments.values
    return msgspec.structs.replace(
        whole,
        rules=tuple(msgspec.structs.replace(r, mode="off") if r.id in off else r for r in whole.rules),
        parameters=tuple(
            msgspec.structs.replace(p, value=values[p.name]) if p.name in values else p for p in whole.parameters
        ),
    )


def where_rules_live(files: Iterable[RuleFile]) -> dict[str, str]:
    """Rule id to the file that holds it."""
    return {rule.id: file.name for file in files for rule in file.ruleset.rules}


def _problems(part: RuleFile, whole: RuleSet, lists: Collection[str]) -> list[Problem]:
    """What is wrong with one file, told with positions in it; its rules may use other files' features."""
    usable = tuple(f for f in whole.features if not is_reserved(f.name))
    own = RuleSet(features=part.ruleset.features, parameters=part.ruleset.parameters)
    found: list[RuleError] = check_ruleset(own, lists, where=part.name)
    usable_here = RuleSet(
        features=usable, parameters=_sound(whole.parameters), warnings=whole.warnings, rules=part.ruleset.rules
    )
    found += check_ruleset(usable_here, lists, text=part.text, where=part.name)
    if found:
        return [problem_of_error(one) for one in found]
    tested = [rule for rule in part.ruleset.rules if rule.mode != "off"]
    return [
        Problem(what=f"rule `{r.rule}`: {_said(r)}", rule=r.rule, where=part.name)
        for r in run_examples(tested, environment(whole, lists))
        if not r.ok
    ]


def _sound(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Those that are told of nowhere else."""
    return tuple(one for one in parameters if not problems_of(one))


def _said(result: ExampleResult) -> str:
    number = f"its example {result.index + 1}" + (f" ({result.note})" if result.note else "")
    if result.fired is None:
        return f"{number} cannot run: {result.problem}"
    return f"{number} must {'fire' if result.expected else 'not fire'}, and does{' not' if result.expected else ''}"


def _refuse_twice(parts: Sequence[RuleFile]) -> None:
    for noun, pairs in (
        ("rule", [(r.id, p.name) for p in parts for r in p.ruleset.rules]),
        ("feature", _declared(parts)),
        ("parameter", [(x.name, p.name) for p in parts for x in p.ruleset.parameters]),
        ("warning", [(w.code, p.name) for p in parts for w in p.ruleset.warnings]),
        ("policy", [("", p.name) for p in parts if p.ruleset.policy is not None]),
    ):
        seen: dict[str, str] = {}
        for name, place in pairs:
            if name in seen:
                both = f"{seen[name] or 'the API'} and {place or 'the API'}"
                raise InputError(
                    f"the {noun} {name} is given twice, in {both}" if name else f"a policy is given twice, in {both}",
                    place,
                )
            seen[name] = place


def _declared(parts: Sequence[RuleFile]) -> list[tuple[str, str]]:
    """(feature, file), without those that say the same as an earlier file: what a model reads may be declared beside rules."""
    known: dict[str, str] = {}
    pairs = []
    for part in parts:
        here: set[str] = set()
        for feature in part.ruleset.features:
            if known.get(feature.name) != feature.define or feature.name in here:
                pairs.append((feature.name, part.name))
            known.setdefault(feature.name, feature.define)
            here.add(feature.name)
    return pairs


def _placed(why: InputError, parts: Sequence[RuleFile]) -> Problem:
    """A feature's mistake, with the file and line that declare it."""
    problem = problem_of_error(why)
    if isinstance(why.__cause__, ExpressionError):
        cause = why.__cause__
        problem = msgspec.structs.replace(problem, line=cause.line, column=cause.column, caret=cause.caret())
    for part in parts:
        if any(f.name == why.where for f in part.ruleset.features):
            found = re.search(
                rf"^[\s\-]*\"?name\"?\s*[=:]\s*[\"']?{re.escape(why.where)}[\"']?\s*(#.*)?$", part.text, re.MULTILINE
            )
            line = f"line {part.text.count(chr(10), 0, found.end()) + 1}" if found else ""
            place = ", ".join(x for x in (part.name, line) if x)
            return msgspec.structs.replace(problem, what=f"feature `{why.where}`: {why.what}", where=place)
    return problem
