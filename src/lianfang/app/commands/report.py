"""`lianfang report`: the node's own reports, as the desk writes them by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lianfang.app.node.reports import Kind


def watch(*, data: Path | None = None, background: bool = False) -> int:
    """Write the report of drift now: the last 7 days of the node's lake against up to 28 before, into `reports/`.

    A node whose lake is younger than 14 days has nothing to compare yet; that is said, and is no error.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    background
        Give way to everything else on the machine.
    """
    return _write("watch", data, background=background)


def review(*, data: Path | None = None, background: bool = False) -> int:
    """Write the review of the rules in force now, over the last days of the node's lake, into `reports/`. It changes nothing.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    background
        Give way to everything else on the machine.
    """
    return _write("review", data, background=background)


def _write(kind: Kind, data: Path | None, *, background: bool) -> int:
    import os

    from lianfang.app.lake import files_of
    from lianfang.app.learn.own import own_review, own_watch
    from lianfang.app.node.clock import WallClock
    from lianfang.app.node.reports import keep
    from lianfang.kernel.instant import Instant, moment

    if background:
        os.nice(10)
    files, now = files_of(data), Instant(WallClock()())
    texts = own_watch(files, now) if kind == "watch" else own_review(files, now)
    if not texts:
        print("数据湖太新，尚无可比 too young: the lake needs at least 14 whole days")
        return 0
    files.reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    print(f"报告 report: {keep(files.reports, kind, moment(now).date(), texts)}")
    return 0
