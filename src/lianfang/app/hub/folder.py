"""What lies where in a hub's data folder (mode 0700).

hub.toml      settings                              log/         the tag log: plain C2SP files
log.key       signs the tag log's checkpoints       access-log/  the access log: commitments
access.key    signs the access log's                records.db   what the log says, by tag; alarms; reasons
signing.key   the hub's as a member, Ed25519        checkpoint   the newest one that counts, with its cosignatures
sealing.key   the hub's as a member, X25519         operator.key the first operator's API key
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final

from lianfang.engines.sealing import SealingKey, SigningKey
from lianfang.engines.tlog import ED25519, SignerKey, parse_signer
from lianfang.infra.published import write_whole
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.infra.tlog import LogStore
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.hub import OPERATOR, store
from lianfang.services.identity import issue
from lianfang.services.identity import store as identity_store
from lianfang.wire import MemberEntry, write

SEED_BYTES: Final = 32
FIRST_KEY: Final = "operator.key"


class Folder:
    """One hub's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.access_log = root / "access-log"
        self.records = root / "records.db"
        self.checkpoint = root / "checkpoint"
        self.running = root / "running.json"
        """Where the running hub answers."""

    def make(self, origin: str) -> None:
        """The folder and its keys. Raises `ConflictError`: there is a hub in it."""
        if (self.root / "log.key").exists():
            raise ConflictError(f"there is a hub in {self.root} already: take another folder")
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("signing", "sealing"):
            write_whole(self.root / f"{name}.key", secrets.token_bytes(SEED_BYTES).hex().encode(), 0o600)
        for name, key_name in (("access", f"{origin}.access"), ("log", origin)):
            signer = SignerKey(key_name, ED25519, secrets.token_bytes(SEED_BYTES))
            write_whole(self.root / f"{name}.key", signer.secret_text().encode(), 0o600)

    def begin(self, origin: str, zh: str, en: str, at: int) -> None:
        """The log's first entry, which says who the hub is; the first operator's key."""
        entry = MemberEntry(
            id=OPERATOR, zh=zh, en=en, roles=(), state="active", signing=self.signing.public, sealing=self.sealing.public,
            by="init", at=at,
        )  # fmt: skip
        log, _ = LogStore.open(self.log, origin, self.signer("log"))
        log.append([write(entry)])
        log.commit()
        log.integrate()
        log.close()
        database = self.database()
        made = issue(["operator"], Instant(at), secrets.token_bytes, note="first operator")
        with database.writing() as connection:
            identity_store.add_key(connection, made.key, by="init", at=Instant(at), reason="the hub's first operator")
        database.close()
        write_whole(self.root / FIRST_KEY, made.text.encode(), 0o600)

    def database(self) -> Database:
        """The records, their tables up to date."""
        database = open_database(sqlite_url(self.records))
        store.prepare(database)
        identity_store.prepare(database)
        return database

    @property
    def signing(self) -> SigningKey:
        """The hub's Ed25519 key as a member."""
        return SigningKey(self._seed("signing"))

    @property
    def sealing(self) -> SealingKey:
        """The hub's X25519 key as a member."""
        return SealingKey(self._seed("sealing"))

    def signer(self, name: str) -> SignerKey:
        """The key of the log `log` or `access`."""
        return parse_signer(self._text(name))

    def operator_key(self) -> str:
        """The API key of the first operator."""
        return (self._read(self.root / FIRST_KEY)).strip()

    def about(self) -> dict[str, Any]:
        """What members need to follow this hub."""
        return {
            "log_key": str(self.signer("log").verifier),
            "access_key": str(self.signer("access").verifier),
            "signing": self.signing.public.hex(),
        }

    def _seed(self, name: str) -> bytes:
        try:
            seed = bytes.fromhex(self._text(name))
        except ValueError as why:
            raise InputError(f"{self.root / f'{name}.key'} holds no key: restore it from its backup") from why
        if len(seed) != SEED_BYTES:
            raise InputError(f"{self.root / f'{name}.key'} holds {len(seed)} bytes, not {SEED_BYTES}")
        return seed

    def _text(self, name: str) -> str:
        return self._read(self.root / f"{name}.key").strip()

    def _read(self, path: Path) -> str:
        try:
            return path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as why:
            raise InputError(
                f"{path} cannot be read: make a hub with `lianfang hub init`, or restore its keys"
            ) from why
