"""`lianfang simulate`: a made-up world's payments, as a file, as an alliance's files, or as a stream."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lianfang.engines.world import DayBatch, WorldConfig

ALLIANCE_FOLDER = Path("data/alliance-mini")
"""Where `--scenario alliance-mini` goes when nothing else is said."""

ScenarioOption = Annotated[
    Literal["default", "alliance-mini", "demo"],
    Parameter(help="A ready world; other options change it. `alliance-mini` is small and written as an alliance."),
]
LayoutOption = Annotated[
    Literal["flat", "alliance"] | None,
    Parameter(
        help="`flat`: all payments together, with truth. `alliance`: by institution and day, truth and outcomes apart."
    ),
]
WorkersOption = Annotated[int | None, Parameter(help="Processes that make an alliance; by default one a core.")]
ReportOption = Annotated[Path | None, Parameter(help="Write a page with pictures of the world's distributions (HTML).")]
CompareOption = Annotated[
    Path | None, Parameter(help="With --report: the handbook's transactions (Parquet) to draw beside the world's.")
]
TruthOption = Annotated[
    Path | None,
    Parameter(help="With --stream: write the story of each payment of a crime to this file, a JSON object a line."),
]


def simulate(
    *,
    out: Path | None = None,
    scenario: ScenarioOption = "default",
    layout: LayoutOption = None,
    workers: WorkersOption = None,
    report: ReportOption = None,
    compare: CompareOption = None,
    stream: bool = False,
    stdout: bool = False,
    truth: TruthOption = None,
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
    """Make days of payments of several institutions: people with habits, crimes as stories, mules. Labelled, reproducible.

    The same options make the same payments. The world is plausible, not measured: it shows that things work, never
    how well (docs/reference/world.md).

    Parameters
    ----------
    out
        Parquet file (ending in .parquet), or a folder. For `lianfang replay`.
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
    from lianfang.app.commands.common import write_json

    config = _config(scenario, seed, people, days, members, start)
    if stream:
        made = _to_stream(config, rate, limit, key, truth, stdout=stdout)
    else:
        target, chosen = _target(out, scenario, layout, only_report=report is not None, stdout=stdout)
        made = _written(config, target, chosen, workers)
    if report is not None:
        made["report"] = _report(config, report, compare)
    write_json(json, made)
    return 0


def _config(
    scenario: Any, seed: int, people: int | None, days: int | None, members: int | None, start: str | None
) -> WorldConfig:
    import msgspec

    from lianfang.app.commands.common import instant_of
    from lianfang.engines.world import WorldConfig, scenario_config
    from lianfang.wire import build

    given: dict[str, Any] = {"people": people, "days": days, "members": members}
    given = {name: value for name, value in given.items() if value is not None}
    if people is not None and scenario == "default":
        given["merchants"] = max(people // 15, 20)
    if start is not None:
        given["start"] = instant_of(start, "--start")
    return build(WorldConfig, msgspec.to_builtins(scenario_config(scenario, seed)) | given)


def _target(
    out: Path | None, scenario: str, layout: str | None, *, only_report: bool, stdout: bool
) -> tuple[Path | None, str]:
    from lianfang.kernel.errors import InputError

    if stdout:
        raise InputError("--stdout goes with --stream")
    layout = layout or (
        "alliance" if scenario == "alliance-mini" and (out is None or out.suffix != ".parquet") else "flat"
    )
    if out is None and scenario == "alliance-mini" and layout == "alliance":
        out = ALLIANCE_FOLDER
    if out is None and not only_report:
        raise InputError("give --out FILE, --stream or --report FILE")
    if layout == "alliance" and out is not None and out.suffix == ".parquet":
        raise InputError("an alliance is written to a folder", "--out")
    return out, layout


def _written(config: WorldConfig, out: Path | None, layout: str, workers: int | None) -> dict[str, object]:
    if out is None:
        return {}
    return _to_alliance(config, out, workers) if layout == "alliance" else _to_file(config, out)


def _to_alliance(config: WorldConfig, out: Path, workers: int | None) -> dict[str, object]:
    import msgspec

    from lianfang.app.commands.common import progress
    from lianfang.app.world import make_alliance
    from lianfang.kernel.errors import InputError

    if workers is not None and workers < 1:
        raise InputError("at least one process makes a world", "--workers")
    with progress() as bar:
        task = bar.add_task("days", total=config.days)
        made = make_alliance(config, out, workers, lambda days: bar.update(task, completed=days))
    print(
        f"{made.payments:,} payments of {config.days} days and {config.members} institutions, {made.frauds:,} of them fraud, "
        f"{made.outcomes:,} reported, written to {out} ({made.payments / made.seconds:,.0f} payments/s, {made.peak_mb:,.0f} MB)"
    )
    return {"world": msgspec.to_builtins(config), **made._asdict(), "folder": str(out)}


def _report(config: WorldConfig, file: Path, compare: Path | None) -> str:
    from lianfang.app.world import write_report

    write_report(config, file, compare)
    print(f"report written to {file}")
    return str(file)


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
    config: WorldConfig, rate: float, limit: int | None, key: str | None, truth: Path | None, *, stdout: bool
) -> dict[str, object]:
    import contextlib

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
    with contextlib.ExitStack() as open_:
        beside = open_.enter_context(truth.open("w", encoding="utf-8")) if truth is not None else None
        try:
            for fed in pace(feed, rate):
                if node is None:
                    sys.stdout.write(fed.body.decode() + "\n")
                    sys.stdout.flush()
                else:
                    node.ask("decider", "POST", "/v1/decisions", fed.body)
                if beside is not None and fed.story is not None:
                    line = {"payment_id": fed.id, **fed.story._asdict()}
                    beside.write(msgspec.json.encode(line).decode() + "\n")
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
