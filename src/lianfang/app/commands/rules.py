"""`lianfang rules`: prove them, check them, look at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile
from lianfang.kernel.errors import InputError

if TYPE_CHECKING:
    from lianfang.services.decide.rulefiles import RuleFile
    from lianfang.wire import RuleSet

Paths = Annotated[tuple[Path, ...], Parameter(negative=())]
Names = Annotated[tuple[str, ...], Parameter(name="--list", negative=())]


def test(*paths: Path, lists: Names = (), json: JsonFile = None) -> int:
    """Run every rule's own examples. Exit status 1 when one does not come out as it says.

    Parameters
    ----------
    paths
        Rule files or folders. Without: the starting pack.
    lists
        Name of a list that exists; may be repeated.
    json
        Write the results to this file.
    """
    from lianfang.app.commands.common import EXIT_FAILED, write_json
    from lianfang.engines.rules import environment, test_examples

    problems, whole, known = _checked(paths, lists)
    env = environment(whole, known)
    wrong = {p["rule"] for p in problems}
    results = test_examples([rule for rule in whole.rules if rule.id not in wrong], env)
    failed = [r for r in results if not r.ok]
    bare = [rule.id for rule in whole.rules if not rule.examples]
    if str(json) != "-":
        _print_problems(problems)
        for result in failed:
            _print_failure(result)
        if bare:
            print(f"without an example: {', '.join(bare)}")
        print(f"{len(whole.rules)} rules, {len(results)} examples, {len(failed)} failed, {len(problems)} mistakes")
    examples = [
        {"rule": r.rule, "example": r.index + 1, "expected": r.expected, "fired": r.fired, "problem": r.problem}
        for r in results
    ]
    write_json(json, {"rules": len(whole.rules), "mistakes": problems, "examples": examples, "without_example": bare})
    return EXIT_FAILED if failed or problems else 0


def check(*paths: Path, lists: Names = (), json: JsonFile = None) -> int:
    """Say everything that is wrong with rule files, with its place. Exit status 1 when anything is.

    Parameters
    ----------
    paths
        Rule files or folders. Without: the starting pack.
    lists
        Name of a list that exists; may be repeated.
    json
        Write the mistakes to this file.
    """
    from lianfang.app.commands.common import EXIT_FAILED, write_json

    problems, whole, _ = _checked(paths, lists)
    if str(json) != "-":
        _print_problems(problems)
        print(f"{len(whole.rules)} rules, {len(whole.features)} features, {len(problems)} mistakes")
    write_json(json, {"rules": len(whole.rules), "features": len(whole.features), "mistakes": problems})
    return EXIT_FAILED if problems else 0


def list_(*paths: Path, key: str | None = None, json: JsonFile = None) -> int:
    """List rules: those of files, or those in force at the running node.

    Parameters
    ----------
    paths
        Rule files or folders. Without: the running node's.
    key
        API key for the node.
    json
        Write the rules to this file.
    """
    import msgspec

    from lianfang.app.commands.common import table, write_json

    rules = _rules(paths, key)
    if str(json) != "-":
        rows = [
            (r.id, r.mode, r.action or "", f"{r.points:+}" if r.points else "", r.lane, f"{r.zh} {r.en}") for r in rules
        ]
        table(f"{len(rules)} rules", ("id", "mode", "action", "points", "lane", "says"), rows, right=("points",))
    write_json(json, [msgspec.to_builtins(rule) for rule in rules])
    return 0


def show(rule: str, /, *paths: Path, key: str | None = None, json: JsonFile = None) -> int:
    """Show one rule: its condition, its consequence, its examples.

    Parameters
    ----------
    rule
        Its id.
    paths
        Rule files or folders to look in. Without: the running node's.
    key
        API key for the node.
    json
        Write the rule to this file.
    """
    import msgspec
    from rich.console import Console
    from rich.pretty import Pretty

    from lianfang.app.commands.common import write_json
    from lianfang.engines.expr import suggestion

    rules = {r.id: r for r in _rules(paths, key)}
    if rule not in rules:
        raise InputError(f"there is no rule `{rule}`{suggestion(rule, rules)}")
    found = rules[rule]
    if str(json) != "-":
        on = Console()
        on.print(f"{found.id}  {found.zh}  {found.en}", style="bold", markup=False, highlight=False)
        on.print(found.when, markup=False, highlight=False)
        rest = {k: v for k, v in msgspec.to_builtins(found).items() if k not in ("id", "zh", "en", "when", "schema")}
        on.print(Pretty(rest))
    write_json(json, msgspec.to_builtins(found))
    return 0


def put(*paths: Path, reason: str, key: str | None = None) -> int:
    """Make or replace rules at the running node: those of the files. All are checked before the first is sent.

    Features and the policy stand in the node's own rule files and are not touched.

    Parameters
    ----------
    paths
        Rule files or folders.
    reason
        Why it is done; the node keeps it on record.
    key
        API key with the scope `rules`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import EXIT_FAILED, settings
    from lianfang.app.commands.desk import check_rules, put_rule
    from lianfang.app.replay import load_rules
    from lianfang.wire import RuleSet

    if not paths:
        raise InputError("name at least one rule file", "PATHS")
    node = Node(settings(), key)
    rules = load_rules(paths).rules
    checked = check_rules(node, RuleSet(rules=rules))
    failed = [e for e in checked["examples"] if not e["ok"]]
    if not checked["ok"] or failed:
        _print_problems(checked["problems"])
        for example in failed:
            print(f"rule `{example['rule']}`, example {example['index'] + 1}: not as it says {example['problem']}")
        return EXIT_FAILED
    for rule in rules:
        put_rule(node, rule, reason)
    print(f"{len(rules)} rules put: {len(checked['added'])} new, {len(checked['replaced'])} replaced")
    return 0


def drop(rule: str, /, *, reason: str, key: str | None = None) -> int:
    """Remove a rule from the running node. One that stands in a rule file is removed there.

    Parameters
    ----------
    rule
        Its id.
    reason
        Why it is done; the node keeps it on record.
    key
        API key with the scope `rules`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import drop_rule

    drop_rule(Node(settings(), key), rule, reason)
    print(f"{rule} is removed")
    return 0


def _rules(paths: Sequence[Path], key: str | None) -> Sequence[Any]:
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import get_rules
    from lianfang.app.replay import load_rules

    return load_rules(paths).rules if paths else get_rules(Node(settings(), key))


def _checked(paths: Sequence[Path], lists: Sequence[str]) -> tuple[list[dict[str, Any]], RuleSet, frozenset[str]]:
    """Every mistake in the files (rule, what, where, caret), the whole set, and the lists taken as existing."""
    import msgspec

    from lianfang.app.replay import named_lists, rule_files
    from lianfang.services.decide.assemble import RefusedRulesError, assemble
    from lianfang.services.decide.book import merge

    files = rule_files(paths)
    known = frozenset(lists).union(*(named_lists(file.ruleset) for file in files))
    problems: list[dict[str, Any]] = []
    try:
        assemble([_without_examples(file) for file in files], (), known)
    except RefusedRulesError as why:
        problems = [msgspec.structs.asdict(problem) for problem in why.problems]
    try:
        whole = merge(file.ruleset for file in files)
    except InputError:  # given twice: among the problems already
        whole = files[0].ruleset
    return problems, whole, known


def _without_examples(file: RuleFile) -> RuleFile:
    """The file's rules as they are, their examples left to whoever runs them one by one."""
    import msgspec

    bare = tuple(msgspec.structs.replace(rule, examples=()) for rule in file.ruleset.rules)
    return type(file)(file.name, file.text, msgspec.structs.replace(file.ruleset, rules=bare))


def _print_problems(problems: Sequence[dict[str, Any]]) -> None:
    for problem in problems:
        print(f"{problem['where']}: {problem['what']}" if problem["where"] else problem["what"])
        for line in problem["caret"].splitlines():
            print(f"    {line}")


def _print_failure(result: Any) -> None:
    said = result.problem or ("must fire and did not" if result.expected else "must not fire and did")
    print(f"rule `{result.rule}`, example {result.index + 1}: {said}" + (f" ({result.note})" if result.note else ""))
