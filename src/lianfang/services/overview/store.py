"""Buckets in the node's records, with the seq they cover, in one transaction: after a kill, counting goes on right there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, upsert
from lianfang.kernel.errors import EvidenceError
from lianfang.services.overview.rollup import KEPT, Bucket, Grain, Rollup

ROOM: Final = "overview"
metadata: Final = sa.MetaData()
buckets_table: Final = sa.Table(
    "overview_buckets",
    metadata,
    sa.Column("grain", sa.String(8), primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text, nullable=False),
)
state_table: Final = sa.Table(
    "overview_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
_THE_ONE: Final = 1
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Bucket).decode


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def load(connection: sa.Connection) -> Rollup:
    """What was counted, and up to where. Raises `EvidenceError` for a bucket that cannot be read."""
    seq = connection.scalar(sa.select(state_table.c.seq).where(state_table.c.id == _THE_ONE)) or 0
    buckets: dict[Grain, dict[int, Bucket]] = {"minute": {}, "hour": {}}
    for grain, start, body in connection.execute(sa.select(buckets_table)):
        try:
            buckets[grain][start] = _decode(body)
        except (KeyError, msgspec.MsgspecError) as why:
            raise EvidenceError(f"the counts of {grain} {start} on record cannot be read: {why}") from why
    return Rollup(int(seq), buckets)


def save(connection: sa.Connection, rollup: Rollup, changed: Sequence[tuple[Grain, int, Bucket]]) -> None:
    """Keeps what changed and the seq it covers; lets go of what is too old."""
    rows = [{"grain": grain, "start": start, "body": _encode(bucket).decode()} for grain, start, bucket in changed]
    upsert(connection, buckets_table, rows, ("grain", "start"))
    for grain in KEPT:
        old = (buckets_table.c.grain == grain) & (buckets_table.c.start < rollup.oldest(grain))
        connection.execute(buckets_table.delete().where(old))
    upsert(connection, state_table, [{"id": _THE_ONE, "seq": rollup.seq}], ("id",))
