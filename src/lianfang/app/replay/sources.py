"""Where a command's rules, lists and mappings come from: files, folders, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lianfang.app.listfiles import read_list_file
from lianfang.engines.keyed import HashKey
from lianfang.infra.history import Mapping, native_mapping, read_mapping
from lianfang.infra.history.table import columns_of, history_files
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.services.decide import ListBook, RuleBook, list_table, merge, rule_book, version_of
from lianfang.services.decide.rulefiles import RuleFile, RuleFiles
from lianfang.wire import ListEntry, RuleSet

STARTER: Final = Path(__file__).parents[1] / "starter"
"""The rule pack that is shipped."""
CHECKOUT: Final = Path(__file__).parents[4]
"""The source tree, where this runs from one: its `examples/` are looked at."""


def rule_files(paths: Sequence[Path]) -> tuple[RuleFile, ...]:
    """Files and folders, read; none at all: the starting pack. Raises `InputError` with file, line and column."""
    found = RuleFiles(list(paths) or [STARTER]).read()
    if not found:
        raise InputError("no rule file (.toml, .yaml) there", ", ".join(map(str, paths)))
    return found


def load_rules(paths: Sequence[Path]) -> RuleSet:
    """Files and folders as one rule set; none at all: the starting pack."""
    return merge(file.ruleset for file in rule_files(paths))


def load_lists(paths: Sequence[Path]) -> list[ListEntry]:
    """List entries of files as `lianfang lists import` takes them, each line naming its list. Raises `InputError`."""
    entries: list[ListEntry] = []
    for path in paths:
        found = read_list_file(path, {})
        if found.refused:
            raise InputError(found.refused[0].what, found.refused[0].where)
        entries += found.entries
    return entries


def book_of(ruleset: RuleSet, entries: Sequence[ListEntry], key: HashKey) -> RuleBook:
    """A rule book over these entries. A list that a rule names and that is not given is an empty list."""
    table = list_table(entries)
    version = version_of([table.num_rows, *sorted({e.list for e in entries})]) if entries else "none"
    return rule_book(ruleset, ListBook(table, key, version), named_lists(ruleset))


def named_lists(ruleset: RuleSet) -> tuple[str, ...]:
    """Names of the lists that the rules' own examples name: they exist, though they may be empty."""
    return tuple({name for r in ruleset.rules for e in r.examples for names in e.lists.values() for name in names})


class Found(NamedTuple):
    """A mapping, where it was found, and the rule file beside it if there is one."""

    mapping: Mapping
    where: str
    rules: Path | None


def find_mapping(history: Path) -> Found:
    """The mapping for a history nobody gave one for: native columns, `mapping.toml` beside it, or a shipped example.

    Raises `InputError` saying what to write when nothing fits.
    """
    file = history_files(history)[0]
    columns = set(columns_of(file))
    if {"id", "time", "kind", "amount", "currency"} <= columns:
        return Found(native_mapping(), "the native layout", None)
    folder = history if history.is_dir() else history.parent
    examples = [p for root in (Path("examples"), CHECKOUT / "examples") for p in sorted(root.glob("*/mapping.toml"))]
    for path in (folder / "mapping.toml", *examples):
        try:
            mapping = read_mapping(path)
        except LianfangError:
            continue
        if {s.column for s in mapping.payment.values() if s.column} <= columns:
            rules = path.with_name("rules.toml")
            return Found(mapping, str(path), rules if rules.exists() else None)
    shown = ", ".join(sorted(columns)[:12])
    raise InputError(
        f"the columns ({shown}) are not payments by themselves; "
        "write a mapping file and give it with --mapping (docs/reference/mapping.md)",
        str(file),
    )
