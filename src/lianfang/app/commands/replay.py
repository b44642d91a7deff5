"""`lianfang replay`: what the node would have done with a history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile


def replay(
    file: Path,
    /,
    *,
    mapping: Path | None = None,
    rules: Annotated[list[Path] | None, Parameter(negative=())] = None,
    lists: Annotated[list[Path] | None, Parameter(negative=())] = None,
    json: JsonFile = None,
    since: Annotated[str | None, Parameter(name="--from")] = None,
    until: str | None = None,
    limit: int | None = None,
    trace: Path | None = None,
    truth: Path | None = None,
) -> int:
    """Run a history through the same engine that decides live, at full speed, and print what happened.

    Labels, where the history has them, are used for the figures only.

    Parameters
    ----------
    file
        Parquet, CSV or TSV file, or a folder of Parquet files.
    mapping
        How columns become payments. Without: the native layout, `mapping.toml` beside the file, or a shipped example.
    rules
        Rule file or folder; may be repeated. Without: the one beside the mapping, else the starting pack.
    lists
        List entries, JSONL or CSV; may be repeated.
    json
        Write all figures to this file; `-` for standard output, and no tables.
    since
        Earlier payments only fill the windows. `2018-07-25`, or a time with its zone.
    until
        Payments from here on are left out.
    limit
        Read so many rows at most.
    trace
        Write what was seen and answered, a row a payment, to this Parquet file.
    truth
        Parquet or CSV file with `id` and `label_kind` of the fraudulent payments, where the history does not say.
    """
    from lianfang.app.commands.common import console, instant_of, progress, write_json
    from lianfang.app.replay import (
        Found,
        Replay,
        as_json,
        book_of,
        find_mapping,
        load_lists,
        load_rules,
        read_truth,
        show,
    )
    from lianfang.app.replay import replay as run
    from lianfang.app.replay.run import FOREVER, REPLAY_KEY
    from lianfang.infra.history import history_rows, read_mapping
    from lianfang.kernel.errors import InputError

    if limit is not None and limit < 1:
        raise InputError("at least one row is replayed", "--limit")
    found = Found(read_mapping(mapping), str(mapping), None) if mapping else find_mapping(file)
    beside = [found.rules] if found.rules else []
    book = book_of(load_rules(rules or beside), load_lists(lists or []), REPLAY_KEY)
    job = Replay(
        history=file,
        mapping=found.mapping,
        book=book,
        since=instant_of(since, "--from") if since else -FOREVER,
        until=instant_of(until, "--until") if until else FOREVER,
        limit=limit,
        trace=trace,
        truth=read_truth(truth) if truth else None,
    )
    with progress() as bar:
        total = history_rows(file)
        task = bar.add_task("replay", total=min(total, limit or total))
        result = run(job, lambda rows: bar.update(task, completed=rows))
    about = {
        "history": str(file),
        "mapping": found.where,
        "rule files": ", ".join(str(p) for p in rules or beside) or "the starting pack",
    }
    if str(json) != "-":
        show(result, about, console())
    write_json(json, as_json(result, about))
    return 0
