"""Model folders: read with every file bounded and every hash checked, written whole or not at all.

A folder that does not prove what it claims is never half used: the error says which file, and what to do.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, DependencyError, EvidenceError, InputError, TooLargeError
from lianfang.wire import MANIFEST, PAPERS, TREES, Model, read_manifest, version_of_model

_TREES: Final = frozenset(TREES.values())
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""A link or a pipe in the place of a file is refused instead of followed or waited for."""


@dataclass(frozen=True)
class ModelFolder:
    """A model as it stands in a folder, hashes checked. `files`: every file but the manifest, by name."""

    manifest: Model
    files: Mapping[str, bytes]

    @property
    def trees(self) -> bytes:
        """The trees as their library wrote them."""
        return self.files[self.manifest.trees]


def read_model(folder: Path) -> ModelFolder:
    """The model in a folder. Raises `InputError` (no such folder, not a manifest), `TooLargeError`, `EvidenceError`."""
    if not folder.is_dir():
        raise InputError(f"there is no model folder {folder}; `lianfang train --out {folder}` makes one", str(folder))
    manifest = read_manifest(_read(folder / MANIFEST, limits.MODEL_MANIFEST_BYTES_MAX))
    allowed = {manifest.trees, *PAPERS}
    if unknown := sorted(manifest.files.keys() - allowed):
        raise InputError(
            f"a model folder holds {', '.join(sorted(allowed))}, but its manifest names {unknown[0]}", MANIFEST
        )
    present = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")} - {MANIFEST}
    if strange := sorted(present - manifest.files.keys()):
        raise EvidenceError(
            f"{folder / strange[0]} is not named by {MANIFEST}: take it away, or write the folder anew with its tool"
        )
    files = {name: _read(folder / name, size_of(name)) for name in manifest.files}
    return checked(manifest, files)


def checked(manifest: Model, files: Mapping[str, bytes]) -> ModelFolder:
    """Manifest and files together, when their hashes agree. Raises `InputError`, `TooLargeError`, `EvidenceError`."""
    if manifest.trees not in manifest.files:
        raise InputError(f"the manifest of a {manifest.kind} model names {manifest.trees} and its SHA-256", "$.files")
    if manifest.files.keys() != files.keys():
        raise InputError(
            f"the manifest names {', '.join(sorted(manifest.files))}, but there are {', '.join(sorted(files))}",
            "$.files",
        )
    for name, data in files.items():
        if len(data) > size_of(name):
            raise TooLargeError(f"{name} has {len(data):,} bytes; at most {size_of(name):,} are read", name)
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise EvidenceError(
                f"{name} is not the file that {MANIFEST} names: it was changed or damaged; copy the folder anew"
            )
    if manifest.version != version_of_model(manifest):
        raise EvidenceError(f"{MANIFEST} does not have the version that it bears: it was changed; copy the folder anew")
    return ModelFolder(manifest, dict(files))


def seal(manifest: Model, files: Mapping[str, bytes]) -> ModelFolder:
    """The manifest with the hashes of these files and its version. `files`: the trees, and any of `PAPERS`."""
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    named = msgspec.structs.replace(manifest, files=hashes, version="")
    return checked(msgspec.structs.replace(named, version=version_of_model(named)), files)


def write_model(folder: Path, manifest: Model, files: Mapping[str, bytes], *, replace: bool = False) -> ModelFolder:
    """Seal a model and write its folder: another process sees all of it or nothing.

    `replace`: a model folder that is there already gives way. Raises `ConflictError` otherwise, `DependencyError` for a disk.
    """
    if unknown := sorted(files.keys() - {manifest.trees, *PAPERS}):
        raise InputError(f"a {manifest.kind} model folder has no file {unknown[0]}", unknown[0])
    sealed = seal(manifest, files)
    there = folder.exists()
    if there and not (replace and (folder / MANIFEST).is_file()):
        raise ConflictError(f"{folder} is there already; choose another folder, or take it away", str(folder))
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        made.mkdir(parents=True)
        for name, data in {**sealed.files, MANIFEST: _pretty(sealed.manifest)}.items():
            with (made / name).open("xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        if there:
            shutil.rmtree(folder)
        made.rename(folder)
    except OSError as why:
        shutil.rmtree(made, ignore_errors=True)
        raise DependencyError(f"cannot write the model folder {folder}: {why.strerror}") from why
    return sealed


def size_of(name: str) -> int:
    """The most bytes that a file of a model folder may have."""
    if name == MANIFEST:
        return limits.MODEL_MANIFEST_BYTES_MAX
    return limits.MODEL_TREES_BYTES_MAX if name in _TREES else limits.MODEL_PAPER_BYTES_MAX


def _pretty(manifest: Model) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def _read(path: Path, most: int) -> bytes:
    try:
        handle = os.open(path, _READ_FLAGS)
    except FileNotFoundError as why:
        raise InputError(f"the model folder has no {path.name}", str(path)) from why
    except OSError as why:
        raise InputError(f"{path} cannot be read as a plain file: {why.strerror}", str(path)) from why
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{path} cannot be read as a plain file: it is none", str(path))
    with os.fdopen(handle, "rb") as source:
        data = source.read(most + 1)
    if len(data) > most:
        raise TooLargeError(f"{path} is larger than {most:,} bytes", str(path))
    return data
