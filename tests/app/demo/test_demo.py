"""The demonstration from start to stop, as `make run` does it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lianfang.infra.journal import DECISION, scan

WAIT_S = 150


def _start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LIANFANG_")}
    environ |= {"LIANFANG_DECIDER_PORT": "0", "LIANFANG_DESK_PORT": "0"}
    command = [sys.executable, "-m", "lianfang.app.cli", "demo", "--data-dir", str(folder), "--past", "1", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, cwd=folder.parent
    )


@pytest.mark.slow
def test_a_demonstration_decides_shows_why_and_ends_cleanly_and_again_on_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first = _start(folder, "--seconds", "3", "--json", str(tmp_path / "demo.json"))
    out, _ = first.communicate(timeout=WAIT_S)
    assert first.returncode == 0, out
    assert "/console   chen / " in out
    last = out.strip().splitlines()[-1]
    assert last.startswith("已决策 decided ")
    value = {f["name"]: f["value"] for f in json.loads((tmp_path / "demo.json").read_text())["figures"]}
    assert value["decided"] > 30
    assert value["refused"] == 0
    assert not (folder / "running.json").exists()

    second = _start(folder, "--lang", "en")  # no end of its own: Ctrl-C ends it
    lines: list[str] = []
    killer = threading.Timer(WAIT_S, second.kill)
    killer.start()
    assert second.stdout is not None
    for line in second.stdout:
        lines.append(line)
        if line.startswith("decided "):
            second.send_signal(signal.SIGINT)
            break
    rest, _ = second.communicate(timeout=WAIT_S)
    killer.cancel()
    assert second.returncode == 0, rest
    assert "Traceback" not in "".join(lines) + rest
    ids = [json.loads(r.parts[0])["id"] for r in scan(folder / "journal") if r.kind == DECISION]
    assert len(ids) == len(set(ids))
    assert len({i[:12] for i in ids}) == 2  # two runs, each with ids of its own
