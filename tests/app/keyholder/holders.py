"""Real keyholder processes of one ceremony, a file of members they watch, and members that ask them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from lianfang.app.keyholder.folder import Folder, Kept
from lianfang.app.keyholder.members import MembersSaid
from lianfang.engines.sealing import SigningKey
from lianfang.infra.keyholders import HolderAt, KeyUsed, Tokens
from lianfang.services.keyholding import Dealt, deal, open_shares
from lianfang.wire import MemberEntry, write

EPOCH: Final = "2026Q4"
MEMBER_KEY: Final = SigningKey(b"\7" * 32)
PATIENCE_S: Final = 30.0
REFERENCE: Final = "ab" * 16
PERSON: Final = "0123456789abcdef"


class Ring:
    """`count` holders, `threshold` of whom are needed."""

    def __init__(self, root: Path, count: int = 3, threshold: int = 2, declared: int = 100_000) -> None:
        self.root = root
        self.members_file = root / "members.json"
        self.folders = [Folder(root / f"holder-{i}") for i in range(1, count + 1)]
        self.names = [f"holder-{i}" for i in range(1, count + 1)]
        for folder, name in zip(self.folders, self.names, strict=True):
            folder.make()
            (folder.root / "keyholder.toml").write_text(f'id = "{name}"\nport = 0\nmembers = "{self.members_file}"\n')
        self.members = [
            *(member(n, f.signing.public, f.sealing.public) for n, f in zip(self.names, self.folders, strict=True)),
            member("bank-a", MEMBER_KEY.public, bytes(32), declared=declared),
        ]
        self.say_members()
        self.dealt = self._deal(threshold)
        self.threshold = threshold
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.urls: dict[str, str] = {}

    def _deal(self, threshold: int) -> Dealt:
        keys: Any = [("account", "anti_fraud"), ("phone", "anti_fraud")]
        holders = self.members[: len(self.names)]
        dealt = deal(holders, threshold, EPOCH, keys, ("Chen", "Li"), "0" * 32, 1, os.urandom)
        for folder, name, box in zip(self.folders, self.names, dealt.boxes, strict=True):
            shares = open_shares(box, dealt.transcript, name, folder.sealing)
            folder.keep(Kept(shares=shares, transcript=dealt.transcript))
        return dealt

    def say_members(self) -> None:
        """Write what the hub would say."""
        temporary = self.members_file.with_suffix(".new")
        temporary.write_bytes(write(MembersSaid(size=len(self.members), members=tuple(self.members))))
        temporary.replace(self.members_file)

    def change(self, name: str, **changed: Any) -> None:
        """A member is another one from now on."""
        self.members = [msgspec.structs.replace(m, **changed) if m.id == name else m for m in self.members]
        self.say_members()

    def start(self, *names: str) -> None:
        """Start these, or all."""
        for name in names or self.names:
            folder = self.root / name
            command = [sys.executable, "-m", "lianfang.app.cli", "keyholder", "serve", "--data", str(folder)]
            with (folder / "log.txt").open("a") as log:
                self.processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        for name in names or self.names:
            stdout = self.processes[name].stdout
            assert stdout is not None
            line = stdout.readline()
            assert line, (self.root / name / "log.txt").read_text()
            self.urls[name] = f"http://127.0.0.1:{json.loads(line)['keyholder']}"

    def stop(self, *names: str, kill: bool = False) -> None:
        """End these, or all; `kill`: at once, as a power cut would."""
        for name in names or list(self.processes):
            process = self.processes.pop(name, None)
            if process is not None:
                process.kill() if kill else process.terminate()
                process.wait(20)
                if process.stdout is not None:
                    process.stdout.close()

    def used(self, kind: str, purpose: str, epoch: str) -> KeyUsed:
        """What the log's ceremony would say."""
        transcript = self.dealt.transcript
        keys = next(k for k in transcript.keys if (k.kind, k.purpose, k.epoch) == (kind, purpose, epoch))
        return KeyUsed(keys, self.threshold, transcript.holders)

    def client(self, urls: dict[str, str] | None = None, key: SigningKey = MEMBER_KEY, **options: Any) -> Tokens:
        """A member's client; use it in one event loop."""
        at = [HolderAt(name, url) for name, url in (urls or self.urls).items()]
        return Tokens("bank-a", key, at, self.used, lambda: time.time_ns() // 1_000, os.urandom, **options)


def member(name: str, signing: bytes, sealing: bytes, **more: Any) -> MemberEntry:
    return MemberEntry(
        id=name, zh="甲", en="A", roles=("keyholder",), state="active", signing=signing, sealing=sealing, by="op", at=1,
        **more,
    )  # fmt: skip


def until(good: Any) -> Any:
    """What `good` gives, once it is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := good()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return found
