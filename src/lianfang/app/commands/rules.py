"""`lianfang rules`: prove them, check them, look at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

Paths = Annotated[tuple[Path, ...], Parameter(negative=())]
Names = Annotated[tuple[str, ...], Parameter(name="--list", negative=())]


def test(*paths: Path, lists: Names = (), json: Path | None = None) -> int:  # noqa: PT028 - not a pytest test
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
    from lianfang.engines.expr import Environment
    from lianfang.engines.rules import test_examples

    problems, whole, known = _checked(paths, lists)
    env = Environment(tuple(f.name for f in whole.features), known)
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


def check(*paths: Path, lists: Names = (), json: Path | None = None) -> int:
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


def list_(*paths: Path, key: str | None = None, json: Path | None = None) -> int:
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


def show(rule: str, /, *paths: Path, key: str | None = None, json: Path | None = None) -> int:
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
    from lianfang.kernel.errors import InputError

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
    """Put rule files in force at the running node, in place of those it has. Checked here and there.

    Parameters
    ----------
    paths
        Rule files or folders.
    reason
        Why; it stands in the node's trail.
    key
        API key with the scope `rules`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import put_rules
    from lianfang.app.replay import load_rules
    from lianfang.kernel.errors import InputError

    if not paths:
        raise InputError("name at least one rule file", "PATHS")
    print(put_rules(Node(settings(), key), load_rules(paths), reason))
    return 0


def _rules(paths: Sequence[Path], key: str | None) -> Sequence[Any]:
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import get_rules
    from lianfang.app.replay import load_rules

    return load_rules(paths).rules if paths else get_rules(Node(settings(), key)).rules


def _checked(paths: Sequence[Path], lists: Sequence[str]) -> tuple[list[dict[str, Any]], Any, frozenset[str]]:
    """Every mistake in the files (rule, what, where, caret), the whole set, and the lists taken as existing."""
    from lianfang.app.replay import read_rule_file, rule_files
    from lianfang.app.replay.sources import STARTER, named_lists
    from lianfang.engines.features import compile_plan, declare
    from lianfang.engines.rules import check_ruleset
    from lianfang.kernel.errors import InputError
    from lianfang.services.decide import merge

    files = [(path, *read_rule_file(path)) for path in rule_files(list(paths) or [STARTER])]
    whole = merge(ruleset for _, ruleset, _ in files)
    known = frozenset(lists) | frozenset(named_lists(whole))
    problems: list[dict[str, Any]] = []
    try:
        compile_plan(declare(whole.features))
    except InputError as why:
        problems.append({"rule": "", "what": why.what, "where": why.where, "caret": ""})
    for path, ruleset, text in files:
        alone = type(ruleset)(policy=ruleset.policy, features=whole.features, rules=ruleset.rules)
        for error in check_ruleset(alone, known, text=text, where=str(path)):
            found = {"rule": error.rule, "what": error.what, "where": error.where, "caret": error.caret()}
            if found not in problems:
                problems.append(found)
    return problems, whole, known


def _print_problems(problems: Sequence[dict[str, Any]]) -> None:
    for problem in problems:
        print(f"{problem['where']}: {problem['what']}" if problem["where"] else problem["what"])
        for line in problem["caret"].splitlines():
            print(f"    {line}")


def _print_failure(result: Any) -> None:
    said = result.problem or ("must fire and did not" if result.expected else "must not fire and did")
    print(f"rule `{result.rule}`, example {result.index + 1}: {said}" + (f" ({result.note})" if result.note else ""))
