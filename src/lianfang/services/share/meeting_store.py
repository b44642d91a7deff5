"""Decisions that met tags, in the node's records; each seq once, however often the journal is read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lianfang.infra.sql import Database, migrate
from lianfang.kernel import limits
from lianfang.services.share.meeting import Became, Benefit, Met

ROOM: Final = "share_met"
MONTHS_SHOWN: Final = 24
metadata: Final = sa.MetaData()
met_table: Final = sa.Table(
    "share_met",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("contributor", sa.String(31), primary_key=True),
    sa.Column("payment_id", sa.String(limits.ID_LENGTH_MAX), nullable=False, index=True),
    sa.Column("month", sa.String(7), nullable=False, index=True),
    sa.Column("stopped", sa.Integer, nullable=False),
    sa.Column("became", sa.String(10), nullable=False),
)
tags_table: Final = sa.Table(
    "share_met_tags",
    metadata,
    sa.Column("payment_id", sa.String(limits.ID_LENGTH_MAX), primary_key=True),
    sa.Column("tag", sa.String(32), primary_key=True),
)
_m = met_table.c


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def put_met(connection: sa.Connection, met: Sequence[Met], tags: dict[str, Sequence[str]]) -> None:
    """What decisions met. `tags`: by payment, the ids of the others' tags that stood then."""
    there = set(connection.scalars(sa.select(_m.seq).where(_m.seq.in_({one.seq for one in met}))))
    rows = [{**one._asdict(), "stopped": int(one.stopped), "became": ""} for one in met if one.seq not in there]
    if rows:
        connection.execute(met_table.insert(), rows)
    pairs = [{"payment_id": payment, "tag": tag} for payment, some in tags.items() for tag in some]
    if pairs:
        ours = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(ours(tags_table).on_conflict_do_nothing(), pairs)


def became(connection: sa.Connection, payment_id: str, what: Became) -> list[str]:
    """What a payment turned out to be; the ids of the tags that it had met."""
    connection.execute(met_table.update().where(_m.payment_id == payment_id).values(became=what))
    return list(connection.scalars(sa.select(tags_table.c.tag).where(tags_table.c.payment_id == payment_id)))


def benefit(connection: sa.Connection) -> list[Benefit]:
    """By month and contributor, the newest month first."""
    count = sa.func.count()
    query = (
        sa.select(
            _m.month, _m.contributor, count, sa.func.sum(_m.stopped), count.filter(_m.became == "fraud"),
            count.filter(_m.became == "genuine"),
        )
        .group_by(_m.month, _m.contributor)
        .order_by(_m.month.desc(), _m.contributor)
    )  # fmt: skip
    found = [
        Benefit(month=r[0], contributor=r[1], met=int(r[2]), stopped=int(r[3] or 0), fraud=int(r[4]), genuine=int(r[5]))
        for r in connection.execute(query)
    ]
    months = sorted({one.month for one in found})[-MONTHS_SHOWN:]
    return [one for one in found if one.month in months]
