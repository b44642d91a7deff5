"""How many evaluations a keyholder gives in a second, with proofs, over HTTP on loopback: the process has one core."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx

from lianfang.app.bench.report import Figure
from lianfang.app.keyholder.folder import Folder, Kept
from lianfang.app.keyholder.members import MembersSaid
from lianfang.engines.oprf import blinded, scalar_from
from lianfang.engines.sealing import SigningKey
from lianfang.infra.members_http import MemberHttp
from lianfang.services.keyholding import deal, open_shares
from lianfang.wire import MemberEntry, write
from lianfang.wire.tokens import EvaluationRequest

EPOCH: Final = "2026Q4"
BATCH: Final = 1_000
ROUNDS: Final = 7
SINGLES: Final = 100
_KEY: Final = SigningKey(b"\7" * 32)


def keyholder_figures(batch: int = BATCH, rounds: int = ROUNDS, singles: int = SINGLES) -> list[Figure]:
    """Batches one after another, two under way so that the process never waits for this one; the median of rounds."""
    root = Path(tempfile.mkdtemp(prefix="lianfang-bench-"))
    process = None
    try:
        process, url = _start(_prepared(root))
        per_s, single_ms = asyncio.run(_measured(url, batch, rounds, singles))
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        shutil.rmtree(root, ignore_errors=True)
    return [
        Figure(
            "keyholder_per_s", per_s, f"evaluations/s of one core, proofs included, {batch:,} a request", ">= 4,000"
        ),
        Figure("keyholder_single_ms", single_ms, "ms for one evaluation alone, durable log included"),
    ]


def _prepared(root: Path) -> Path:
    """A folder of a one-of-one ceremony: a share costs what a share costs, whatever t and n are."""
    folder = Folder(root / "holder")
    folder.make()
    members = root / "members.json"
    (folder.root / "keyholder.toml").write_text(
        f'id = "holder-1"\nport = 0\nthreads = 1\nmembers = "{members}"\n', "utf-8"
    )
    holder = _member("holder-1", folder.signing.public, folder.sealing.public)
    asking = _member("bank-a", _KEY.public, bytes(32), declared=1_000_000_000)
    members.write_bytes(write(MembersSaid(size=2, members=(holder, asking))))
    keys: Any = [("account", "anti_fraud")]
    dealt = deal([holder], 1, EPOCH, keys, ("a", "b"), "0" * 32, 1, os.urandom)
    shares = open_shares(dealt.boxes[0], dealt.transcript, "holder-1", folder.sealing)
    folder.keep(Kept(shares=shares, transcript=dealt.transcript))
    return folder.root


def _member(name: str, signing: bytes, sealing: bytes, declared: int = 0) -> MemberEntry:
    return MemberEntry(
        id=name, zh=name, en=name, roles=("keyholder",), state="active", signing=signing, sealing=sealing, by="bench", at=1,
        declared=declared,
    )  # fmt: skip


def _start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "lianfang.app.cli", "keyholder", "serve", "--data", str(folder)]
    if hasattr(os, "sched_setaffinity") and shutil.which("taskset"):
        command = ["taskset", "-c", "0", *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{json.loads(process.stdout.readline())['keyholder']}"


async def _measured(url: str, batch: int, rounds: int, singles: int) -> tuple[float, float]:
    elements = [blinded(i.to_bytes(4, "big"), scalar_from(os.urandom(64))) for i in range(batch)]
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        holder = MemberHttp(url, "holder-1", "bank-a", _KEY, http, lambda: time.time_ns() // 1_000, os.urandom)

        async def ask(count: int) -> None:
            asked = EvaluationRequest(
                kind="account", purpose="anti_fraud", epoch=EPOCH, lane="bulk", person="0" * 16,
                reference=os.urandom(16).hex(), elements=tuple(elements[:count]),
            )  # fmt: skip
            await holder.ask("POST", "/v1/evaluations", write(asked))

        await ask(batch)
        spent = []
        waiting = asyncio.create_task(ask(batch))
        for _ in range(rounds):
            following = asyncio.create_task(ask(batch))
            await waiting
            began = time.perf_counter()
            await following
            spent.append(time.perf_counter() - began)
            waiting = asyncio.create_task(ask(batch))
        await waiting
        alone = []
        for _ in range(singles):
            began = time.perf_counter()
            await ask(1)
            alone.append(time.perf_counter() - began)
    return batch / statistics.median(spent), statistics.median(alone) * 1_000
