"""Starts the node, feeds it, shows it, and stops it: `lianfang demo`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.live import Live

from lianfang.app.commands.client import Node, running
from lianfang.app.commands.common import write_json
from lianfang.app.demo.board import Board, View
from lianfang.app.demo.feed import Fed, Feed, new_prefix, pace
from lianfang.app.demo.people import demo_people
from lianfang.app.demo.screen import Lang, one_line, screen, word
from lianfang.app.node.clock import WallClock
from lianfang.app.settings import Settings, load
from lianfang.engines.world import demo_config
from lianfang.infra.published import write_whole
from lianfang.kernel.errors import DependencyError, InputError, LianfangError
from lianfang.kernel.instant import DAY

START_S: Final = 120.0
"""A first start compiles the engine; on a slow machine that takes a minute."""
STOP_S: Final = 30.0
PAST_DAYS: Final = 14
"""Without a past every account is a stranger, and the rules about habits have nothing to compare with."""
PAST_DAYS_MAX: Final = 90
PAST_BATCH: Final = 250
DIARY: Final = "demo.json"
SERVE: Final = (sys.executable, "-m", "lianfang.app.cli", "serve")
FRAMES_PER_S: Final = 4
LINE_EVERY_S: Final = 3.0


class Diary(msgspec.Struct, frozen=True):
    """What one run leaves for the next on the same folder: the same people live on, under new payment ids."""

    start: int
    """The world's first instant."""
    seed: int
    reached: int
    """How far the world has been told, in its own time."""
    past_until: int
    """Up to here payments keep the world's own time; after it they are stamped as they are sent."""


def run_demo(
    data_dir: Path,
    *,
    rate: float = 30.0,
    seconds: float | None = None,
    lang: Lang = "both",
    seed: int = 1,
    past_days: int = PAST_DAYS,
    json_file: Path | None = None,
) -> int:
    """Runs until Ctrl-C, SIGTERM, or `seconds` after the first live payment; the exit status."""
    if not 0 <= past_days <= PAST_DAYS_MAX:
        raise InputError(f"the past has 0 to {PAST_DAYS_MAX} days", "--past")
    if not 0 < rate <= 10_000:
        raise InputError("a rate lies above 0 and is at most 10,000 payments a second", "--rate")
    console = Console()
    board = Board()
    stop = threading.Event()
    with _signals(stop), _node(data_dir) as node:
        feeder = threading.Thread(
            target=_feed, args=(node, board, stop, rate, seed, past_days), name="feed", daemon=True
        )
        began = time.monotonic()
        feeder.start()
        try:
            _show(console, node, board, stop, lang=lang, seconds=seconds)
        finally:
            stop.set()
            feeder.join(STOP_S)
        view = board.view(time.monotonic())
        if console.is_terminal:
            console.print(word("stop", lang) + " ...", style="dim")
    _summary(view, lang, time.monotonic() - began, json_file)
    if not view.decided and view.trouble:
        raise DependencyError(view.trouble)
    return 0


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in good order instead of interrupting it anywhere."""
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class DemoNode:
    """The node's process and folder."""

    def __init__(self, settings: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
        self.settings = settings
        self.process = process
        self.log = log
        self.people: dict[str, str] = {}

    @property
    def root(self) -> Path:
        """Its data folder."""
        return Path(self.settings.data_dir)

    def ready(self) -> bool:
        """Whether both doors answer. Raises `DependencyError` when the node has stopped instead."""
        if self.process.poll() is not None:
            raise DependencyError(f"the node stopped at its start: {_last_line(self.log)} (all of it: {self.log})")
        try:
            if set(running(self.root)) != {"decider", "desk"}:
                return False
            client = Node(self.settings)
            status, _, _ = client.raw("decider", "GET", "/readyz")
            client.close()
        except LianfangError:
            return False
        return status == 200

    def console(self) -> str:
        """Address of the console, and who may sign in."""
        try:
            address = f"http://{self.settings.host}:{running(self.root)['desk']}/console"
        except (LianfangError, KeyError):
            return "..."
        if not self.people and self.ready():
            self.people = demo_people(self.root)
        return "   ".join([address, *(f"{name} / {password}" for name, password in self.people.items())])


@contextlib.contextmanager
def _node(data_dir: Path) -> Iterator[DemoNode]:
    """A node on the folder, in a process group of its own, so that Ctrl-C reaches it through us, last."""
    data_dir.mkdir(parents=True, exist_ok=True)
    settings = load(overrides={"data_dir": str(data_dir.resolve())})
    _not_running(settings)
    decider_port = _free(settings.host, settings.decider_port)
    desk_port = _free(settings.host, settings.desk_port)
    command = [*SERVE, "--data-dir", settings.data_dir]
    command += ["--decider-port", str(decider_port), "--desk-port", str(desk_port)]
    log = data_dir / "node.log"
    log.touch(mode=0o600)  # the node prints its first key there
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield DemoNode(settings, process, log)
    finally:
        _end(process)


def _not_running(settings: Settings) -> None:
    """Raises `InputError` if a node already runs on the folder; removes what a killed one left."""
    root = Path(settings.data_dir)
    with contextlib.suppress(LianfangError):
        client = Node(settings)
        client.raw("decider", "GET", "/healthz")
        client.close()
        raise InputError("a node already runs on this folder; stop it, or give another --data-dir", str(root))
    (root / "running.json").unlink(missing_ok=True)


def _free(host: str, port: int) -> int:
    """The port, or 0 (any) where somebody has it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
    return port


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"


# the feed


def _feed(node: DemoNode, board: Board, stop: threading.Event, rate: float, seed: int, past_days: int) -> None:
    """The feeding thread: wait, tell the past once, then live on."""
    try:
        _until_ready(node, stop)
        if stop.is_set():
            return
        wall = WallClock()
        diary, feed = _open_diary(node.root, seed, wall(), past_days)
        client = Node(node.settings)
        try:
            _tell_past(client, feed, board, stop, diary)
            _keep(node.root, diary, feed)
            board.phase("live")
            for fed in pace(feed, rate):
                if stop.is_set():
                    break
                _one(client, board, feed, fed)
        finally:
            client.close()
            _keep(node.root, diary, feed)
    except LianfangError as why:
        board.refused(str(why))
        stop.set()
    except Exception as why:  # the screen must not go on as if payments came
        board.refused(f"the feed failed: {why!r}")
        stop.set()


def _until_ready(node: DemoNode, stop: threading.Event) -> None:
    until = time.monotonic() + START_S
    while not stop.is_set() and not node.ready():
        if time.monotonic() > until:
            raise DependencyError(f"the node was not ready after {START_S:.0f} s; see {node.log}")
        stop.wait(0.1)


def _open_diary(root: Path, seed: int, now: int, past_days: int) -> tuple[Diary, Feed]:
    new = Diary(start=now - past_days * DAY, seed=seed, reached=now - past_days * DAY, past_until=now)
    try:
        diary = msgspec.json.decode((root / DIARY).read_bytes(), type=Diary)
    except (OSError, msgspec.MsgspecError):
        diary = new
    if diary.seed != seed:  # other people
        diary = new
    config = demo_config(diary.seed, start=diary.start, id_prefix=new_prefix(now))
    return diary, Feed(config, diary.reached)


def _keep(root: Path, diary: Diary, feed: Feed) -> None:
    write_whole(root / DIARY, msgspec.json.encode(msgspec.structs.replace(diary, reached=feed.reached)), 0o600)


def _tell_past(client: Node, feed: Feed, board: Board, stop: threading.Event, diary: Diary) -> None:
    """What the folder lacks of the past, in batches, through the same door."""
    days = (diary.past_until - feed.reached) / DAY
    expected = round(days * demo_config().people * demo_config().payments_per_person)
    done = 0
    batch: list[bytes] = []
    for body in feed.past(diary.past_until):
        batch.append(body)
        if len(batch) == PAST_BATCH:
            _post(client, batch)
            done += len(batch)
            batch = []
            board.phase("past", done, max(expected, done))
            if stop.is_set():
                return
    if batch:
        _post(client, batch)


def _post(client: Node, batch: list[bytes]) -> None:
    """A batch. Answers are not looked at: these payments were made long ago."""
    status, _, answer = client.raw("decider", "POST", "/v1/decisions", b"[" + b",".join(batch) + b"]")
    if status != 200:
        raise DependencyError(f"the node refused the past: {answer[:500].decode('utf-8', 'replace')}")


def _one(client: Node, board: Board, feed: Feed, fed: Fed) -> None:
    began = time.perf_counter()
    try:
        decision: dict[str, Any] = client.ask("decider", "POST", "/v1/decisions", fed.body)
    except LianfangError as why:  # the node says 503 while its disk is full, or is being started again
        board.refused(str(why))
        time.sleep(0.5)
        return
    took_us = (time.perf_counter() - began) * 1e6
    payment = json.loads(fed.body)
    board.decided(payment, decision, time.monotonic(), took_us, fed.story)
    if (
        fed.story is not None
        and decision["action"] in {"hold", "block"}
        and (account := payment.get("payee", {}).get("account"))
    ):
        feed.stopped(account)  # the crew notices, and adapts


# the show


def _show(
    console: Console, node: DemoNode, board: Board, stop: threading.Event, *, lang: Lang, seconds: float | None
) -> None:
    ends = _Ends(seconds)
    if not console.is_terminal:
        _log(board, stop, lang, ends, node)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while not stop.is_set():
            view = board.view(time.monotonic())
            if ends.now(view):
                return
            live.update(screen(view, lang, console.height, node.console()), refresh=True)
            stop.wait(1 / FRAMES_PER_S)


class _Ends:
    """When a run with `seconds` is over: that long after the first live payment, however long the start took."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until = float("inf")

    def now(self, view: View) -> bool:
        """Whether it is time."""
        if self._seconds is not None and view.decided and self._until == float("inf"):
            self._until = time.monotonic() + self._seconds
        return time.monotonic() >= self._until


def _log(board: Board, stop: threading.Event, lang: Lang, ends: _Ends, node: DemoNode) -> None:
    told = ""
    next_line = time.monotonic() + LINE_EVERY_S
    while not stop.wait(1 / FRAMES_PER_S):
        view = board.view(time.monotonic())
        over = ends.now(view)
        if time.monotonic() < next_line and not over:
            continue
        next_line += LINE_EVERY_S
        if view.phase == "live" and not told:
            told = node.console()
            print(f"{word('console', lang)} {told}", flush=True)
        print(one_line(view, lang), flush=True)
        if over:
            return


def _summary(view: View, lang: Lang, seconds: float, json_file: Path | None) -> None:
    actions = ", ".join(f"{word(a, lang)} {n:,}" for a, n in view.actions.items())
    print(
        f"{word('decided', lang)} {view.decided:,} ({seconds:.0f} s): {actions}; {word('journal', lang)} {view.seq:,}"
    )
    figures = [
        {"name": "decided", "value": view.decided, "unit": "payments"},
        *({"name": a, "value": n, "unit": "payments"} for a, n in view.actions.items()),
        {"name": "refused", "value": view.refused, "unit": "payments"},
        *(
            {"name": f"{p}_ms", "value": getattr(view, f"{p}_ms"), "unit": "ms round trip"}
            for p in ("p50", "p99", "p999")
        ),
    ]
    figures += [
        {"name": "stories_seen", "value": view.stories_seen, "unit": "stories"},
        {
            "name": "stories_caught",
            "value": view.stories_caught,
            "unit": "stories with a payment challenged or stopped",
        },
    ]
    write_json(json_file, {"figures": figures, "rules": [{"rule": name, "hits": n} for name, n in view.rules]})
