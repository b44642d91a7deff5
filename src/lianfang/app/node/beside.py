"""What the desk has done by a process of its own beside it: a command of ours, in the background, whose last words are kept."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

SAID_MAX: Final = 500
CLI: Final = ("-m", "lianfang.app.cli")


async def run_beside(*arguments: str) -> str | None:
    """`lianfang <arguments>`; None, or what went wrong. Cancelled, it ends the process: what it leaves must bear that."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *CLI,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode == 0:
        return None
    return " ".join(said.decode("utf-8", "replace").split())[-SAID_MAX:] or f"exit status {process.returncode}"
