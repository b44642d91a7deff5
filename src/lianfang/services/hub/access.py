"""The hub's access log: what members asked of it, as salted commitments, many to a commit.

Whatever lets data leave (tiles, the feed, members' lists) waits until its own entry is durable: no entry, no data. Entries
that members publish stand in the tag log itself; that they did is summed up by member, once a second.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from lianfang.infra import accesslog
from lianfang.infra.sql import Database
from lianfang.kernel.errors import DependencyError, LianfangError
from lianfang.wire import write

REFERENCE_HEADER: Final = "lianfang-reference"
REFERENCE_BYTES: Final = 16
BATCH_MAX: Final = 512
WAITING_MAX: Final = 8_192
_REFERENCE: Final = re.compile(r"[0-9a-f]{32}")


class Adding(Protocol):
    """Group commit into the access log."""

    async def add_many(self, entries: list[bytes]) -> int: ...


class Accesses:
    """Used from one loop. `random(n)`: n secret bytes."""

    def __init__(self, database: Database, wall: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self.adding: Adding
        self._database = database
        self._wall = wall
        self._random = random
        self._waiting: list[tuple[accesslog.Access, asyncio.Future[None]]] = []
        self._sums: dict[str, list[int]] = {}
        self._task: asyncio.Task[None] | None = None

    async def log(self, act: str, member: str, reference: str | None = None, **detail: Any) -> None:
        """Returns when the act is on record. Raises `DependencyError`: then nothing may leave.

        `reference`: the random one of the other side's log; one of our own if that is not given or not one.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise DependencyError("the access log is behind: try again in a second", "log-unavailable")
        said = reference if reference and _REFERENCE.fullmatch(reference) else self._random(REFERENCE_BYTES).hex()
        one = accesslog.access(act, {"member": member, **detail}, said, self._wall(), self._random)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        await future

    def published(self, member: str, entries: int, *, refused: bool) -> None:
        """A member sent entries; on record with the next `sum_up`."""
        counts = self._sums.setdefault(member, [0, 0, 0])
        counts[0] += 1
        counts[2 if refused else 1] += entries

    async def sum_up(self) -> None:
        """The sums since the last time, one entry a member."""
        sums, self._sums = self._sums, {}
        await asyncio.gather(
            *(
                self.log("publish", member, requests=requests, entries=entries, refused=refused)
                for member, (requests, entries, refused) in sums.items()
            )
        )

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            try:
                await asyncio.to_thread(self._keep, [one for one, _ in batch])
                await self.adding.add_many([write(one.entry) for one, _ in batch])
            except LianfangError as why:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(DependencyError(str(why), why.code))
                continue
            for _, future in batch:
                if not future.done():
                    future.set_result(None)

    def _keep(self, many: list[accesslog.Access]) -> None:
        with self._database.writing() as connection:
            for one in many:
                accesslog.keep(connection, one)
