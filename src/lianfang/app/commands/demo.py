"""`lianfang demo`, which is `make run`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lianfang.app.commands.common import JsonFile


def demo(
    *,
    data_dir: Path = Path("data/demo"),
    rate: float = 30.0,
    seconds: float | None = None,
    lang: Literal["zh", "en", "both"] = "both",
    seed: int = 1,
    past: int = 14,
    json: JsonFile = None,
) -> int:
    """Start a node, feed it simulated payments, and show what is decided and why. Ctrl-C stops everything.

    Parameters
    ----------
    data_dir
        Folder of the demonstration node. It may be deleted at any time.
    rate
        Payments a second.
    seconds
        Stop by itself so long after the first live payment.
    lang
        Language of the labels.
    seed
        Which made-up world.
    past
        Days of earlier payments that a new folder begins with.
    json
        Write the closing figures to this file.
    """
    from lianfang.app.demo import run_demo

    return run_demo(data_dir, rate=rate, seconds=seconds, lang=lang, seed=seed, past_days=past, json_file=json)
