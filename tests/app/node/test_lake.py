"""The desk keeps the lake while it serves."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from lianfang.app.node.files import NodeFiles
from lianfang.app.node.lake import LAKE, build_once, lake_keeping
from lianfang.app.settings import Settings
from tests.infra.lake.journals import journal, rows_of


def test_a_build_beside_the_desk_takes_the_journal_in(tmp_path: Path) -> None:
    journal(tmp_path / "journal", days=1)
    trouble = {LAKE: "of the last time"}
    files = NodeFiles(tmp_path)

    async def keep() -> None:
        keeping = asyncio.create_task(lake_keeping(Settings(data_dir=str(tmp_path), lake_every_s=1), files, trouble))
        while LAKE in trouble:
            await asyncio.sleep(0.05)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping

    asyncio.run(asyncio.wait_for(keep(), 60))
    assert len(rows_of(files.lake)) == 24


def test_what_went_wrong_is_told(tmp_path: Path) -> None:
    why = asyncio.run(build_once(tmp_path))
    assert why is not None
    assert "there is no journal" in why
