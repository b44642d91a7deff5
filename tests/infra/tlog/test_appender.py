"""Many callers, few commits: each is answered when its own entry is durable, or told that it is not in the log."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from lianfang.infra.tlog import Appender
from lianfang.infra.tlog import store as store_module
from lianfang.kernel.errors import DependencyError, InputError
from tests.engines.tlog.made import entries_of
from tests.infra.journal.twins import FaultyFiles
from tests.infra.tlog.made import check_whole, opened


def test_callers_share_commits_and_each_gets_its_own_index(tmp_path: Path) -> None:
    entries = entries_of(500)
    files = FaultyFiles()

    async def run() -> list[int]:
        appender = Appender(opened(tmp_path, files=files))
        indexes = await asyncio.gather(*(appender.add(one) for one in entries))
        syncs = files.calls.count("sync")
        await appender.close()
        assert syncs <= 10
        return indexes

    assert asyncio.run(run()) == list(range(500))
    check_whole(tmp_path, entries)


@pytest.mark.parametrize("window_s", [0, 0.005, 0.05])
def test_a_lone_caller_is_answered_at_any_window(tmp_path: Path, window_s: float) -> None:
    async def run() -> None:
        appender = Appender(opened(tmp_path), window_s=window_s)
        assert await appender.add(b"one") == 0
        assert await appender.add_many([b"two", b"three"]) == 1
        assert appender.store.read(0, 3) == [b"one", b"two", b"three"]
        assert (await appender.tick()).checkpoint.size == 3
        await appender.close()

    asyncio.run(run())
    check_whole(tmp_path, [b"one", b"two", b"three"])


def test_a_window_has_limits(tmp_path: Path) -> None:
    async def run() -> None:
        store = opened(tmp_path)
        for window_s in (-1.0, 0.051):
            with pytest.raises(InputError):
                Appender(store, window_s=window_s)
        store.close()

    asyncio.run(run())


def test_closing_commits_what_waits(tmp_path: Path) -> None:
    async def run() -> None:
        appender = Appender(opened(tmp_path), window_s=0.05)
        waiting = asyncio.ensure_future(appender.add(b"last"))
        await asyncio.sleep(0)
        await appender.close()
        assert await waiting == 0

    asyncio.run(run())
    check_whole(tmp_path, [b"last"])


def test_a_caller_who_left_takes_nothing_from_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        appender = Appender(opened(tmp_path), window_s=0.05)
        gone, stays = (asyncio.ensure_future(appender.add(one)) for one in (b"gone", b"stays"))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 1
        await appender.close()

    asyncio.run(run())
    check_whole(tmp_path, [b"gone", b"stays"])


class Breaking(FaultyFiles):
    """Fails every write while `broken`."""

    broken = False

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().pwrite(fd, data, offset)


def test_a_failing_disk_refuses_all_who_wait_and_a_mended_one_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        files = Breaking()
        appender = Appender(opened(tmp_path, files=files))
        assert await appender.add(b"kept") == 0
        files.broken = True
        answers = await asyncio.gather(*(appender.add(b"lost %d" % n) for n in range(100)), return_exceptions=True)
        assert {type(one) for one in answers} == {DependencyError}
        with pytest.raises(DependencyError):
            await appender.add(b"lost")
        assert await appender.retry() is False
        files.broken = False
        assert await appender.retry() is True
        assert await asyncio.gather(*(appender.add(b"again %d" % n) for n in range(3))) == [1, 2, 3]
        await appender.close()

    asyncio.run(run())
    check_whole(tmp_path, [b"kept", b"again 0", b"again 1", b"again 2"])


def test_a_failing_checkpoint_refuses_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    async def run() -> None:
        files = Breaking()
        appender = Appender(opened(tmp_path, files=files))
        await appender.add(b"kept")
        files.broken = True
        with pytest.raises(DependencyError):
            await appender.tick()
        with pytest.raises(DependencyError):
            await appender.add(b"lost")
        await appender.close()

    asyncio.run(run())
    store = opened(tmp_path)
    assert store.read(0, store.size) == [b"kept"]
    store.close()


def test_callers_wait_while_tiles_are_far_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BEHIND_BYTES", 10)

    async def run() -> None:
        appender = Appender(opened(tmp_path), window_s=0)
        await appender.add(b"more than ten bytes")
        waiting = asyncio.ensure_future(appender.add(b"waits"))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await appender.tick()
        assert await waiting == 1
        await appender.close()

    asyncio.run(run())
