"""A whole small alliance to be hurt: a real hub process, real witnesses, members that sign."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from lianfang.engines.sealing import SealingKey, SigningKey, sign_entry
from lianfang.engines.tlog import parse_verifier
from lianfang.infra.feed import HubConnection, Identity, Trust
from lianfang.kernel.instant import DAY
from lianfang.wire import OpinionEntry, SessionRequest, TagEntry, TombstoneEntry, write

ORIGIN = "tags.test.example"
WAIT_S = 60.0


def now_us() -> int:
    return time.time_ns() // 1_000


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Process:
    """`lianfang ...`, watched until it says its port."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self._arguments = arguments
        self.port = 0

    def start(self, port: int = 0) -> Process:
        command = [sys.executable, "-m", "lianfang.app.cli", *self._arguments, "--port", str(port or self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            self.process.wait(WAIT_S)
            assert self.process.stderr is not None
            raise AssertionError(f"{self.name} did not start: {line}{self.process.stderr.read()}")
        self.port = json.loads(line)[self.name]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        said = self._end()
        assert self.process.returncode == 0, said
        return said

    def _end(self) -> str:
        _, errors = self.process.communicate(timeout=WAIT_S)
        return errors


def run(*arguments: str) -> str:
    """A command that ends well; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "lianfang.app.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


class Member:
    """A member with its keys, and what it sends."""

    def __init__(self, name: str, declared: int = 1_000_000) -> None:
        self.id = name
        self.key = SigningKey(secrets.token_bytes(32))
        self.sealing = SealingKey(secrets.token_bytes(32))
        self.declared = declared

    def registration(self, folder: Path, **more: Any) -> Path:
        path = folder / f"{self.id}.json"
        said = {
            "id": self.id, "zh": "甲", "en": self.id, "signing": b64(self.key.public), "sealing": b64(self.sealing.public),
            "declared": self.declared, **more,
        }  # fmt: skip
        path.write_text(json.dumps(said), "utf-8")
        return path

    def session(self, **changed: Any) -> bytes:
        values: dict[str, Any] = {
            "member": self.id, "audience": "hub", "nonce": os.urandom(16).hex(), "at": now_us(), "signature": bytes(64),
        }  # fmt: skip
        return write(sign_entry(SessionRequest(**{**values, **changed}), self.key))

    def identity(self) -> Identity:
        return Identity(self.id, self.key)

    def tag(self, **changed: Any) -> TagEntry:
        at = now_us()
        made = TagEntry(
            member=self.id, id=os.urandom(16).hex(), kind="phone", purpose="anti_fraud", epoch="2026Q4", until=at + 30 * DAY,
            at=at, lookup=os.urandom(16), sealed=os.urandom(300),
        )  # fmt: skip
        return msgspec.structs.replace(made, **changed)

    def tombstone(self, of: str, **changed: Any) -> TombstoneEntry:
        made = TombstoneEntry(member=self.id, of=of, reason="mistaken", at=now_us(), signature=bytes(64))
        return sign_entry(msgspec.structs.replace(made, **changed), self.key)

    def opinion(self, of: str, **changed: Any) -> OpinionEntry:
        made = OpinionEntry(member=self.id, of=of, stance="dispute", at=now_us(), signature=bytes(64))
        return sign_entry(msgspec.structs.replace(made, **changed), self.key)


class Desk:
    """A member's plain HTTP to the hub."""

    def __init__(self, url: str, member: Member) -> None:
        self.member = member
        self.http = httpx.Client(base_url=url, timeout=20, trust_env=False)
        said = self.http.post("/v1/sessions", content=member.session(), headers={"Content-Type": "application/json"})
        assert said.status_code == 201, said.text
        self.http.headers["Authorization"] = f"Bearer {said.json()['secret']}"

    def post(self, entries: Any) -> httpx.Response:
        return self.http.post("/v1/entries", content=write(entries))

    def publish(self, *entries: Any) -> list[int]:
        said = self.post(list(entries) if len(entries) > 1 else entries[0])
        assert said.status_code == 200, said.text
        indexes: list[int] = said.json()["indexes"]
        return indexes


class Alliance:
    """A hub with `witnesses` witnesses, of which `quorum` must cosign."""

    def __init__(self, folder: Path, witnesses: int = 0, quorum: int = 0, **settings: Any) -> None:
        self.folder = folder
        self.data = folder / "hub"
        said = json.loads(run("hub", "init", "--data", str(self.data), "--origin", ORIGIN, "--quorum", str(quorum)))
        self.log_key = said["log_key"]
        self.quorum = quorum
        self._desks: list[Desk] = []
        with (self.data / "hub.toml").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        self.hub = Process("hub", "hub", "serve", "--data", str(self.data)).start()
        self.witnesses: list[Process] = []
        self.witness_keys: list[str] = []
        for number in range(witnesses):
            self._witness(number)
        self.members: dict[str, Member] = {}

    def _witness(self, number: int) -> None:
        data = self.folder / f"witness-{number}"
        key = json.loads(run("witness", "init", f"w{number}.test.example", "--data", str(data)))["witness"]
        run("witness", "add", ORIGIN, self.log_key, "--reason", "test", "--data", str(data))
        process = Process("witness", "witness", "serve", "--data", str(data)).start()
        self.witnesses.append(process)
        self.witness_keys.append(key)
        path = Member(f"witness-{number}").registration(self.folder, witness=key, witness_url=process.url)
        self.operator("member", "add", str(path), "--role", "witness", "--reason", "test")

    def operator(self, *arguments: str) -> str:
        return run("hub", *arguments, "--data", str(self.data))

    def join(self, name: str, *roles: str, declared: int = 1_000_000) -> Member:
        member = Member(name, declared)
        given = [part for role in roles or ("contributor", "reader") for part in ("--role", role)]
        self.operator("member", "add", str(member.registration(self.folder)), *given, "--reason", "test")
        self.members[name] = member
        return member

    def desk(self, member: Member) -> Desk:
        made = Desk(self.hub.url, member)
        self._desks.append(made)
        return made

    def trust(self) -> Trust:
        keys = tuple(parse_verifier(key) for key in self.witness_keys)
        return Trust(ORIGIN, parse_verifier(self.log_key), keys, self.quorum)

    def connection(self, http: httpx.AsyncClient, member: Member | None) -> HubConnection:
        who = None if member is None else member.identity()
        return HubConnection(http, self.hub.url, who, now_us, secrets.token_bytes)

    def close(self) -> None:
        for desk in self._desks:
            desk.http.close()
        for process in [self.hub, *self.witnesses]:
            if process.process.poll() is None:
                process.kill()
