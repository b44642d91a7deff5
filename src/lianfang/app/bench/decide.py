"""`lianfang bench decide`: how many payments a second, how soon, and what each part costs. Needs about eight minutes."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from lianfang.app.bench.history import replay_speed
from lianfang.app.bench.host import cpu_times, disk_syncs, stolen_share
from lianfang.app.bench.load import Plan, Result, drive, http
from lianfang.app.bench.models import handed
from lianfang.app.bench.parts import in_process, in_process_with_model, in_process_with_pack, part_costs
from lianfang.app.bench.prepare import Prepared, prepare
from lianfang.app.bench.report import Figure, publish
from lianfang.app.bench.scenario import STEP_US, Traffic, ruleset_with_pack, traffic_start

IDS: Final = 1_048_576
SATURATED_IN_FLIGHT: Final = 512
CONNECTIONS: Final = 16
START_S: Final = 120


class Sizes(msgspec.Struct, frozen=True):
    """How large the benchmark is. `quick` is for trying the command, not for quoting."""

    accounts: int = 1_000_000
    entries: int = 1_000_000
    seconds: float = 6.0
    requests: int = 420_000
    warm: int = 200_000
    """Payments before the first round that no figure counts: until then memory is touched for the first time."""
    rate: int = 10_000
    replay: int = 300_000
    rounds: int = 3
    begins: int = 0
    """When the traffic begins, in microseconds."""

    def starts(self, run: int) -> int:
        """When the payments of a run begin: after those of all earlier ones, so that time never runs back."""
        return self.begins + STEP_US * (self.warm + run * self.requests)

    @classmethod
    def quick(cls) -> Sizes:
        """A hundredth of it."""
        return cls(
            accounts=20_000,
            entries=20_000,
            seconds=2.0,
            requests=90_000,
            warm=10_000,
            rate=5_000,
            replay=60_000,
            rounds=1,
        )


def bench_decide(sizes: Sizes, json_file: Path | None, folder: Path | None = None) -> None:
    """Measure, print, write."""
    root = Path(tempfile.mkdtemp(prefix="lianfang-bench-", dir=folder))
    try:
        figures = _figures(sizes, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    about = {
        "sizes": f"60 features, 100 rules, {sizes.entries:,} list entries, {sizes.accounts:,} accounts",
        "load": f"open loop from another core, {CONNECTIONS} connections, one payment of about 1 KB a request, "
        "Poisson arrivals; "
        f"saturated: {SATURATED_IN_FLIGHT} under way; medians of {sizes.rounds} rounds; "
        f"{sizes.warm:,} payments before the first; fdatasync before every answer; the server has one core; "
        "no snapshot of the state meanwhile",
        "traffic": f"the same with and without the pack: payments {STEP_US // 1_000} ms apart in their own time, as at a bank "
        "with so many accounts, after 60 days' past; 3 % belong to spells that the pack looks for; "
        "`not_allowed_share` and `not_allowed_share_with_pack` say how many set off a rule",
    }
    publish("decide", figures, about, json_file)


def _figures(sizes: Sizes, root: Path) -> list[Figure]:
    prepared = prepare(root / "node", sizes.accounts, sizes.entries, IDS)
    packed = prepare(root / "packed", sizes.accounts, sizes.entries, IDS, ruleset_with_pack())
    modelled = prepare(root / "modelled", sizes.accounts, sizes.entries, IDS, model=handed())
    disk = disk_syncs(root)
    before = cpu_times()
    sizes = msgspec.structs.replace(sizes, begins=traffic_start())
    rounds: list[_Round] = []
    restart_s = 0.0
    with (
        _Server(["decider", str(prepared.root)]) as node,
        _Server(["decider", str(packed.root)]) as fuller,
        _Server(["decider", str(modelled.root)]) as scoring,
        _Server(["echo"]) as echo,
    ):
        restart_s = node.said["restart_s"]
        for server, key in ((node, prepared.key), (fuller, packed.key)):
            plan = _saturated(server, sizes)
            in_child(_load, plan, sizes.warm, sizes.accounts, key, 2 * sizes.rounds, sizes.begins)
        for i in range(sizes.rounds):
            print(f"round {i + 1} of {sizes.rounds} ...", flush=True)
            saturated = _measure(node, sizes, prepared.key, run=2 * i)
            steady = _measure(node, sizes, prepared.key, rate=sizes.rate, run=2 * i + 1)
            with_pack = _measure(fuller, sizes, packed.key, run=2 * i)
            with_model = _measure(scoring, sizes, modelled.key, run=2 * i)
            plain = _measure(echo, sizes, "", repeat=True)
            rounds.append(_Round(saturated, steady, with_pack, with_model, plain))
    stolen = stolen_share(before, cpu_times())
    figures = [*_served(rounds, sizes), *disk, *stolen, *_state(prepared, restart_s)]
    count = min(sizes.requests, 200_000)
    figures += in_child(in_process, prepared.root, sizes.entries, count, sizes.accounts)
    figures += in_child(in_process_with_pack, packed.root, sizes.entries, count, sizes.accounts)
    figures += in_child(in_process_with_model, prepared.root, sizes.entries, count, sizes.accounts)
    figures += in_child(part_costs, prepared.root, sizes.entries, sizes.accounts)
    figures += in_child(replay_speed, root / "history.parquet", max(sizes.accounts // 10, 1_000), sizes.replay)
    return figures


def _served(rounds: list[_Round], sizes: Sizes) -> list[Figure]:
    """The median of the rounds, and the throughputs of each: on a shared machine they differ."""

    def middle(pick: Callable[[_Round], float]) -> float:
        return statistics.median(map(pick, rounds))

    at = f"ms at {sizes.rate:,}/s"
    return [
        Figure("http_durable_per_s", middle(lambda r: r.saturated.per_s), "decisions/s", ">= 20,000; aim 30,000"),
        *(Figure(f"http_durable_per_s_round_{i}", r.saturated.per_s, "decisions/s") for i, r in enumerate(rounds, 1)),
        Figure("p50_ms", middle(lambda r: r.steady.p50_ms), at, "<= 1.5"),
        Figure("p99_ms", middle(lambda r: r.steady.p99_ms), at, "<= 5"),
        Figure("p999_ms", middle(lambda r: r.steady.p999_ms), at, "<= 15"),
        Figure("steady_per_s", middle(lambda r: r.steady.per_s), "decisions/s", f"{sizes.rate:,} offered"),
        Figure("refused", sum(r.saturated.refused + r.steady.refused for r in rounds), "answers", "0"),
        Figure("lost", sum(r.saturated.lost + r.steady.lost for r in rounds), "answers", "0"),
        Figure("with_pack_per_s", middle(lambda r: r.with_pack.per_s), "decisions/s, the starting pack loaded too"),
        *(Figure(f"with_pack_per_s_round_{i}", r.with_pack.per_s, "decisions/s") for i, r in enumerate(rounds, 1)),
        Figure(
            "pack_ratio", middle(lambda r: r.with_pack.per_s / max(r.saturated.per_s, 1e-9)), "of without it", ">= 0.9"
        ),
        Figure("with_model_per_s", middle(lambda r: r.with_model.per_s), "decisions/s, 400 LightGBM trees loaded too"),
        Figure(
            "model_ratio",
            middle(lambda r: r.with_model.per_s / max(r.saturated.per_s, 1e-9)),
            "of without it",
            ">= 0.8",
        ),
        Figure("echo_per_s", middle(lambda r: r.echo.per_s), "answers/s"),
        Figure("ratio_to_echo", middle(lambda r: r.saturated.per_s / max(r.echo.per_s, 1e-9)), "of echo"),
    ]


def _state(prepared: Prepared, restart_s: float) -> list[Figure]:
    return [
        Figure("restart_s", restart_s, "s to ready, state included", "<= 10"),
        Figure("state_keys", prepared.state_keys, "keys"),
        Figure("bytes_per_key", prepared.state_bytes / prepared.state_keys, "bytes"),
        Figure("state_gb", prepared.state_bytes / 1e9, f"GB for {prepared.accounts:,} accounts", "<= 2"),
    ]


class _Round(NamedTuple):
    saturated: Result
    steady: Result
    with_pack: Result
    """Saturated, with the whole starting pack beside the benchmark's rules."""
    with_model: Result
    """Saturated, with a LightGBM model of 400 trees over the 60 features."""
    echo: Result


def _measure(server: _Server, sizes: Sizes, key: str, *, rate: int = 0, run: int = 0, repeat: bool = False) -> Result:
    """One run of the load generator in a process of its own, on the last core."""
    count = int(rate * (sizes.seconds + 3)) if rate else (20_000 if repeat else sizes.requests)
    plan = msgspec.structs.replace(_saturated(server, sizes), rate=rate, repeat=repeat)
    return in_child(_load, plan, count, sizes.accounts, key, run, sizes.starts(run))  # type: ignore[no-any-return]


def _saturated(server: _Server, sizes: Sizes) -> Plan:
    cpu = (os.cpu_count() or 1) - 1
    return Plan(server.port, CONNECTIONS, sizes.seconds, 0, SATURATED_IN_FLIGHT, cpu=cpu)


def _load(plan: Plan, count: int, accounts: int, key: str, seed: int, begins: int) -> Result:
    traffic = Traffic(accounts, seed=seed + 1)
    requests = [http(_renamed(body, seed), key) for body in traffic.bodies(count, begins)]
    gc.collect()
    gc.freeze()
    return drive(plan, requests)


def _renamed(body: bytes, run: int) -> bytes:
    """Ids of their own for each run, so that nothing is answered from memory."""
    return body.replace(b'"bench-', b'"run%d-' % run, 1)


def in_child(work: Callable[..., Any], *args: Any) -> Any:
    """Run in a fresh process: no warm caches, no garbage of other parts."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(work, args)


class _Server:
    """A server process on core 0 that prints one JSON line when it is ready."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments

    def __enter__(self) -> _Server:
        command = [sys.executable, "-m", "lianfang.app.bench.serve", *self._arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        assert self.process.stdout is not None
        until = time.monotonic() + START_S
        self.said: dict[str, Any] = {}
        while "port" not in self.said and time.monotonic() < until:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the server to be measured did not start")
            if line.startswith("{"):
                said = json.loads(line)
                self.said = {**said, "port": said.get("decider", said.get("port"))}
        self.port = int(self.said["port"])
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
