"""What the console's watching pages are told: figures of now, how each part is, what is on disk. Kept for a moment, for all.

The decider's /metrics are read at most once a second, and only while somebody looks.
"""

from __future__ import annotations

import os
import platform
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from lianfang import __version__
from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.following import LAG_TOLD_S, Following
from lianfang.app.node.peer import ask
from lianfang.app.settings import HELP, Settings
from lianfang.console.watched import Level, NodeState, Panel, Part, Process, Setting, Signal, Store, Wall
from lianfang.infra import published
from lianfang.infra.finding.manifest import MANIFEST as FINDING_MANIFEST
from lianfang.infra.lake.manifest import MANIFEST as LAKE_MANIFEST
from lianfang.infra.published import read_if_there
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import SECOND, Instant
from lianfang.services.overview import Rollup, Stream, buckets_of, latency_between, slots, today
from lianfang.services.overview.latency import Buckets

T = TypeVar("T")
PANEL_S: Final = 1.0
"""So long a panel is good; so below."""
WALL_S: Final = 2.0
STATE_S: Final = 5.0
WINDOW_S: Final = 60
"""Response times are those of so long."""
UNWATCHED_S: Final = 10.0
"""After a pause as long in looking, the stretch begins anew."""
LATE_TIMES: Final = 3
"""What is made every so often is late after so many times that."""
LATE_SLACK_S: Final = 120
FILES_MAX: Final = 200_000
SECRET_PATHS: Final = frozenset({"tls_key"})
"""Settings of which only it is shown that they are set."""
Ready = Callable[[], tuple[int, dict[str, Any]]]


class _Kept:
    """One value made by `make`, kept for `for_s`; who comes while it is made waits for it."""

    def __init__(self, for_s: float) -> None:
        self._for_s, self._lock = for_s, threading.Lock()
        self._value: Any = None
        self._until = float("-inf")

    def get(self, make: Callable[[], T]) -> T:
        with self._lock:
            if ticks_s() >= self._until:
                self._value = make()
                self._until = ticks_s() + self._for_s
            kept: T = self._value
            return kept


class Watched:
    """See `console.watched.Watched`."""

    def __init__(
        self, settings: Settings, files: NodeFiles, following: Following, ready: Ready, decider_url: Callable[[], str]
    ) -> None:
        self._settings, self._files, self._following = settings, files, following
        self._ready, self._decider_url = ready, decider_url
        self._clock = WallClock()
        self._zone = ZoneInfo(settings.timezone)
        self._readings: deque[tuple[float, Buckets]] = deque()
        self._panel, self._wall, self._state = _Kept(PANEL_S), _Kept(WALL_S), _Kept(STATE_S)
        self.ending = False

    @property
    def stream(self) -> Stream:
        """The decisions as they come."""
        return self._following.stream

    @property
    def rollup(self) -> Rollup:
        """The counts."""
        return self._following.rollup

    @property
    def reports(self) -> Path:
        """The folder of reports."""
        return self._files.reports

    # the figures of now

    def panel(self) -> Panel:
        """The figures of now, made anew at most once in `PANEL_S`."""
        return self._panel.get(self._make_panel)

    def _make_panel(self) -> Panel:
        deciding = self._read_metrics()
        readings = self._readings
        latency = latency_between(readings[0][1], readings[-1][1]) if len(readings) > 1 else latency_between({}, {})
        window = round(readings[-1][0] - readings[0][0]) if readings else 0
        at = self._clock()
        counted = today(self.rollup, Instant(at), self._zone)
        return Panel(at, counted, latency, window, deciding, self._following.behind)

    def _read_metrics(self) -> bool:
        """One more reading of the decider's histogram. Whether it answered."""
        now = ticks_s()
        if self._readings and now - self._readings[-1][0] > UNWATCHED_S:
            self._readings.clear()
        try:
            said = ask(self._decider_url(), "GET", "/metrics", tls_cert=self._settings.tls_cert)
        except DependencyError:
            self._readings.clear()
            return False
        self._readings.append((now, buckets_of(said.body.decode("utf-8", "replace"))))
        while now - self._readings[0][0] > WINDOW_S:
            self._readings.popleft()
        return said.status == 200

    # the wall

    def wall(self) -> Wall:
        """What a room sees beyond the panel."""
        return self._wall.get(self._make_wall)

    def _make_wall(self) -> Wall:
        at = Instant(self._clock())
        return Wall(slots(self.rollup, at), tuple(self._signals(at)))

    def _signals(self, at: int) -> Iterator[Signal]:
        status, body = self._ready()
        attention: dict[str, str] = body["attention"]
        yield _signal("decider", "good" if status == 200 else "bad", attention, ("journal", "recovery", "decider"))
        lagging = self._following.lag_s > LAG_TOLD_S
        yield _signal("desk", "warn" if lagging else "good", attention, ("following", "rules", "records"))
        lake = _age(self._files.lake / LAKE_MANIFEST, at)
        every = self._settings.lake_every_s
        late = bool(every) and lake is not None and lake > (LATE_TIMES * every + LATE_SLACK_S) * SECOND
        yield _signal("lake", "warn" if late else "good", attention, ("lake",), lake)
        yield _signal(
            "index", "good", attention, ("following.index",), _age(self._files.finding / FINDING_MANIFEST, at)
        )
        yield _signal("model", "good", attention, ("model", "challenger"))
        yield _signal("lists", "good", attention, ("lists",), _age(self._files.published / published.LISTS, at))

    # the whole node

    def state(self) -> NodeState:
        """The whole node."""
        return self._state.get(self._make_state)

    def _make_state(self) -> NodeState:
        _, body = self._ready()
        running = self._running()
        usage = shutil.disk_usage(self._files.root)
        return NodeState(
            version=__version__,
            python=platform.python_version(),
            started_at=running.get("started_at"),
            ready=body["ready"],
            attention=body["attention"],
            inside=body["decider"],
            processes=(
                Process("node", running.get("pid"), ""),
                Process("decider", running.get("decider_pid"), running.get("decider", "")),
                Process("desk", running.get("desk_pid", os.getpid()), running.get("desk", "")),
            ),
            stores=tuple(_store(name, path) for name, path in self._places()),
            disk_free=usage.free,
            disk_total=usage.total,
            settings=tuple(_settings(self._settings)),
        )

    def _running(self) -> dict[str, Any]:
        raw = read_if_there(self._files.running)
        try:
            return msgspec.json.decode(raw, type=dict[str, Any]) if raw else {}
        except msgspec.MsgspecError:
            return {}

    def _places(self) -> tuple[tuple[str, Path], ...]:
        f = self._files
        return (
            ("journal", f.journal), ("snapshot", f.snapshot), ("lake", f.lake), ("index", f.finding),
            ("models", f.models), ("published", f.published), ("reports", f.reports), ("records", f.records),
        )  # fmt: skip


def _signal(
    part: Part, level: Level, attention: dict[str, str], about: tuple[str, ...], age: int | None = None
) -> Signal:
    """At least a warning where something of it needs attention."""
    named = any(key == one or key.startswith((f"{one}.", f"{one} ")) for key in attention for one in about)
    return Signal(part, "warn" if named and level == "good" else level, age)


def _age(path: Path, at: int) -> int | None:
    changed = _changed(path)
    return None if changed is None else max(at - changed, 0)


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns // 1_000
    except OSError:
        return None


def _store(name: str, path: Path) -> Store:
    """What a folder or file holds; at most `FILES_MAX` files are counted."""
    files = size = 0
    newest: int | None = None
    for entry in _walk(path):
        try:
            stat = entry.stat()
        except OSError:  # gone since it was listed
            continue
        files, size = files + 1, size + stat.st_size
        newest = max(newest or 0, stat.st_mtime_ns // 1_000)
        if files >= FILES_MAX:
            break
    return Store(name, files, size, newest)


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, _, names in os.walk(path):
        for name in names:
            yield Path(folder, name)


def _settings(settings: Settings) -> Iterator[Setting]:
    default = Settings()
    for name in Settings.__struct_fields__:
        value, usual = getattr(settings, name), getattr(default, name)
        shown = "***" if name in SECRET_PATHS and value else _text(value)
        yield Setting(name, shown, _text(usual), HELP[name])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
