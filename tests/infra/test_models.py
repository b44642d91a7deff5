"""A model folder: whole, unchanged, and of bounded size, or refused with the reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lianfang.infra.models import read_model, seal, write_model
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, EvidenceError, InputError, LianfangError, TooLargeError
from lianfang.wire import Input, Model, Trained, version_of_model, write

MANIFEST = Model(
    name="cards",
    kind="lightgbm",
    inputs=(Input(name="amount", define="amount"),),
    trained=Trained(created_at=datetime(2026, 5, 1, tzinfo=UTC)),
)
FILES = {"trees.txt": b"tree\n", "report.html": b"<p>", "card.md": b"# card", "card.zh-CN.md": "# 模型卡".encode()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "cards", MANIFEST, FILES)
    return tmp_path / "cards"


def test_what_is_written_reads_back(folder: Path) -> None:
    found = read_model(folder)
    assert found.files == FILES
    assert found.trees == b"tree\n"
    assert found.manifest.version == version_of_model(found.manifest)
    assert msgspec.structs.replace(found.manifest, version="", files={}) == MANIFEST


def test_the_version_names_every_byte() -> None:
    versions = {seal(MANIFEST, FILES).manifest.version}
    for name, data in FILES.items():
        versions.add(seal(MANIFEST, {**FILES, name: data + b" "}).manifest.version)
    versions.add(seal(msgspec.structs.replace(MANIFEST, name="other"), FILES).manifest.version)
    assert len(versions) == len(FILES) + 2


def test_a_folder_is_not_overwritten_unless_asked(folder: Path) -> None:
    with pytest.raises(ConflictError, match="there already"):
        write_model(folder, MANIFEST, FILES)
    write_model(folder, MANIFEST, {"trees.txt": b"other"}, replace=True)
    assert read_model(folder).trees == b"other"
    assert [p.name for p in folder.parent.iterdir()] == ["cards"]


def test_a_folder_that_is_no_model_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(ConflictError):
        write_model(tmp_path / "letters", MANIFEST, FILES, replace=True)


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def _unlinked(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/hostname")


def _folder_instead(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def _pipe_instead(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


HARMS: dict[str, tuple[Callable[[Path], object], type[LianfangError], str]] = {
    "trees changed": (lambda f: (f / "trees.txt").write_bytes(b"other"), EvidenceError, "trees.txt is not the file"),
    "trees gone": (lambda f: (f / "trees.txt").unlink(), InputError, "has no trees.txt"),
    "manifest gone": (lambda f: (f / "model.json").unlink(), InputError, "has no model.json"),
    "manifest not JSON": (lambda f: (f / "model.json").write_bytes(b"{"), LianfangError, "trunc|JSON"),
    "manifest changed": (lambda f: _edit(f, name="other"), EvidenceError, "does not have the version"),
    "another version": (lambda f: _edit(f, version="0" * 64), EvidenceError, "does not have the version"),
    "no version": (lambda f: _edit(f, version=""), EvidenceError, "does not have the version"),
    "an unknown field": (lambda f: _edit(f, pickle="x"), InputError, "pickle"),
    "a path as a name": (lambda f: _edit(f, files={"../x": "0" * 64}), InputError, r"names \.\./x"),
    "no trees named": (lambda f: _edit(f, files={}), EvidenceError, "is not named by"),
    "another kind": (lambda f: _edit(f, kind="catboost"), InputError, "trees.txt"),
    "a file nobody named": (lambda f: (f / "trees.json").write_bytes(b"{}"), EvidenceError, "not named"),
    "a link": (lambda f: _unlinked(f, "trees.txt"), InputError, "plain file"),
    "a folder as a file": (lambda f: _folder_instead(f, "card.md"), InputError, "plain file"),
    "a pipe": (lambda f: _pipe_instead(f, "card.md"), InputError, "plain file"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_folder_is_refused(folder: Path, harm: str) -> None:
    act, kind, match = HARMS[harm]
    act(folder)
    with pytest.raises(kind, match=match):
        read_model(folder)


def test_a_file_past_its_limit_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MODEL_PAPER_BYTES_MAX", 4)
    with pytest.raises(TooLargeError, match="larger than 4 bytes"):
        read_model(folder)
    with pytest.raises(TooLargeError, match="at most 4 are read"):
        seal(MANIFEST, FILES)


def test_no_folder_and_strange_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model folder"):
        read_model(tmp_path / "none")
    with pytest.raises(InputError, match=r"has no file model\.pkl"):
        write_model(tmp_path / "m", MANIFEST, {"model.pkl": b""})
    with pytest.raises(InputError, match=r"trees\.txt"):
        seal(MANIFEST, {})


def test_a_manifest_laid_out_otherwise_is_the_same_model(folder: Path) -> None:
    before = read_model(folder).manifest
    (folder / "model.json").write_bytes(write(before))
    assert read_model(folder).manifest == before
