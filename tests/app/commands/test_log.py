"""`lianfang log`: a log verified whole, an entry proved and checked elsewhere, and what is changed refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lianfang.app.bench.tlog import log_speed
from lianfang.app.cli import main
from lianfang.engines.tlog import cosign
from tests.engines.tlog.made import ORIGIN, WITNESS_KEYS, WITNESSES, entries_of
from tests.infra.tlog.made import KEY, opened

ENTRIES = entries_of(300)
LOG_KEY = ("--key", str(KEY))
THREE = tuple(word for key in WITNESS_KEYS[:3] for word in ("--witness", str(key)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log whose checkpoint two witnesses have cosigned; the working folder is beside it."""
    monkeypatch.chdir(tmp_path)
    store = opened(tmp_path / "log")
    store.append(ENTRIES)
    store.commit()
    text = store.integrate().note.text
    store.add_cosignatures(300, [cosign(text, one, 1_800_000_000) for one in WITNESSES[:2]])
    store.close()
    return Path("log")


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_sound_log_is_said_to_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("log", "verify", folder, *LOG_KEY) == 0
    said = capsys.readouterr().out
    assert f"{ORIGIN}: 300 entries" in said
    assert "No witness was asked" in said


def test_witnesses_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("log", "verify", folder, *LOG_KEY, *THREE, "--quorum", 2) == 0
    assert "Cosigned by w0.example.org, w1.example.org." in capsys.readouterr().out
    assert run("log", "verify", folder, *LOG_KEY, *THREE) == 1
    assert "2 of the 3 witnesses needed have cosigned; w2.example.org did not" in capsys.readouterr().err


def test_what_was_found_is_written_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("log", "verify", folder, *LOG_KEY, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["size"], found["sound"], found["witnesses"]) == (300, True, [])


def test_a_changed_entry_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "tile" / "entries" / "000"
    path.write_bytes(path.read_bytes().replace(b"entry 17", b"entry 71"))
    assert run("log", "verify", folder, *LOG_KEY) == 1
    assert "says another hash of entry 17 than the entries give" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--key", "nonsense"), "a verifier key is written"),
        ((*LOG_KEY, "--quorum", "1"), "a quorum is of witnesses"),
        ((*LOG_KEY, *THREE, "--quorum", "4"), "a quorum is 1 to 3"),
        ((*LOG_KEY, "--witness", str(KEY)), "is no witness"),
    ],
)
def test_wrong_keys_are_wrong_input(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run("log", "verify", folder, *words) == 2
    assert said in capsys.readouterr().err


def test_an_entry_is_proved_and_checked_without_the_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("log", "prove", folder, 17, "--out", "p.tlog-proof") == 0
    assert Path("p.entry").read_bytes() == ENTRIES[17]
    folder.rename("elsewhere")
    assert run("log", "check-proof", "p.tlog-proof", "p.entry", *LOG_KEY, *THREE, "--quorum", 2) == 0
    said = capsys.readouterr().out
    assert "Proved: p.entry is entry 17 of the 300 entries" in said
    assert "At least 2 of 3 witnesses" in said
    assert run("log", "check-proof", "p.tlog-proof", "p.entry", *LOG_KEY, *THREE, "--quorum", 3) == 1
    Path("p.entry").write_bytes(ENTRIES[18])
    assert run("log", "check-proof", "p.tlog-proof", "p.entry", *LOG_KEY) == 1
    assert "leads to another root" in capsys.readouterr().err


def test_an_entry_is_proved_under_an_earlier_checkpoint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("earlier").write_bytes((folder / "checkpoint").read_bytes())
    store = opened(folder)
    store.append(entries_of(400, tag=b"more"))
    store.commit()
    store.integrate()
    store.close()
    assert run("log", "prove", folder, 299, "--checkpoint", "earlier") == 0
    assert run("log", "check-proof", "299.tlog-proof", "299.entry", *LOG_KEY, *THREE[:4]) == 0
    assert "of the 300 entries" in capsys.readouterr().out
    assert run("log", "prove", folder, 300, "--checkpoint", "earlier") == 2
    assert "has no entry 300" in capsys.readouterr().err


def test_no_proof_is_written_from_changed_tiles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "tile" / "0" / "000"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert run("log", "prove", folder, 0) == 1
    assert "another root" in capsys.readouterr().err
    assert not Path("0.tlog-proof").exists()


def test_files_that_are_not_there_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("log", "verify", "nowhere", *LOG_KEY) == 2
    assert run("log", "check-proof", "nowhere", "nowhere", *LOG_KEY) == 2
    assert run("log", "prove", folder, 1, "--out", "nowhere/p") == 1
    said = capsys.readouterr().err
    assert "holds no log" in said
    assert "cannot read nowhere" in said
    assert "give another place with --out" in said


def test_the_figures_are_measured_on_logs_that_verify(tmp_path: Path) -> None:
    figures = {one.name: one.value for one in log_speed(tmp_path, 0.2)}
    assert min(figures.values()) > 0
    assert not list(tmp_path.iterdir())
