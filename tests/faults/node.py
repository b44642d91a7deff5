"""A decider to be hurt: a real process on a real folder, and a client that remembers every answer it got."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from lianfang.app.node.files import NodeFiles
from lianfang.infra import published
from lianfang.infra.published import write_whole
from lianfang.kernel.instant import Instant
from lianfang.services.identity import issue
from lianfang.wire import Feature, Policy, Rule, RuleSet, write

RULES = RuleSet(
    policy=Policy(),
    features=(
        Feature(name="spent", define="sum(amount) of payments by payer.account over 24h including this"),
        Feature(name="payees", define="distinct(payee.account) of payments by payer.account over 30d"),
    ),
    rules=(
        Rule(id="much", zh="金额过大", en="Much", when="spent > 100000", action="hold", code="MUCH"),
        Rule(id="many", zh="收款方多", en="Many", when="payees > 20", action="challenge", code="MANY"),
    ),
)
START_S = 60
_RUN = """
import sys, msgspec
from lianfang.app.node.decider import main
from lianfang.app.settings import Settings
sys.exit(main(msgspec.json.decode(sys.argv[1], type=Settings)))
"""


class Decider:
    """Start, ask, kill, start again."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.files = NodeFiles(folder)
        self.files.make()
        write_whole(self.files.published / published.RULESET, write(RULES))
        issued = issue(["decide", "read", "outcomes"], Instant(0), secrets.token_bytes)
        write_whole(self.files.published / published.KEYS, write([issued.key]))
        self.key = issued.text
        self._settings = {
            "data_dir": str(folder),
            "decider_port": 0,
            "feature_memory_mb": 256,
            "ids_remembered": 65_536,
            "segment_mb": 1,
            "segments_ahead": 2,
        }
        self._settings |= settings
        self.port = 0

    def start(self) -> Decider:
        command = [sys.executable, "-c", _RUN, json.dumps(self._settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith('{"decider"'):
                self.port = json.loads(line)["decider"]
                return self
        raise AssertionError("the decider did not start:\n" + "".join(said))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """A clean stop; what it said is shown if it was not."""
        self.process.send_signal(signal.SIGTERM)
        said, status = self._end()
        assert status == 0, f"status {status}:\n{said}"

    def _end(self) -> tuple[str, int]:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            return out.read(), self.process.wait(START_S)

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {self.key}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as why:
            return json.loads(why.read())

    async def ask(self, payments: list[dict[str, Any]], workers: int = 8) -> dict[str, tuple[int, bytes]]:
        """Post each payment, several at a time; (status, body) by id of what was answered before the connection broke."""
        answered: dict[str, tuple[int, bytes]] = {}
        todo = iter(payments)

        async def work() -> None:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionError:  # killed before it was even asked
                return
            try:
                for payment in todo:
                    body = msgspec.json.encode(payment)
                    head = f"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
                    writer.write(
                        head.encode()
                        + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                        + body
                    )
                    answer_head = await reader.readuntil(b"\r\n\r\n")
                    length = int(answer_head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    answered[payment["id"]] = (int(answer_head[9:12]), await reader.readexactly(length))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        await asyncio.gather(*(work() for _ in range(workers)), return_exceptions=False)
        return answered


def payments(run: int, count: int) -> list[dict[str, Any]]:
    """Made-up payments of a few people, ids unique by run, a second apart; runs ten minutes apart."""
    start = datetime(2026, 5, 1, 8, tzinfo=UTC) + run * timedelta(minutes=10)
    return [
        {
            "id": f"r{run}-{i}",
            "time": (start + timedelta(seconds=i)).isoformat(),
            "kind": "transfer",
            "amount": 1_000 + i,
            "currency": "CNY",
            "payer": {"account": f"p{i % 7}"},
            "payee": {"account": f"q{i % 40}"},
        }
        for i in range(count)
    ]


def is_root() -> bool:
    """Whether a test may mount."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
