"""A lock on a file: shared by readers, had alone by one, and given up by a process that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lianfang.infra.locked import changing, locked
from lianfang.kernel.errors import DependencyError

HOLD = "import sys, time; from pathlib import Path; from lianfang.infra.locked import locked\nwith locked(Path(sys.argv[1]), 'alone') as got:\n print(got, flush=True); time.sleep(60)"  # noqa: E501


def test_readers_share_and_nobody_has_it_alone_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "shared") as one, locked(path, "shared") as two:
        assert one
        assert two
        with locked(path, "alone") as got:
            assert not got
    with locked(path, "alone") as got:
        assert got


def test_a_folder_is_changed_by_one_at_a_time_and_read_by_nobody_else(tmp_path: Path) -> None:
    with changing(tmp_path / "f", "lock", "the thing", "thing-busy"):
        assert (tmp_path / "f").stat().st_mode & 0o777 == 0o700
        with (
            pytest.raises(DependencyError, match="at work on the thing") as told,
            changing(tmp_path / "f", "lock", "the thing", "thing-busy"),
        ):
            pass
    assert told.value.code == "thing-busy"


def test_a_killed_process_has_nothing_any_more(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        with locked(path, "alone") as got:
            assert not got
        holder.kill()
        holder.wait()
    with locked(path, "alone") as got:
        assert got
