"""`lianfang bench`: the figures, measured."""

from __future__ import annotations

from pathlib import Path

from lianfang.app.commands.common import JsonFile


def decide(*, json: JsonFile = None, quick: bool = False) -> int:
    """Measure decisions: throughput, latency, restart, and what each part costs. About eight minutes.

    Parameters
    ----------
    json
        Write the figures to this file.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.decide import Sizes, bench_decide

    bench_decide(Sizes.quick() if quick else Sizes(), json)
    return 0


def model(*, json: JsonFile = None, quick: bool = False) -> int:
    """Measure a model: what a score and its reasons cost, 400 trees over 60 features. Ten seconds.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.models import ROWS, bench_model

    bench_model(json, ROWS // 20 if quick else ROWS)
    return 0


def messages(*, json: JsonFile = None, quick: bool = False) -> int:
    """Measure messages: a pacs.008 read and written, its pacs.002, an ISO 8583 request and response. A few seconds.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.messages import bench_messages

    bench_messages(20 if quick else 2_000, json)
    return 0


def lake(*, json: JsonFile = None, quick: bool = False) -> int:
    """Measure the lake: a journal of a million decisions taken in, compacted and asked. About three minutes, 3 GB of disk.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.lake import ROWS, bench_lake

    bench_lake(json, ROWS // 50 if quick else ROWS)
    return 0


def world(*, json: JsonFile = None, quick: bool = False) -> int:
    """Measure the simulator: how fast, in how much memory, and how hard its fraud is to tell. About eight minutes.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.world import Sizes, bench_world

    bench_world(Sizes.quick() if quick else Sizes(), json)
    return 0


def accuracy(*, json: JsonFile = None, handbook: Path | None = None, worlds: bool = True, quick: bool = False) -> int:
    """Measure how well fraud is told: the Fraud Detection Handbook's protocol, made-up worlds, an alliance's tags.

    About five minutes. The handbook's transactions are not shipped: give them, or that part is left out and said so.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    handbook
        The handbook's simulated transactions of 2018-04-01 to 08-14, as Parquet: a file or its folder. Without:
        `shared/data/card-fraud-fdh` beside the source tree, where that is.
    worlds
        Measure on made-up worlds too.
    quick
        Small worlds, for trying the command; not for quoting.
    """
    from lianfang.app.bench.accuracy import BESIDE, bench_accuracy

    bench_accuracy(handbook or (BESIDE if BESIDE.exists() else None), json, worlds=worlds, quick=quick)
    return 0


def backtest(*, json: JsonFile = None, rows: int | None = None, days: int | None = None, quick: bool = False) -> int:
    """Measure the backtest: 60 features and 100 rules over a made-up history; a score; parity of features. A minute.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    rows
        Payments of the history; without, 1,300,000. It is streamed: memory grows with what the windows hold, not with it.
    days
        Days that the history spans; without, 90. In longer ones accounts are less busy, and windows pass.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.backtest import PARITY_ROWS, ROWS, bench_backtest
    from lianfang.app.bench.made_history import DAYS

    given = rows if rows is not None else ROWS // 50 if quick else ROWS
    bench_backtest(json, given, PARITY_ROWS // 20 if quick else PARITY_ROWS, DAYS if days is None else days)
    return 0


def console(*, json: JsonFile = None, rows: int | None = None, pages: int | None = None, quick: bool = False) -> int:
    """Measure the console: its pages over ten million records, and questions to an index of as many. 10 minutes, 12 GB.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    rows
        Decisions in the index; without, 10,000,000.
    pages
        Records in the journal and the index behind the pages; without, as many as --rows. 0: no pages.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.console import ROWS, bench_console

    found = rows if rows is not None else ROWS // 100 if quick else ROWS
    bench_console(json, found, found if pages is None else pages)
    return 0


def alliance(*, json: JsonFile = None, quick: bool = False, only: tuple[str, ...] = ()) -> int:
    """Measure sharing: keyholders, the log, ten million tags in the decider, a tag's way to another member. Ten minutes.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    quick
        A small run, for trying the command; not for quoting.
    only
        Parts to measure; all of them if not said.
    """
    from lianfang.app.bench.alliance import bench_alliance

    bench_alliance(json, quick=quick, only=only)
    return 0


def log(*, json: JsonFile = None, quick: bool = False) -> int:
    """Measure the verifiable log: appends that each wait for the disk, alone and in batches. Half a minute.

    Parameters
    ----------
    json
        Also write the figures as JSON to this file.
    quick
        A small run, for trying the command; not for quoting.
    """
    from lianfang.app.bench.tlog import bench_log

    bench_log(json, 0.5 if quick else 10)
    return 0
