"""Two parties' checkpoints of one log, compared: if they do not fit on each other, the log lied to one, and signed both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import httpx

from lianfang.engines.tlog.note import NOTE_BYTES_MAX
from lianfang.infra.feed.proofs import ForkError, prove
from lianfang.infra.feed.trust import Trust
from lianfang.infra.feed.view import Fetch, View
from lianfang.kernel.errors import DependencyError, EvidenceError

TIMEOUT_S = 10.0
Fit = Literal["same", "ours is newer", "theirs is newer"]


async def checkpoint_of(http: httpx.AsyncClient, peer: str, origin: str) -> bytes:
    """What a peer has seen of the log: `GET {peer}/v1/log/checkpoint`. Unverified. Raises `DependencyError`."""
    try:
        said = await http.get(f"{peer.rstrip('/')}/v1/log/checkpoint", params={"origin": origin}, timeout=TIMEOUT_S)
    except httpx.HTTPError as why:
        raise DependencyError(f"{peer} does not answer: {type(why).__name__}", "peer-away") from why
    if said.status_code != 200 or len(said.content) > NOTE_BYTES_MAX:
        raise DependencyError(f"{peer} shows no checkpoint: it answers {said.status_code}", "peer-away")
    return said.content


async def compare(ours: bytes, theirs: bytes, trust: Trust, fetch: Fetch, folder: Path | None) -> Fit:
    """How two checkpoints fit; both are signed by the log. `fetch` gets the log's tiles, for the larger one.

    Raises `ForkError` with both notes in a proof below `folder`; `EvidenceError`: one is not signed by the log;
    `MissingTileError`: the log does not give out what is needed to compare.
    """
    mine, yours = trust.signed(ours).checkpoint, trust.signed(theirs).checkpoint
    if mine.size == yours.size:
        if mine.root != yours.root:
            raise _split(folder, f"two roots of {mine.size} entries", ours, theirs)
        return "same"
    small, large = (mine, yours) if mine.size < yours.size else (yours, mine)
    view = View(large, fetch)
    try:
        await view.open()
        root = await view.root_at(small.size)
    except EvidenceError as why:
        raise _split(
            folder, f"the tree of {large.size} entries is not the one given out here ({why})", ours, theirs
        ) from why
    if root != small.root:
        raise _split(folder, f"the tree of {large.size} entries does not begin with the {small.size}", ours, theirs)
    return "ours is newer" if mine.size > yours.size else "theirs is newer"


def _split(folder: Path | None, what: str, ours: bytes, theirs: bytes) -> ForkError:
    return prove(folder, f"the log signed two histories: {what}", [ours, theirs])
