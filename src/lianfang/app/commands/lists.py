"""`lianfang lists`: sets of subjects at the running node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.wire import ListEntry

Subject = Literal[
    "phone", "id_document", "account", "card", "device", "ip", "email", "merchant", "url", "domain", "app",
    "wallet_address", "wifi", "cell",
]  # fmt: skip
Name = Annotated[str, Parameter(name="--list")]


def import_(
    file: Path,
    /,
    *,
    name: Name,
    effect: Literal["allow", "watch", "block"] | None = None,
    subject: Subject | None = None,
    purpose: str | None = None,
    source: str | None = None,
    reason: str = "",
    dry_run: bool = False,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Add a file's entries to a list. All are checked before the first is sent.

    Parameters
    ----------
    file
        CSV with a header (value, and optionally subject, effect, purpose, source, valid_from, valid_until), JSONL with
        the same fields, or a plain text file with a value a line.
    name
        The list.
    effect
        What being on the list means, where the file does not say.
    subject
        What the values are, where the file does not say.
    purpose
        Why they are on the list, where the file does not say.
    source
        Who says so, where the file does not say.
    reason
        Why it is done; the node keeps it on record. Needed unless --dry-run.
    dry_run
        Check and count only.
    key
        API key with the scope `lists`.
    json
        Write the counts to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import need_reason, settings, write_json
    from lianfang.app.commands.desk import post_entries

    given = {"list": name, "effect": effect, "subject": subject, "purpose": purpose, "source": source}
    entries = read_entries(file, {k: v for k, v in given.items() if v is not None})
    if dry_run:
        print(f"{len(entries):,} entries are sound; nothing was sent")
        counts = {}
    else:
        counts = post_entries(Node(settings(), key), name, entries, need_reason(reason))
        said = ", ".join(f"{number:,} {what}" for what, number in counts.items())
        print(f"{len(entries):,} entries sent to {name}: {said or 'nothing to do'}")
    write_json(json, {"list": name, "entries": len(entries), **counts, "dry_run": dry_run})
    return 0


def read_entries(file: Path, defaults: dict[str, str]) -> list[ListEntry]:
    """A file's entries, gaps filled from `defaults`. Raises `InputError` with file and line."""
    import csv
    import json

    from lianfang.kernel.errors import InputError
    from lianfang.wire import ListEntry, build

    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as why:
        raise InputError(f"cannot read the list: {why}", str(file)) from why
    rows: list[tuple[int, dict[str, Any]]]
    try:
        if file.suffix == ".csv":
            rows = [
                (n, {k: v for k, v in row.items() if v}) for n, row in enumerate(csv.DictReader(text.splitlines()), 2)
            ]
        elif file.suffix in (".jsonl", ".ndjson", ".json"):
            rows = [(n, json.loads(line)) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        else:
            rows = [(n, {"value": line.strip()}) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    except (ValueError, csv.Error) as why:
        raise InputError(f"not readable as {file.suffix}: {why}", str(file)) from why
    entries = []
    for number, row in rows:
        if not isinstance(row, dict):
            raise InputError("an entry is an object", f"{file}, line {number}")
        if row.get("list", defaults["list"]) != defaults["list"]:
            raise InputError(f"the entry is of the list {row['list']!r}", f"{file}, line {number}")
        try:
            entries.append(build(ListEntry, defaults | row))
        except InputError as why:
            raise InputError(f"{why.what} ({_missing(why.what)})", f"{file}, line {number}") from why
    return entries


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


def _missing(what: str) -> str:
    if "missing required field" in what:
        return "a column of the file, or an option of the command, must say it"
    return "the line was not taken, nor any other"
