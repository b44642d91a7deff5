"""`lianfang bench alliance`: what sharing costs, part by part; each part runs in a process of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lianfang.app.bench.alliance_keyholder import keyholder_figures
from lianfang.app.bench.alliance_tags import decision_figures, index_figures
from lianfang.app.bench.decide import in_child
from lianfang.app.bench.report import Figure, publish


def _index(quick: bool) -> list[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="lianfang-bench-"))
    try:
        return index_figures(folder, 4_000_000) if quick else index_figures(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _decisions(quick: bool) -> list[Figure]:
    return (
        decision_figures(20_000, 20_000, 40_000, 1_000_000)
        if quick
        else decision_figures(1_000_000, 1_000_000, 200_000)
    )


def _keyholder(quick: bool) -> list[Figure]:
    return keyholder_figures(200, 3, 10) if quick else keyholder_figures()


PARTS: Final[dict[str, Callable[[bool], list[Figure]]]] = {
    "keyholder": _keyholder,
    "index": _index,
    "decisions": _decisions,
}
"""By name; a part's figures keep their names for good."""


def bench_alliance(json_file: Path | None, *, quick: bool, only: tuple[str, ...] = ()) -> None:
    """Measure, print, write. Raises `InputError` for a part there is not."""
    from lianfang.kernel.errors import InputError

    unknown = [one for one in only if one not in PARTS]
    if unknown:
        raise InputError(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}", "--only")
    figures: list[Figure] = []
    for name in only or PARTS:
        print(f"{name} ...", flush=True)
        figures += in_child(PARTS[name], quick)
    about: dict[str, Any] = {"load": "on loopback; processes measured have one core, the load comes from another"}
    publish("alliance", figures, about, json_file)
