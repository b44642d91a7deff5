"""`lianfang log watch`: any C2SP log, looked at again and again: signed, cosigned, and only ever grown."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import httpx

from lianfang.app.node.clock import WallClock
from lianfang.infra.feed import Confirmed, HubConnection, Kept, Trust, View, compare
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import moment


async def watch_log(url: str, trust: Trust, state: Path | None, every_s: float, rounds: int) -> int:
    """Prints each checkpoint. Raises `EvidenceError` at the first that is not sound."""
    wall = WallClock()
    kept = None if state is None else Kept(state)
    last = None if kept is None else kept.note()
    done = 0
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
        hub = HubConnection(http, url, None, wall, secrets.token_bytes, log_path="")
        while True:
            try:
                note = await hub.checkpoint()
                seen = await _look(hub, trust, last, note, state)
            except DependencyError as why:
                print(f"{moment(wall()):%H:%M:%S}  no answer: {why}", flush=True)
            else:
                if note != last:
                    print(
                        f"{moment(wall()):%H:%M:%S}  {seen.size:>12,} entries  {seen.root.hex()[:16]}  sound",
                        flush=True,
                    )
                    if kept is not None:
                        kept.replace(last, note)
                    last = note
            done += 1
            if done == rounds:
                return 0
            await asyncio.sleep(every_s)


async def _look(hub: HubConnection, trust: Trust, last: bytes | None, note: bytes, state: Path | None) -> Confirmed:
    """Raises `EvidenceError` unless the note counts and grows out of the last."""
    found = trust.counts(note).checkpoint
    if last is None:
        await View(found, hub.tile).open()
    elif await compare(note, last, trust, hub.tile, state) == "theirs is newer":
        from lianfang.infra.feed.proofs import prove

        raise prove(state, f"the log went back to {found.size} entries", [last, note])
    return Confirmed(found.size, found.root, note)
