"""Backtests of drafts on the node's own lake: a process of its own, one at a time, giving way to all else, for a bounded time.

What it reads and writes lies in `backtests/<draft>`, readable by nobody else. The figures and the page of the newest one that
ended well stay until that draft's next; a draft's folder goes when `KEPT` newer ones are there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from lianfang.app.node.beside import CLI, SAID_MAX
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.lake import BUILD
from lianfang.console.installation import BacktestJob, BacktestState
from lianfang.infra.published import read_if_there, write_whole
from lianfang.infra.sql import Database
from lianfang.kernel.errors import ConflictError, LianfangError
from lianfang.services.decide import store
from lianfang.wire import RuleSet, write

BACKTEST_S: Final = 3_600.0
"""Longer, and it is ended: a backtest of more is a matter for `lianfang backtest` on another machine."""
LAKE_S: Final = 900.0
BUILD_LAKE: Final = (*CLI, *BUILD)
NICE: Final = 10
KEPT: Final = 60
ENTRIES_MAX: Final = 1_000_000
PAGE: Final = 5_000
FIGURES: Final = "figures.json"
REPORT: Final = "report.html"
STATE: Final = "state.json"
File = Literal["figures.json", "report.html"]

log = structlog.get_logger("desk")


class FailedError(Exception):
    """A step of a backtest went wrong; the text says how."""


class Backtesting:
    """The node's backtests. Thread-safe; `clock` gives microseconds UTC."""

    def __init__(
        self, files: NodeFiles, database: Database, clock: Callable[[], int], *, seconds: float = BACKTEST_S
    ) -> None:
        self._folder = files.root / "backtests"
        self._files = files
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._now: BacktestState | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def start(self, job: BacktestJob) -> None:
        """Begin; raises `ConflictError` while another runs."""
        with self._lock:
            if self._now is not None:
                raise ConflictError(f"a backtest of draft {self._now.draft} runs: wait until it ends", "path")
            begun = BacktestState("running", job.draft, job.by, job.at, None, "")
            self._now = begun
        threading.Thread(target=self._run, args=(job, begun), name="backtest", daemon=True).start()

    def of(self, draft: int) -> BacktestState | None:
        """The newest of this draft."""
        with self._lock:
            if self._now is not None and self._now.draft == draft:
                return self._now
        raw = read_if_there(self._place(draft) / STATE)
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=BacktestState)
        except msgspec.MsgspecError:
            return None

    def file(self, draft: int, name: File) -> bytes | None:
        """What the newest that ended well wrote."""
        return read_if_there(self._place(draft) / name)

    def stop(self) -> None:
        """End what runs: it is begun anew by whoever wants it."""
        with self._lock:
            self._stopping = True
            process = self._process
        if process is not None:
            process.kill()

    def _place(self, draft: int) -> Path:
        return self._folder / str(int(draft))

    def _run(self, job: BacktestJob, begun: BacktestState) -> None:
        said, good = "", False
        try:
            said, good = self._judged(job), True
        except (FailedError, LianfangError, OSError) as why:
            said = str(why)[-SAID_MAX:]
            log.warning("a backtest failed", draft=job.draft, why=said)
        except Exception as why:  # a thread's fault must not leave the node saying that it still runs
            said = f"{type(why).__name__}: {why}"[-SAID_MAX:]
            log.error("a backtest failed", draft=job.draft, exc_info=why)
        ended = begun._replace(state="done" if good else "failed", ended=self._clock(), said=said)
        try:
            write_whole(self._place(job.draft) / STATE, msgspec.json.encode(ended), 0o600)
        except (OSError, LianfangError) as why:
            log.error("a backtest's end was not kept", draft=job.draft, why=str(why))
        with self._lock:
            self._now = None

    def _judged(self, job: BacktestJob) -> str:
        place = self._place(job.draft)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._prune(place)
        arguments = self._inputs(job, place)
        self._step((*BUILD_LAKE, "--data", str(self._files.root)), LAKE_S, again=True)
        made = ("--json", str(place / "new.json"), "--html", str(place / "new.html"))
        said = self._step((*CLI, "backtest", *arguments, *made), self._seconds)
        (place / "new.html").replace(place / REPORT)
        (place / "new.json").replace(place / FIGURES)
        return said

    def _inputs(self, job: BacktestJob, place: Path) -> list[str]:
        """The command's arguments, their files written. A rule set's JSON is YAML, which a rule file may be."""
        proposed, lists = place / "proposed.yaml", place / "lists.jsonl"
        _keep_rules(proposed, job.proposed)
        names, some = self._keep_lists(lists)
        made = [str(proposed), "--on", str(self._files.lake)]
        if job.current is not None:
            _keep_rules(place / "current.yaml", job.current)
            made += ["--against", str(place / "current.yaml")]
        if some:
            made += ["--lists", str(lists)]
        for name in names:
            made += ["--list-name", name]
        if job.model:
            made += ["--model", str(self._files.models / job.model)]
        return made

    def _keep_lists(self, path: Path) -> tuple[tuple[str, ...], bool]:
        """Every list's name, and whether there are entries; they stand in the file, readable by nobody else."""
        count = 0
        write_whole(path, b"", 0o600)
        with self._database.reading() as connection, path.open("ab") as file:
            names = store.list_names(connection)
            for name in names:
                after: int | None = 0
                while after is not None:
                    page, after = store.entries_page(connection, name, after=after, limit=PAGE)
                    count += len(page)
                    if count > ENTRIES_MAX:
                        raise FailedError(f"more than {ENTRIES_MAX:,} list entries: run `lianfang backtest` by hand")
                    file.writelines(write(entry) + b"\n" for entry in page)
        return names, count > 0

    def _step(self, arguments: Sequence[str], seconds: float, *, again: bool = False) -> str:
        """One process; its last line. `again`: tried once more, for the desk itself may build the lake just now."""
        with self._lock:
            if self._stopping:
                raise FailedError("the node stops")
            process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own arguments
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self._process = process
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise FailedError(f"it took longer than {seconds:,.0f} s and was ended") from None
        finally:
            with self._lock:
                self._process = None
        lines = [" ".join(line.split()) for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        if process.returncode == 0:
            return lines[-1][-SAID_MAX:] if lines else ""
        if again and not self._stopping:
            return self._step(arguments, seconds)
        raise FailedError(" ".join(lines[-6:])[-SAID_MAX:] or f"exit status {process.returncode}")

    def _prune(self, keep: Path) -> None:
        """Let go of the oldest drafts' folders."""
        found = [one for one in self._folder.iterdir() if one.is_dir() and one.name.isdigit()]
        for old in sorted(found, key=lambda one: int(one.name))[:-KEPT]:
            if old != keep:
                shutil.rmtree(old, ignore_errors=True)


def _keep_rules(path: Path, ruleset: RuleSet) -> None:
    """As a rule file: without what a file may not say of itself."""
    write_whole(path, write(msgspec.structs.replace(ruleset, pack=None)), 0o600)
