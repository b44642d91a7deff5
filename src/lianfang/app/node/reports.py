"""The desk's own reports: what was last written, whether the next is due, and the process that writes it.

A process, as for the lake: it gives way to everything else, and the desk answers people meanwhile.
"""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog
from prometheus_client.core import GaugeMetricFamily

from lianfang.app.node.beside import run_beside
from lianfang.app.node.clock import WallClock
from lianfang.app.node.files import NodeFiles
from lianfang.app.settings import Settings
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.instant import SECOND, Instant, moment

Kind = Literal["watch", "review"]
KINDS: Final[tuple[Kind, ...]] = ("watch", "review")
KEPT: Final = 60
"""Reports of a kind; older ones go."""
FIRST_S: Final = 60.0
"""After the desk's start, before it looks whether a report is due ..."""
LOOK_S: Final = 3_600.0
"""... and between two looks. A node too young for a report is asked as often."""
JSON_BYTES_MAX: Final = 64 << 20

log = structlog.get_logger("desk")


class _Told(msgspec.Struct, frozen=True):
    """What the metrics need of a report of drift; everything else is skipped."""

    made_at: int
    features_drifted: int
    rules_drifted: int


def days(settings: Settings, kind: Kind) -> int:
    """How often this report is made; 0: never."""
    return settings.watch_every_days if kind == "watch" else settings.review_every_days


def newest(folder: Path, kind: Kind) -> Path | None:
    """The JSON of the newest report, or None."""
    found = _all(folder, kind)
    return found[-1] if found else None


def day_of(report: Path, kind: Kind) -> date | None:
    """The day that a report's name says; None for another file."""
    try:
        return date.fromisoformat(report.stem.removeprefix(f"{kind}-"))
    except ValueError:
        return None


def is_due(folder: Path, kind: Kind, every: int, today: date) -> bool:
    """Whether the newest is so many days old, or there is none."""
    last = newest(folder, kind)
    day = day_of(last, kind) if last is not None else None
    return day is None or (today - day).days >= every


def keep(folder: Path, kind: Kind, day: date, files: dict[str, str]) -> Path:
    """Write a report's files by their endings, `json` last, whole or not at all; let go of the oldest. The JSON's path."""
    for ending in sorted(files, key=lambda one: one == "json"):
        write_whole(folder / f"{kind}-{day.isoformat()}.{ending}", files[ending].encode(), 0o600)
    for old in _all(folder, kind)[:-KEPT]:
        for file in folder.glob(f"{old.stem}.*"):
            file.unlink(missing_ok=True)
    return folder / f"{kind}-{day.isoformat()}.json"


def _all(folder: Path, kind: Kind) -> list[Path]:
    """By day: a name's order is the days' order."""
    return sorted(path for path in folder.glob(f"{kind}-*.json") if day_of(path, kind) is not None)


async def reports_keeping(
    settings: Settings, files: NodeFiles, trouble: dict[str, str], *, first_s: float = FIRST_S, look_s: float = LOOK_S
) -> None:
    """Writes reports when they are due, until cancelled; what goes wrong stands in `trouble` until it goes well."""
    clock = WallClock()
    await asyncio.sleep(first_s)
    while True:
        for kind in KINDS:
            today = moment(Instant(clock())).date()
            if days(settings, kind) and is_due(files.reports, kind, days(settings, kind), today):
                await _try(files.root, kind, trouble)
        await asyncio.sleep(look_s)


async def _try(root: Path, kind: Kind, trouble: dict[str, str]) -> None:
    about = f"report {kind}"
    why = await write_once(root, kind)
    if why is None:
        trouble.pop(about, None)
    elif trouble.get(about) != why:
        trouble[about] = why
        log.error("a report was not written", report=kind, why=why)


async def write_once(root: Path, kind: Kind) -> str | None:
    """One report; None, or what went wrong. A report that is cancelled is not there: it is made anew."""
    return await run_beside("report", kind, "--background", "--data", str(root))


def gauges(folder: Path, now: int) -> list[Any]:
    """For Prometheus, of the newest report of drift; none where there is none."""
    last = newest(folder, "watch")
    raw = read_if_there(last) if last is not None and last.stat().st_size <= JSON_BYTES_MAX else None
    if raw is None:
        return []
    try:
        told = msgspec.json.decode(raw, type=_Told)
    except msgspec.MsgspecError:
        return []
    age = max(now - told.made_at, 0) / SECOND
    return [
        GaugeMetricFamily("lianfang_watch_report_age_seconds", "Age of the newest report of drift", age),
        GaugeMetricFamily("lianfang_watch_features_drifted", "Numbers that drifted, by it", told.features_drifted),
        GaugeMetricFamily("lianfang_watch_rules_drifted", "Hit rates that drifted, by it", told.rules_drifted),
    ]
