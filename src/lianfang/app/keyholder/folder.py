"""What lies where in a keyholder's data folder (mode 0700).

keyholder.toml  settings                    records.db    meter, alarms, what the access log's entries stand for
signing.key     Ed25519, 32 bytes as hex    access-log/   the access log: plain C2SP files
sealing.key     X25519, 32 bytes as hex     shares/       one file an epoch: its shares and its transcript
log.key         Ed25519 of the access log, a key of its own
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from lianfang.engines.sealing import SealingKey, SigningKey
from lianfang.infra.published import write_whole
from lianfang.kernel.errors import InputError
from lianfang.services.keyholding import HolderShares, Transcript
from lianfang.wire import Reader, write
from lianfang.wire.payment import Part

SEED_BYTES: Final = 32


class Kept(Part, frozen=True, kw_only=True, tag_field="schema", tag="kept-shares/1"):
    """One epoch's file."""

    shares: HolderShares
    transcript: Transcript


_read_kept: Final = Reader(Kept)


class Folder:
    """One keyholder's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def records(self) -> Path:
        """The database."""
        return self.root / "records.db"

    @property
    def access_log(self) -> Path:
        """The log."""
        return self.root / "access-log"

    def make(self) -> None:
        """The folder and its keys, if they are not there."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / "shares").mkdir(mode=0o700, exist_ok=True)
        for name in ("signing", "sealing", "log"):
            if not (self.root / f"{name}.key").exists():
                write_whole(self.root / f"{name}.key", secrets.token_bytes(SEED_BYTES).hex().encode(), 0o600)

    @property
    def signing(self) -> SigningKey:
        """Its Ed25519 key."""
        return SigningKey(self.seed("signing"))

    @property
    def sealing(self) -> SealingKey:
        """Its X25519 key."""
        return SealingKey(self.seed("sealing"))

    def seed(self, name: str) -> bytes:
        """A key's secret bytes. Raises `InputError`."""
        path = self.root / f"{name}.key"
        try:
            seed = bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError) as why:
            raise InputError(f"{path} holds no key: make one with `lianfang keyholder init`") from why
        if len(seed) != SEED_BYTES:
            raise InputError(f"{path} holds {len(seed)} bytes, not {SEED_BYTES}")
        return seed

    def keep(self, kept: Kept) -> Path:
        """Keep an epoch's shares. Refuses to replace other ones: tokens made with them could no longer be made."""
        path = self.root / "shares" / f"{kept.shares.epoch}.json"
        if path.exists() and path.read_bytes() != write(kept):
            raise InputError(f"there are shares of {kept.shares.epoch} already, of another ceremony: {path}")
        write_whole(path, write(kept), 0o600)
        return path

    def kept(self) -> list[Kept]:
        """All epochs, ascending. Raises `InputError` naming a damaged file."""
        found = []
        for path in sorted((self.root / "shares").glob("*.json")):
            try:
                found.append(_read_kept(path.read_bytes()))
            except InputError as why:
                raise InputError(f"{path} is damaged: {why}") from why
        return found

    def forget(self, epoch: str) -> None:
        """Delete an epoch's shares for good. Raises `InputError` if there are none."""
        path = self.root / "shares" / f"{epoch}.json"
        if not path.exists():
            raise InputError(f"there are no shares of {epoch}", "epoch")
        path.unlink()


def registration(folder: Folder, holder: str) -> dict[str, str]:
    """What the hub's operator is told to register this keyholder by. Nothing in it is secret."""
    return {
        "id": holder,
        "signing": msgspec.json.encode(folder.signing.public).decode().strip('"'),
        "sealing": msgspec.json.encode(folder.sealing.public).decode().strip('"'),
    }
