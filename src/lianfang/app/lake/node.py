"""What the lake takes from the node beside it: names of features from the rules in force, and a place in its records."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from lianfang.app.node.files import NodeFiles
from lianfang.engines.features import compile_plan, declare
from lianfang.engines.rules.parameters import features_of
from lianfang.infra.published import RULESET, read_if_there
from lianfang.infra.sql import open_database, prepare_changes, record, sqlite_url
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant
from lianfang.wire import RuleSet, read_ruleset


def feature_names(files: NodeFiles, *others: RuleSet) -> dict[str, tuple[str, ...]]:
    """Names of features by their version: of the rules that the node has in force, and of `others`."""
    raw = read_if_there(files.published / RULESET)
    sets = [*others, read_ruleset(raw)] if raw is not None else list(others)
    found = {}
    for one in sets:
        plan = compile_plan(declare(features_of(one)))
        found[plan.signature] = plan.names
    return found


def entry(files: NodeFiles, act: str, what: str, reason: str, at: Instant, detail: dict[str, Any]) -> int:
    """An entry in the node's records, of whoever is at this machine; its number. Raises `InputError` without a reason."""
    if not files.root.is_dir():
        raise InputError("no such folder of a node; its records are where this would be written", str(files.root))
    database = open_database(sqlite_url(files.records))
    try:
        prepare_changes(database)
        with database.writing() as connection:
            return record(connection, who=_who(), act=act, what=what, reason=reason, at=at, detail=detail)
    finally:
        database.close()


def _who() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        name = "unknown"
    return f"local:{name}"[: limits.ID_LENGTH_MAX]


def files_of(data: Path | None) -> NodeFiles:
    """The node's files: of the folder given, or the one that the settings name."""
    if data is None:
        from lianfang.app.commands.common import settings

        data = Path(settings().data_dir)
    return NodeFiles(data)
