"""`lianfang simulate`: a made-up world's payments, as a file or as a stream."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lianfang.engines.world import DayBatch, WorldConfig


def simulate(
    *,
    out: Path | None = None,
    stream: bool = False,
    stdout: bool = False,
    people: int | None = None,
    days: int | None = None,
    seed: int = 1,
    members: int | None = None,
    start: str | None = None,
    rate: float = 30.0,
    limit: int | None = None,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Make days of payments of several institutions: people with habits, a few scams, mules. Labelled, reproducible.

    The same options make the same payments. The world is plausible, not measured: it shows that things work, never
    how well.

    Parameters
    ----------
    out
        Parquet file (ending in .parquet) or a folder for one file a day. For `lianfang replay`.
    stream
        Post payments to the running node instead, each at the present time.
    stdout
        With --stream: print them, a JSON object a line, instead of posting.
    people
        Inhabitants.
    days
        Days of life.
    seed
        Which world.
    members
        Institutions that keep the accounts.
    start
        First day, as 2026-03-02.
    rate
        With --stream: payments a second; 0 for as fast as they go.
    limit
        With --stream: stop after so many.
    key
        With --stream: API key with the scope `decide`.
    json
        Write what was made to this file.
    """
    from lianfang.app.commands.common import instant_of, write_json
    from lianfang.engines.world import WorldConfig
    from lianfang.kernel.errors import InputError
    from lianfang.wire import build

    if (out is None) == (not stream):
        raise InputError("give either --out FILE or --stream")
    if stdout and not stream:
        raise InputError("--stdout goes with --stream")
    given = {"people": people, "days": days, "seed": seed, "members": members}
    values = {name: value for name, value in given.items() if value is not None}
    if start is not None:
        values["start"] = instant_of(start, "--start")
    config = build(WorldConfig, values)
    made = _to_stream(config, rate, limit, key, stdout=stdout) if out is None else _to_file(config, out)
    write_json(json, made)
    return 0


def _to_file(config: WorldConfig, out: Path) -> dict[str, object]:
    import msgspec

    from lianfang.app.commands.common import progress
    from lianfang.engines.world import generate
    from lianfang.infra.history import write_history

    frauds = rows = 0

    def counted() -> Iterator[DayBatch]:
        nonlocal frauds, rows
        for batch in generate(config):
            frauds += int((batch.label == 1).sum())
            rows += batch.rows
            yield batch
            bar.update(task, completed=batch.day + 1)

    with progress() as bar:
        task = bar.add_task("days", total=config.days)
        files = write_history(counted(), out)
    print(f"{rows:,} payments of {config.days} days, {frauds:,} of them fraud, written to {out}")
    return {"world": msgspec.to_builtins(config), "payments": rows, "frauds": frauds, "files": [str(f) for f in files]}


def _to_stream(
    config: WorldConfig, rate: float, limit: int | None, key: str | None, *, stdout: bool
) -> dict[str, object]:
    import msgspec

    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.demo.feed import Feed, pace
    from lianfang.kernel.errors import InputError

    if rate < 0:
        raise InputError("a rate is not negative", "--rate")
    feed = Feed(config)
    node = None if stdout else Node(settings(), key)
    sent = 0
    try:
        for body in pace(feed, rate):
            if node is None:
                sys.stdout.write(body.decode() + "\n")
                sys.stdout.flush()
            else:
                node.ask("decider", "POST", "/v1/decisions", body)
            sent += 1
            if limit is not None and sent >= limit:
                break
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever read has had enough
        sys.stderr.close()
    if not stdout:
        print(f"{sent:,} payments posted")
    return {"world": msgspec.to_builtins(config), "payments": sent}
