"""The desk keeps the lake: a process of its own, giving way to all else, takes in what is new every so often.

A process, because reading a journal takes a processor for seconds, and the desk answers people meanwhile.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from lianfang.app.node.beside import run_beside
from lianfang.app.node.files import NodeFiles
from lianfang.app.settings import Settings

LAKE: Final = "lake"
"""What the trouble is about, in `/readyz`."""
BUILD: Final = ("lake", "build", "--compact-days", "--background")

log = structlog.get_logger("desk")


async def lake_keeping(settings: Settings, files: NodeFiles, trouble: dict[str, str]) -> None:
    """Builds every `lake_every_s` seconds until cancelled; what goes wrong stands in `trouble` until it goes well."""
    while True:
        await asyncio.sleep(settings.lake_every_s)
        why = await build_once(files.root)
        if why is None:
            trouble.pop(LAKE, None)
        elif trouble.get(LAKE) != why:
            trouble[LAKE] = why
            log.error("the lake was not built", why=why)


async def build_once(root: Path) -> str | None:
    """One build; None, or what went wrong. A build that is cancelled is ended: the next one goes on where it stopped."""
    return await run_beside(*BUILD, "--data", str(root))
