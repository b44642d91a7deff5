"""Where a node keeps what: one folder, everything in it named here."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lianfang.engines.keyed import HashKey
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.errors import EvidenceError


@dataclass(frozen=True)
class NodeFiles:
    """Paths under `data_dir`."""

    root: Path

    @property
    def journal(self) -> Path:
        """Segments of the decision journal."""
        return self.root / "journal"

    @property
    def snapshot(self) -> Path:
        """The newest snapshot of the decider's state."""
        return self.root / "snapshot" / "state.bin"

    @property
    def published(self) -> Path:
        """What the desk hands the decider."""
        return self.root / "published"

    @property
    def models(self) -> Path:
        """Model folders, by version."""
        return self.root / "models"

    @property
    def lake(self) -> Path:
        """The journal as Parquet by day."""
        return self.root / "lake"

    @property
    def reports(self) -> Path:
        """The desk's own reports of drift and of the rules."""
        return self.root / "reports"

    @property
    def finding(self) -> Path:
        """The index by which decisions are found again: keyed hashes only."""
        return self.root / "finding"

    @property
    def records(self) -> Path:
        """The desk's SQLite file."""
        return self.root / "records.sqlite"

    @property
    def first_code(self) -> Path:
        """The one-time code of the console's first set-up."""
        return self.root / "first.code"

    @property
    def running(self) -> Path:
        """Ports and process ids of the node that runs here."""
        return self.root / "running.json"

    def make(self) -> None:
        """Make the folders, readable by nobody else: they hold payments."""
        for folder in (self.root, self.journal, self.published, self.snapshot.parent, self.models, self.reports):
            folder.mkdir(parents=True, exist_ok=True)
            os.chmod(folder, 0o700)  # noqa: PTH101

    def hash_key(self) -> HashKey:
        """The node's secret key of its tables, made once. Losing it loses the snapshot, not the journal."""
        path = self.root / "hash.key"
        raw = read_if_there(path)
        if raw is None:
            made = path.with_name(f".{path.name}.made-{os.getpid()}")
            write_whole(made, secrets.token_bytes(16), 0o600)
            with suppress(FileExistsError):  # decider and desk start together: the first one's key is both's
                os.link(made, path)
            made.unlink()
            raw = path.read_bytes()
        if len(raw) != 16:
            raise EvidenceError(f"{path} must have 16 bytes; delete it and the snapshot to make new ones")
        return HashKey(int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little"))
