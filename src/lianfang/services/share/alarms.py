"""What somebody must look at: in both languages, in the node's records, until it is read. A proof is named by its file."""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate

ROOM: Final = "share_alarms"
PAGE_MAX: Final = 100
TEXTS: Final = {
    "split-view": (
        "联盟日志自相矛盾：同一日志对不同成员显示不同历史。只按已确认的部分执行；请向其他成员出示证据。",
        "The alliance's log shows different histories. Only what was confirmed counts; show others the proof.",
    ),
    "withheld": (
        "中心收下了本节点的条目，却没有写入日志。请联系中心的运营者。",
        "The hub has taken an entry of this node and does not show it in the log. Ask the hub's operator.",
    ),
    "refused-entry": (
        "日志中有一条不符合标准或签名不成立的条目，未生效，已留证。",
        "An entry of the log is outside the standard, or its signature does not hold: it has no effect, and is kept as proof.",
    ),
    "expelled": (
        "中心拒绝了本成员：可能已被除名，或密钥已更换。",
        "The hub refuses this member: it may have been expelled, or its key was changed.",
    ),
    "lying-keyholder": (
        "一个持钥人的答复与其公开承诺不符。",
        "A keyholder's answers do not fit its public commitments.",
    ),
    "peer-differs": (
        "另一成员看到的日志检查点与本节点的不相容。",
        "Another member has seen a checkpoint of the log that does not fit ours.",
    ),
}  # fmt: skip
"""Code to what has happened and what to do, Chinese and English."""
metadata: Final = sa.MetaData()
alarms_table: Final = sa.Table(
    "share_alarms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.UniqueConstraint("code", "detail"),
)


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm. `detail`: which entry, holder or file."""

    at: int
    code: str
    zh: str
    en: str
    detail: str


def prepare(database: Database) -> None:
    """Make the table, or bring it up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def raise_alarm(connection: sa.Connection, code: str, detail: str, at: int) -> Alarm | None:
    """Keep an alarm; None if the same was raised before."""
    c = alarms_table.c
    same = (c.code == code) & (c.detail == detail)
    if connection.scalar(sa.select(c.id).where(same)) is not None:
        return None
    connection.execute(alarms_table.insert().values(at=at, code=code, detail=detail))
    return _alarm(at, code, detail)


def alarms(connection: sa.Connection) -> list[Alarm]:
    """The newest first."""
    rows = connection.execute(sa.select(alarms_table).order_by(alarms_table.c.id.desc()).limit(PAGE_MAX))
    return [_alarm(row.at, row.code, row.detail) for row in rows]


def _alarm(at: int, code: str, detail: str) -> Alarm:
    zh, en = TEXTS[code]
    return Alarm(at=at, code=code, zh=zh, en=en, detail=detail)
