"""Group commit for many callers of one loop: each awaits its own entry, and one write makes many of them durable."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lianfang.engines.tlog import SignedCheckpoint
from lianfang.infra.tlog.store import LogStore, again
from lianfang.kernel.errors import DependencyError, InputError, LianfangError

WINDOW_S: Final = 0.005
WINDOW_S_MAX: Final = 0.050
ENOUGH: Final = 64
"""Entries that are worth a commit of their own: they are not kept waiting for the window's end."""


class Appender:
    """Used from one loop. `add` returns when its entry is durable: only then may what it speaks of leave the machine."""

    def __init__(self, store: LogStore, *, window_s: float = WINDOW_S) -> None:
        if not 0 <= window_s <= WINDOW_S_MAX:
            raise InputError(f"the commit window is 0 to {WINDOW_S_MAX} seconds, not {window_s}")
        self.store = store
        self._window_s = window_s
        self._loop = asyncio.get_running_loop()
        self._committer = ThreadPoolExecutor(1, "log-commit")
        self._integrator = ThreadPoolExecutor(1, "log-integrate")
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        """End index and future, in order."""
        self._gathered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._committing = False
        self._room: asyncio.Future[None] | None = None

    async def add(self, entry: bytes) -> int:
        """The index of the entry, durable. Raises `DependencyError`: it is not in the log; try again when `retry` has helped."""
        return await self.add_many((entry,))

    async def add_many(self, entries: Sequence[bytes]) -> int:
        """The index of the first of the entries, which follow each other, all durable. Raises as `add`."""
        while self.store.behind and self.store.failure is None:
            await self._ticked()
        first = self.store.append(entries)
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((first + len(entries), future))
        self._gathered += len(entries)
        self._soon()
        await future
        return first

    def _soon(self) -> None:
        if self._committing:
            return
        if self._gathered >= ENOUGH or not self._window_s:
            self._commit()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._window_s, self._commit)

    def _commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._committing or not self._waiting:
            return
        self._committing, self._gathered = True, 0
        self._loop.run_in_executor(self._committer, self.store.commit).add_done_callback(self._committed)

    def _committed(self, done: asyncio.Future[int]) -> None:
        self._committing = False
        why = done.exception()
        size = self.store.size if why is not None else done.result()
        while self._waiting and self._waiting[0][0] <= size:
            _, future = self._waiting.popleft()
            if not future.done():  # its caller may have gone
                future.set_result(None)
        if why is not None:
            self._refuse(why)
        if self._waiting:
            self._soon()

    def _refuse(self, why: BaseException) -> None:
        """All that wait: what they had appended was dropped."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(again(why) if isinstance(why, DependencyError) else why)
        self._gathered = 0

    async def tick(self) -> SignedCheckpoint:
        """Publishes what is durable, off the loop; to be called each second. Raises as `LogStore.integrate`."""
        try:
            return await self._loop.run_in_executor(self._integrator, self.store.integrate)
        finally:
            if self._room is not None:
                self._room.set_result(None)
                self._room = None

    async def _ticked(self) -> None:
        """Until the next `tick` has ended."""
        if self._room is None:
            self._room = self._loop.create_future()
        await asyncio.shield(self._room)

    async def retry(self) -> bool:
        """After a failure: whether the log takes entries again."""
        while self._committing:  # those who wait are refused first
            await asyncio.sleep(0)
        try:
            await self._loop.run_in_executor(self._integrator, self.store.retry)
        except LianfangError:
            return False
        return True

    async def close(self) -> None:
        """Commits and publishes what there is, then closes the store."""
        try:
            if self._waiting and self.store.failure is None:
                self._commit()
                await asyncio.wait([future for _, future in self._waiting])
            if self.store.failure is None:
                await self.tick()
        finally:
            self._committer.shutdown()
            self._integrator.shutdown()
            self.store.close()
