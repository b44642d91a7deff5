"""`lianfang lists`: sets of subjects at the running node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.commands.client import Node
    from lianfang.app.listfiles import ListFile
    from lianfang.wire import ListEntry

Subject = Literal[
    "phone", "id_document", "account", "card", "device", "ip", "email", "merchant", "url", "domain", "app",
    "wallet_address", "wifi", "cell",
]  # fmt: skip
Effect = Literal["allow", "watch", "block", "overridable_block", "override", "veto"]
REFUSED_SHOWN: Final = 20
"""Refused lines that are printed."""
Name = Annotated[str, Parameter(name="--list")]


def import_(
    file: Path,
    /,
    *,
    name: Name,
    effect: Effect | None = None,
    subject: Subject | None = None,
    side: Literal["payer", "payee", "both"] | None = None,
    purpose: str | None = None,
    source: str | None = None,
    reason: str = "",
    dry_run: bool = False,
    replace: bool = False,
    skip_refused: bool = False,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Add a file's entries to a list. All are checked before the first is sent.

    Parameters
    ----------
    file
        CSV with a header, Parquet or JSON lines with the fields of a list entry (value, and optionally subject, effect,
        side, purpose, source, valid_from, valid_until), or a plain text file with a value a line.
    name
        The list.
    effect
        What being on the list means, where the file does not say.
    subject
        What the values are, where the file does not say.
    side
        On whose side they are met, where the file does not say.
    purpose
        Why they are on the list, where the file does not say.
    source
        Who says so, where the file does not say.
    reason
        Why it is done; the node keeps it on record. Needed unless --dry-run.
    dry_run
        Say what would be added, changed, removed and refused, and write nothing.
    replace
        Remove what stands on the list and not in the file.
    skip_refused
        Leave refused lines out. Without: one refused line, and nothing is imported.
    key
        API key with the scope `lists`.
    json
        Write the counts and the refused lines to this file.
    """
    from lianfang.app.commands.common import EXIT_INPUT, need_reason, write_json
    from lianfang.app.listfiles import read_list_file

    given = {"list": name, "effect": effect, "subject": subject, "side": side, "purpose": purpose, "source": source}
    found = read_list_file(file, {k: v for k, v in given.items() if v is not None})
    _tell_refused(found)
    stops = bool(found.refused) and not skip_refused
    counts: dict[str, int] = {}
    if dry_run:
        counts = _try(name, found.entries, replace=replace, key=key)
        if not stops:
            print(f"{len(found.entries):,} entries are sound; nothing was written")
    elif not stops:
        counts = _import(name, found.entries, need_reason(reason), replace=replace, key=key)
    counts |= {"refused": len(found.refused), "repeated": found.repeated}
    print(f"{name}: " + ", ".join(f"{number:,} {what}" for what, number in counts.items()))
    refused = [{"where": one.where, "what": one.what} for one in found.refused]
    write_json(json, {"list": name, "entries": len(found.entries), **counts, "dry_run": dry_run, "lines": refused})
    return EXIT_INPUT if stops else 0


def _tell_refused(found: ListFile) -> None:
    import sys

    for one in found.refused[:REFUSED_SHOWN]:
        print(f"{one.where}: {one.what}{_hint(one.what)}", file=sys.stderr)
    if len(found.refused) > REFUSED_SHOWN:
        print(f"... and {len(found.refused) - REFUSED_SHOWN:,} more; --json has them all", file=sys.stderr)


def _hint(what: str) -> str:
    return (
        " (a column of the file, or an option of the command, must say it)" if "missing required field" in what else ""
    )


def _try(name: str, entries: list[ListEntry], *, replace: bool, key: str | None) -> dict[str, int]:
    """What a running node would do with these; nothing where none runs."""
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import post_entries
    from lianfang.kernel.errors import DependencyError

    try:
        node = Node(settings(), key)
    except DependencyError as why:
        print(f"what would change is not known: {why}")
        return {}
    counts = post_entries(node, name, entries, "", dry_run=True)
    return counts | ({"removed": len(_gone(node, name, entries))} if replace else {})


def _import(name: str, entries: list[ListEntry], reason: str, *, replace: bool, key: str | None) -> dict[str, int]:
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import delete_entries, post_entries

    node = Node(settings(), key)
    gone = _gone(node, name, entries) if replace else []
    counts = post_entries(node, name, entries, reason)
    return counts | ({"removed": delete_entries(node, name, gone, reason)} if replace else {})


def _gone(node: Node, name: str, entries: list[ListEntry]) -> list[dict[str, str]]:
    """What stands on the list and not among `entries`."""
    from lianfang.app.commands.desk import get_entries, get_lists

    if all(one["name"] != name for one in get_lists(node)):
        return []
    kept = {(entry.subject, entry.value) for entry in entries}
    return [
        {"subject": one["subject"], "value": one["value"]}
        for one in get_entries(node, name)
        if (one["subject"], one["value"]) not in kept
    ]


def export(name: str, out: Path, /, *, key: str | None = None) -> int:
    """Write a list's entries as JSONL, which `import` reads again.

    Parameters
    ----------
    name
        The list.
    out
        File to write to.
    key
        API key with the scope `read`.
    """
    import json

    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import get_entries
    from lianfang.kernel.errors import DependencyError

    rows = list(get_entries(Node(settings(), key), name))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    except OSError as why:
        raise DependencyError(f"cannot write {out}: {why.strerror}") from why
    print(f"{len(rows):,} entries of {name} written to {out}")
    return 0


def show(name: str | None = None, /, *, limit: int = 20, key: str | None = None, json: JsonFile = None) -> int:
    """Show the lists there are, or the first entries of one.

    Parameters
    ----------
    name
        The list.
    limit
        Entries shown at most.
    key
        API key with the scope `read`.
    json
        Write what is shown to this file.
    """
    from itertools import islice

    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, table, write_json
    from lianfang.app.commands.desk import get_entries, get_lists
    from lianfang.kernel.errors import InputError

    if limit < 1:
        raise InputError("at least one entry is shown", "--limit")
    node = Node(settings(), key)
    rows: Sequence[dict[str, Any]] = get_lists(node) if name is None else list(islice(get_entries(node, name), limit))
    columns = list(dict.fromkeys(column for row in rows for column in row if column != "schema"))
    if str(json) != "-":
        table(name or "lists", columns or ["nothing"], [[row.get(column) for column in columns] for row in rows])
    write_json(json, rows)
    return 0
