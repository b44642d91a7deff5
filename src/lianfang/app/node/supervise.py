"""`lianfang serve`: prepares the data folder, starts decider and desk, restarts what dies, stops both cleanly.

with Node(settings) as node:        # or serve(settings), which also takes Ctrl-C and SIGTERM
    node.running.decider            # http://127.0.0.1:8701
    node.wait()
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec
import structlog

from lianfang.app.node.clock import WallClock, ticks_s
from lianfang.app.node.desk import Desk
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.logs import set_up_logs
from lianfang.app.node.peer import door_url
from lianfang.app.settings import Settings
from lianfang.infra import published
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.errors import DependencyError, LianfangError
from lianfang.wire import read_ruleset

START_S: Final = 120.0
"""A child must be ready so long after its start; a decider may have a long journal to replay."""
STOP_S: Final = 60.0
"""... and gone so long after it was asked to stop: the decider writes its snapshot."""
LOOK_S: Final = 0.1
QUICK_S: Final = 20.0
"""A death so soon after the start is a quick one."""
QUICK_MAX: Final = 5
"""So many quick deaths in a row, and the node gives up."""
BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger("node")


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node answers, and its processes. `data_dir/running.json` while it runs."""

    decider: str
    desk: str
    decider_port: int
    desk_port: int
    pid: int
    decider_pid: int
    desk_pid: int
    started_at: int
    first_key: str | None = None
    """The text of the key made at the first start; only in `Node.running`, never in the file."""
    setup_code: str | None = None
    """The code of the console's first set-up, while nobody can sign in; never in the file."""


class Child:
    """One process of the node: started, watched, started again."""

    def __init__(self, name: str, settings: Settings, output: TextIO | None) -> None:
        self.name = name
        self.settings = settings
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.quick_deaths = 0
        self.started = 0.0
        self.start_at: float | None = None
        """When to start again; None while it runs."""
        self._output = output
        self._ready = threading.Event()
        self._asked = False

    @property
    def pid(self) -> int:
        """Its process id, 0 before the first start."""
        return self.process.pid if self.process else 0

    @property
    def ready(self) -> bool:
        """Whether it has said its port since it was last started."""
        return self._ready.is_set()

    def start(self) -> None:
        """Start it; `ready` becomes true when it answers."""
        self._let_go()
        self._ready = ready = threading.Event()
        self._asked = False
        self.started, self.start_at = ticks_s(), None
        command = [sys.executable, "-m", "lianfang.app.node", self.name]
        # A group of its own: Ctrl-C is ours to pass on.
        self.process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
        )
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it died at once; `look` finds out
            self.process.stdin.write(msgspec.json.encode(self.settings) + b"\n")
            self.process.stdin.flush()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()

    def wait_ready(self, stop: threading.Event) -> None:
        """Until it answers. Raises `DependencyError` when it dies or takes too long."""
        assert self.process
        until = self.started + START_S
        while not self.ready:
            if stop.is_set():
                raise DependencyError("stopped while starting", "stopped")
            if self.process.poll() is not None:
                raise DependencyError(
                    f"the {self.name} ended at its start (status {self.process.returncode}); its reason stands above"
                )
            if ticks_s() > until:
                raise DependencyError(f"the {self.name} was not ready within {START_S:g} s")
            self._ready.wait(LOOK_S / 2)

    def look(self) -> bool:
        """Start it again if it died and its time has come. True when it has. Raises `DependencyError` when it is hopeless."""
        assert self.process
        if self.start_at is None:
            status = self.process.poll()
            if status is None:
                return False
            self.quick_deaths = self.quick_deaths + 1 if ticks_s() - self.started < QUICK_S else 0
            if self.quick_deaths > QUICK_MAX:
                raise DependencyError(
                    f"the {self.name} died {self.quick_deaths} times in a row, last with status {status}: the node gives up"
                )
            delay = BACKOFF_S[min(self.quick_deaths, len(BACKOFF_S) - 1)]
            log.error("died; it is started again", child=self.name, status=status, after_s=delay)
            self.start_at = ticks_s() + delay
        if ticks_s() < self.start_at:
            return False
        self.start()
        return True

    def ask_to_stop(self) -> None:
        """SIGTERM, once: a second one could meet a process whose handler is already gone."""
        if self.process and self.process.poll() is None and not self._asked:
            self._asked = True
            self.process.terminate()

    def stop(self) -> bool:
        """Wait for its end, then kill it; whether it ended by itself with status 0."""
        if self.process is None:
            return True
        self.ask_to_stop()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.error("did not stop; killed", child=self.name)
            self.process.kill()
            self.process.wait()
        self._let_go()
        if self.process.returncode:
            log.error("did not end cleanly", child=self.name, status=self.process.returncode)
        return self.process.returncode == 0

    def _let_go(self) -> None:
        """Close our end of a former process's input."""
        if self.process and self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()

    def _read(self, process: subprocess.Popen[bytes], ready: threading.Event) -> None:
        assert process.stdout
        with process.stdout as lines:
            for line in lines:
                port = _port(line, self.name)
                if port:
                    self.port = port
                    ready.set()
                elif self._output is not None:
                    self._output.write(line.decode("utf-8", "replace"))
                    self._output.flush()


def _port(line: bytes, name: str) -> int:
    """The port a child says it answers at, or 0 for any other line."""
    if not line.startswith(b"{"):
        return 0
    try:
        said: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return 0
    return int(said[name]) if isinstance(said.get(name), int) else 0


class Node:
    """A node in one folder. `output`: where the processes' log lines go (None: nowhere)."""

    def __init__(self, settings: Settings, *, output: TextIO | None = sys.stderr) -> None:
        self.settings = settings
        self.files = NodeFiles(Path(settings.data_dir))
        self.running: Running
        self._output = output
        self._stop = threading.Event()
        self._decider = Child("decider", settings, output)
        self._desk = Child("desk", settings, output)
        self._lock = -1
        self._features: Any = None
        self._first_key: str | None = None
        self._setup_code: str | None = None
        self._started_at = 0
        self._mark = 0

    def __enter__(self) -> Node:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Until both answer. Raises `LianfangError`: another node runs here, the rules are bad, a child cannot start."""
        self.files.make()
        self._lock = _take(self.files.root / "node.lock")
        try:
            self._prepare()
            self._started_at = WallClock()()
            self._decider.start()
            self._decider.wait_ready(self._stop)
            self._hold_ports()
            self._desk.start()
            self._desk.wait_ready(self._stop)
            self._hold_ports()
            self._tell()
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Watch the children until `request_stop`. Raises `DependencyError` when one of them is hopeless."""
        while not self._stop.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """One look at the children: for callers that have a loop of their own."""
        self._restart_for_features()
        for child in (self._decider, self._desk):
            if child.look():
                child.wait_ready(self._stop)
                self._tell()
                log.warning("runs again", child=child.name, port=child.port)

    def request_stop(self) -> None:
        """Make `wait` return. Safe in a signal handler."""
        self._stop.set()

    def stop(self) -> bool:
        """Stop both and give up the folder; whether both ended cleanly."""
        self._stop.set()
        self._desk.ask_to_stop()
        clean = self._decider.stop()
        clean = self._desk.stop() and clean
        self.files.running.unlink(missing_ok=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        return clean

    def _prepare(self) -> None:
        """The first publish, before the decider is there: it never runs without rules."""
        desk = Desk(self.settings)
        try:
            self._first_key = desk.first_key()
            self._setup_code = desk.pages.setup_code()
            desk.start()
        finally:
            desk.close()
        self._features = self._published_features()

    def _hold_ports(self) -> None:
        """A child that is started again answers where it did before; the desk knows the decider's port."""
        ports = {
            "decider_port": self._decider.port or self.settings.decider_port,
            "desk_port": self._desk.port or self.settings.desk_port,
        }
        self._decider.settings = self._desk.settings = msgspec.structs.replace(self.settings, **ports)

    def _tell(self) -> None:
        self.running = Running(
            decider=door_url(self.settings, self._decider.port),
            desk=door_url(self.settings, self._desk.port),
            decider_port=self._decider.port,
            desk_port=self._desk.port,
            pid=os.getpid(),
            decider_pid=self._decider.pid,
            desk_pid=self._desk.pid,
            started_at=self._started_at,
            first_key=self._first_key,
            setup_code=self._setup_code,
        )
        known = msgspec.structs.replace(self.running, first_key=None, setup_code=None)
        write_whole(self.files.running, msgspec.json.encode(known) + b"\n", 0o600)

    def _published_features(self) -> Any:
        raw = read_if_there(self.files.published / published.RULESET)
        return read_ruleset(raw).features if raw else None

    def _restart_for_features(self) -> None:
        """Other features are other state: the decider counts them anew from its journal when it starts."""
        path = self.files.published / published.RULESET
        try:
            mark = path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if mark == self._mark:
            return
        self._mark = mark
        features = self._published_features()
        if features != self._features:
            self._features = features
            log.warning("the features have changed: the decider starts again to count them from its journal")
            self._decider.stop()
            self._decider.start()
            self._decider.wait_ready(self._stop)
            self._tell()


def _take(path: Path) -> int:
    """The folder's lock. Raises `DependencyError` when another node holds it."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as why:
        os.close(held)
        raise DependencyError(f"another node runs in {path.parent}", "already-running", retryable=False) from why
    return held


def running_node(data_dir: str | Path) -> Running | None:
    """The node that runs in this folder, as it last told, or None."""
    raw = read_if_there(NodeFiles(Path(data_dir)).running)
    if raw is None:
        return None
    found = msgspec.json.decode(raw, type=Running)
    try:
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return found


def serve(
    settings: Settings, *, on_ready: Callable[[Running], None] | None = None, output: TextIO | None = sys.stderr
) -> int:
    """Run a node until Ctrl-C or SIGTERM; the exit status. Call it from the main thread."""
    set_up_logs(settings.log_level, "node")
    node = Node(settings, output=output)
    before = {
        number: signal.signal(number, lambda *_: node.request_stop()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    status = 0
    try:
        node.start()
        (on_ready or _say)(node.running)
        node.wait()
    except LianfangError as why:
        if getattr(why, "code", "") != "stopped":
            print(f"the node stops: {why}", file=sys.stderr)
            status = 1
    finally:
        clean = node.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return status or (0 if clean else 1)


def _say(running: Running) -> None:
    print(f"decider  {running.decider}\ndesk     {running.desk}/docs", flush=True)
    if running.setup_code:
        print(f"console  {running.desk}/console/setup#{running.setup_code}   (the first account; also in first.code)")
    else:
        print(f"console  {running.desk}/console", flush=True)
    if running.first_key:
        print(f"key      {running.first_key}   (shown this once; also in first.key, only readable by you)", flush=True)


__all__ = ["Node", "Running", "running_node", "serve"]
