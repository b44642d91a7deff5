"""`lianfang bench`: the figures, measured."""

from __future__ import annotations

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
