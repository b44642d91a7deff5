"""Logs in folders, made for the tests, and the walk over the files of one."""

from __future__ import annotations

from pathlib import Path

from lianfang.engines.tlog import leaf_hashes, root_of
from lianfang.infra.tlog import LogStore, verify_log
from tests.engines.tlog.made import LOG, ORIGIN

KEY = LOG.verifier


def opened(folder: Path, **how: object) -> LogStore:
    store, _ = LogStore.open(folder, ORIGIN, LOG, **how)  # type: ignore[arg-type]
    return store


def written(folder: Path, entries: list[bytes], *, step: int = 100) -> None:
    """A closed log of these entries, `step` a checkpoint."""
    store = opened(folder)
    for at in range(0, len(entries), step):
        store.append(entries[at : at + step])
        store.commit()
        store.integrate()
    store.close()


def check_whole(folder: Path, entries: list[bytes]) -> None:
    """The published log is sound and holds exactly these entries."""
    found = verify_log(folder, KEY, ORIGIN)
    assert found.signed.checkpoint.size == len(entries)
    assert found.signed.checkpoint.root == root_of(leaf_hashes(entries))


def published_files(folder: Path) -> dict[str, bytes]:
    """All that a web server would serve."""
    files = [path for path in folder.rglob("*") if path.is_file() and "pending" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
