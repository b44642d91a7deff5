"""API keys: rows. Only hashes are kept. Every change is recorded with its author and reason.

Times are microseconds UTC and arguments. All functions take a connection of `infra.sql`: the caller owns the transaction.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, prepare_changes, record
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError
from lianfang.kernel.instant import Instant
from lianfang.services.identity.keys import ROTATION_GRACE_S, ApiKey, Issued, Random
from lianfang.services.identity.keys import rotate as rotated

ROOM: Final = "identity"
metadata: Final = sa.MetaData()
keys_table: Final = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("note", sa.String(limits.TEXT_LENGTH_MAX), nullable=False),
    sa.Column("rate_per_s", sa.Double, nullable=False),
    sa.Column("burst", sa.Double, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("successor", sa.String(20)),
    sa.Column("revoked_at", sa.BigInteger),
)
_k = keys_table.c


class StoredKey(msgspec.Struct, frozen=True):
    """A key and when it was revoked, if it was."""

    key: ApiKey
    revoked_at: int | None

    def in_force(self, at: Instant) -> bool:
        """Whether it opens anything at `at`."""
        return self.revoked_at is None and (self.key.expires_at is None or at < self.key.expires_at)


def prepare(database: Database) -> None:
    """Make the table, or bring it up to date."""
    prepare_changes(database)
    migrate(database, ROOM, (metadata.create_all,))


def all_keys(connection: sa.Connection) -> list[StoredKey]:
    """Every key there ever was, oldest first."""
    return [_stored(row) for row in connection.execute(sa.select(keys_table).order_by(_k.created_at, _k.id))]


def keys_in_force(connection: sa.Connection, at: Instant) -> tuple[ApiKey, ...]:
    """Those that open something at `at`."""
    return tuple(one.key for one in all_keys(connection) if one.in_force(at))


def one_key(connection: sa.Connection, key_id: str) -> StoredKey | None:
    """The key with this id, or None."""
    row = connection.execute(sa.select(keys_table).where(_k.id == key_id)).first()
    return _stored(row) if row else None


def add_key(connection: sa.Connection, key: ApiKey, *, by: str, at: Instant, reason: str) -> None:
    """Keep a new key."""
    connection.execute(keys_table.insert().values(_row(key)))
    record(connection, who=by, act="key.issue", what=key.id, reason=reason, at=at, detail={"scopes": key.scopes})


def rotate_key(
    connection: sa.Connection,
    key_id: str,
    random: Random,
    *,
    by: str,
    at: Instant,
    reason: str,
    grace_s: int = ROTATION_GRACE_S,
) -> Issued | None:
    """The successor of a key, which itself ends after `grace_s`; None if there is no such key in force."""
    old = one_key(connection, key_id)
    if old is None or not old.in_force(at):
        return None
    if old.key.successor:
        raise ConflictError(f"the key {key_id} was already rotated; rotate {old.key.successor}")
    ending, issued = rotated(old.key, at, random, grace_s)
    connection.execute(keys_table.insert().values(_row(issued.key)))
    connection.execute(keys_table.update().where(_k.id == key_id).values(_row(ending)))
    record(connection, who=by, act="key.rotate", what=key_id, reason=reason, at=at, detail={"successor": issued.key.id})
    return issued


def revoke_key(connection: sa.Connection, key_id: str, *, by: str, at: Instant, reason: str) -> bool:
    """Whether there was such a key in force. Refuses to revoke the last one that may issue keys."""
    old = one_key(connection, key_id)
    if old is None or not old.in_force(at):
        return False
    others = [k for k in keys_in_force(connection, at) if k.id != key_id and "admin" in k.scopes]
    if "admin" in old.key.scopes and not others:
        raise ConflictError(f"the key {key_id} is the last with the scope admin; issue another one first")
    connection.execute(keys_table.update().where(_k.id == key_id).values(revoked_at=at))
    record(connection, who=by, act="key.revoke", what=key_id, reason=reason, at=at)
    return True


def _row(key: ApiKey) -> dict[str, Any]:
    return {**msgspec.structs.asdict(key), "scopes": " ".join(key.scopes)}


def _stored(row: Any) -> StoredKey:
    values = dict(row._mapping)
    revoked_at = values.pop("revoked_at")
    return StoredKey(ApiKey(**{**values, "scopes": tuple(values["scopes"].split())}), revoked_at)
