"""What a keyholder keeps: the meter's state and its alarms. A restart refills no bucket."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, upsert
from lianfang.services.keyholding.metering import Alarm, Level, Meter, Rates

ROOM: Final = "keyholding"
ALARMS_SHOWN: Final = 200
metadata: Final = sa.MetaData()
levels_table: Final = sa.Table(
    "levels",
    metadata,
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("amount", sa.Float, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
used_table: Final = sa.Table(
    "used",
    metadata,
    sa.Column("key", sa.String(160), primary_key=True),
    sa.Column("tokens", sa.BigInteger, nullable=False),
)
given_table: Final = sa.Table("given", metadata, sa.Column("key", sa.String(160), primary_key=True))
alarms_table: Final = sa.Table(
    "alarms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("member", sa.String(32), nullable=False),
    sa.Column("zh", sa.String(200), nullable=False),
    sa.Column("en", sa.String(200), nullable=False),
)
_GIVEN: Final = "given:"


class KeptAlarm(msgspec.Struct, frozen=True):
    """An alarm as an operator sees it."""

    at: int
    code: str
    member: str
    zh: str
    en: str


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def load(connection: sa.Connection, rates: Rates) -> Meter:
    """The meter as it stood."""
    levels = {row.key: Level(row.amount, row.at) for row in connection.execute(sa.select(levels_table))}
    used = {row.key: row.tokens for row in connection.execute(sa.select(used_table))}
    return Meter(rates, levels, used, connection.scalars(sa.select(given_table.c.key)))


def keep(connection: sa.Connection, meter: Meter, now: int) -> list[Alarm]:
    """Write what changed; the alarms that rang. Nothing given out before this is durable may leave."""
    changed, meter.changed = meter.changed, set()
    alarms, meter.alarms = meter.alarms, []
    levels = [
        {"key": k, "amount": meter.levels[k].amount, "at": meter.levels[k].at} for k in changed if k in meter.levels
    ]
    used = [{"key": k, "tokens": meter.used[k]} for k in changed if k in meter.used]
    given: list[dict[str, Any]] = [{"key": k.removeprefix(_GIVEN)} for k in changed if k.startswith(_GIVEN)]
    upsert(connection, levels_table, levels, ("key",))
    upsert(connection, used_table, used, ("key",))
    if given:
        connection.execute(given_table.insert(), given)
    for one in alarms:
        connection.execute(alarms_table.insert().values(at=now, code=one.code, member=one.member, zh=one.zh, en=one.en))
    return alarms


def alarms_kept(connection: sa.Connection) -> list[KeptAlarm]:
    """The newest first."""
    rows = connection.execute(sa.select(alarms_table).order_by(alarms_table.c.id.desc()).limit(ALARMS_SHOWN))
    return [KeptAlarm(row.at, row.code, row.member, row.zh, row.en) for row in rows]
