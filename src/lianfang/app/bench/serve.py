"""The servers that the benchmark measures, each pinned to core 0: a decider, or a bare echo on the same transport."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import msgspec
import uvloop

from lianfang.app.bench.decide import IDS
from lianfang.app.node.clock import ticks_s
from lianfang.app.node.decider import main as decider_main
from lianfang.app.settings import Settings
from lianfang.infra.http import Request, Server, Slot, response
from lianfang.wire import Payment


def main(arguments: list[str]) -> int:
    """`decider FOLDER` or `echo`."""
    if arguments[0] == "decider":
        return decider_main(
            Settings(
                data_dir=arguments[1],
                decider_port=0,
                decider_cpu=0,
                ids_remembered=IDS,
                log_level="error",
                snapshot_every_s=86_400,
                snapshot_every_records=1 << 30,
            )
        )
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    uvloop.run(_echo())
    return 0


async def _echo() -> None:
    decode = msgspec.json.Decoder(Payment).decode

    def handle(request: Request, slot: Slot) -> bytes:
        decode(request.body)
        return response(200, request.body)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = Server(handle, ticks_s, print)
    port = await server.start("127.0.0.1", 0)
    print(msgspec.json.encode({"port": port}).decode(), flush=True)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
