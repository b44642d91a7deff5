"""The load generator: its own process on the other core, requests made beforehand, latency counted from the planned moment.

Open loop: requests are sent when they are due, whether or not earlier ones were answered, so a slow server cannot slow
down its own measurement (coordinated omission). Saturated: the same, with as many under way as `in_flight` allows.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import uvloop

from lianfang.engines.evaluate import Histogram

_MARK: Final = b"HTTP/1.1 "
_GOOD: Final = b"HTTP/1.1 200 "


class Plan(msgspec.Struct, frozen=True):
    """One run. `rate` payments a second in open loop, 0 for as fast as they are taken."""

    port: int
    connections: int
    seconds: float
    rate: float
    in_flight: int
    cpu: int = -1
    warm_s: float = 1.0
    """Not counted, at the beginning."""
    repeat: bool = False
    """Begin again when all requests are sent: only for a server that does not care."""


class Result(msgspec.Struct):
    """What came back after the warm-up."""

    answered: int = 0
    refused: int = 0
    per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    unanswered: int = 0
    lost: int = 0
    """Asked on connections that the server closed."""


class _Client(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self.run = run
        self.sent: deque[float] = deque()
        self._tail = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.lose(self)

    def data_received(self, data: bytes) -> None:
        data = self._tail + data
        answers = data.count(_MARK)
        good = data.count(_GOOD)
        # Keep an end that may hold the beginning of a mark. If it holds a whole one, count that when its status has come.
        tail = data[-len(_GOOD) + 1 :]
        at = tail.find(_MARK)
        if at >= 0:
            answers -= 1
            tail = tail[at:]
        self._tail = tail
        self.run.take(self, answers, good)


class _Run:
    def __init__(self, plan: Plan, requests: Sequence[bytes]) -> None:
        self.plan = plan
        self.requests = requests
        self.clients: list[_Client] = []
        self.latency = Histogram()
        self.result = Result()
        self.under_way = 0
        self.next = 0
        self.counting_from = float("inf")

    def take(self, client: _Client, answers: int, good: int) -> None:
        now = time.perf_counter()
        self.under_way -= answers
        counted = now >= self.counting_from
        for _ in range(answers):
            planned = client.sent.popleft()
            if counted:
                self.latency.record((now - planned) * 1e6)
        if counted:
            self.result.answered += good
            self.result.refused += answers - good

    def lose(self, client: _Client) -> None:
        """A connection has ended: what it was asked is not answered any more."""
        if client in self.clients:
            self.clients.remove(client)
        self.result.lost += len(client.sent)
        self.under_way -= len(client.sent)

    def send(self, due: int, planned: Sequence[float]) -> None:
        """Send `due` requests, a run of them to each connection in turn so that writes are few."""
        clients, requests = self.clients, self.requests
        each = max(1, -(-due // len(clients))) if not self.plan.rate else 1
        done = 0
        while done < due:
            client = clients[self.next % len(clients)]
            self.next += 1
            n = min(each, due - done)
            first = self.sent_total
            client.transport.write(requests[first] if n == 1 else b"".join(requests[first : first + n]))
            client.sent.extend(planned[done : done + n])
            self.sent_total += n
            done += n
        self.under_way += due

    sent_total = 0


async def _drive(plan: Plan, requests: Sequence[bytes]) -> Result:
    loop = asyncio.get_running_loop()
    run = _Run(plan, requests)
    for _ in range(plan.connections):
        _, client = await loop.create_connection(lambda: _Client(run), "127.0.0.1", plan.port)
        run.clients.append(client)
    gaps = np.random.default_rng(7).exponential(1 / plan.rate, len(requests)) if plan.rate else np.zeros(1)
    due_at = np.cumsum(gaps).tolist()
    start = time.perf_counter()
    run.counting_from = start + plan.warm_s
    end = start + plan.warm_s + plan.seconds
    while (now := time.perf_counter()) < end and run.sent_total < len(requests) and run.clients:
        if plan.rate:
            i = run.sent_total
            while i < len(due_at) and start + due_at[i] <= now:
                i += 1
            if i > run.sent_total:
                run.send(i - run.sent_total, [start + due_at[k] for k in range(run.sent_total, i)])
        else:
            room = min(plan.in_flight - run.under_way, len(requests) - run.sent_total)
            if plan.repeat and run.sent_total > len(requests) // 2:
                run.sent_total = 0
            if room > plan.in_flight // 8:
                run.send(room, [now] * room)
        await asyncio.sleep(0)
    counted_s = time.perf_counter() - run.counting_from
    run.result.per_s = run.result.answered / max(counted_s, 1e-9)
    for _ in range(200):  # what is still under way may arrive, and counts for the percentiles
        if run.under_way <= 0:
            break
        await asyncio.sleep(0.01)
    result = run.result
    result.unanswered = run.under_way
    if run.latency.count:
        result.p50_ms, result.p99_ms, result.p999_ms = (run.latency.percentile(p) / 1_000 for p in (50, 99, 99.9))
    for client in list(run.clients):
        client.sent.clear()
        client.transport.close()
    return result


def drive(plan: Plan, requests: Sequence[bytes]) -> Result:
    """Run one plan in this process."""
    if plan.cpu >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {plan.cpu})
    return uvloop.run(_drive(plan, requests))


def http(body: bytes, key: str = "") -> bytes:
    """A request for a decision."""
    secret = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST /v1/decisions HTTP/1.1\r\nHost: node\r\n{secret}Content-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
