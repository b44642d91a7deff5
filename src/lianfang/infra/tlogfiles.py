"""Which files of a log's folder others may read: those that C2SP tlog-tiles names, and no other path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lianfang.infra.asgi import NotFoundError

_NAMES: Final = re.compile(
    r"checkpoint|tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/(x[0-9]{3}/)*[0-9]{3}(\.p/[1-9][0-9]{0,2})?"
)


def read_log_file(folder: Path, path: str) -> bytes:
    """The bytes at a path like `checkpoint` or `tile/0/x001/234`. Raises `NotFoundError` for everything else."""
    name = path.strip("/")
    if not _NAMES.fullmatch(name):
        raise NotFoundError("a log has a checkpoint, tiles and entries: see C2SP tlog-tiles", "path")
    try:
        return (folder / name).read_bytes()
    except OSError as why:
        raise NotFoundError("the log has no such tile: it is smaller, or the tile is whole by now", "path") from why
