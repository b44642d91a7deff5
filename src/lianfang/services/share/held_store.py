"""Subjects this node holds, their tokens, and the tags they open, in `shared.sqlite`.

The file holds raw identifiers of customers and the keys to what is said of them: it is readable by the node's account only
(mode 0600) and not encrypted yet. Deleting it loses quota spent on tokens, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lianfang.engines.keyed import HashKey
from lianfang.engines.sealing import Derived
from lianfang.infra.sql import Database, migrate, upsert
from lianfang.services.share.holding import Spelled, Unfit, hashes, spellings
from lianfang.services.share.quick import ask, put
from lianfang.services.share.store import tag_entry
from lianfang.wire import Tag, TagEntry, write
from lianfang.wire.listing import SubjectKind

ROOM: Final = "shared_held"
ASKED_AT_ONCE: Final = 500
_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
metadata: Final = sa.MetaData()
subjects_table: Final = sa.Table(
    "held_subjects",
    metadata,
    sa.Column("id", _id, primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("normal", sa.Text, nullable=False),
    sa.Column("source", sa.String(10), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Index("held_subjects_normal", "kind", "normal", unique=True),
)
spellings_table: Final = sa.Table(
    "held_spellings",
    metadata,
    sa.Column("subject", sa.BigInteger, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("hash", sa.BigInteger, nullable=False),
)
tokens_table: Final = sa.Table(
    "held_tokens",
    metadata,
    sa.Column("subject", sa.BigInteger, primary_key=True),
    sa.Column("epoch", sa.String(6), primary_key=True),
    sa.Column("lookup", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("seal", sa.LargeBinary(32), nullable=False),
)
opened_table: Final = sa.Table(
    "held_opened",
    metadata,
    sa.Column("place", _id, primary_key=True, autoincrement=False),
    sa.Column("subject", sa.BigInteger, nullable=False, index=True),
    sa.Column("tag", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("lookup", sa.LargeBinary(16), nullable=False, index=True),
    sa.Column("contributor", sa.String(31), nullable=False),
    sa.Column("category", sa.String(30), nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Integer, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)
unfit_table: Final = sa.Table(
    "held_unfit",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("why", sa.String(300), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
asked_table: Final = sa.Table(
    "held_asked",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("asked", sa.BigInteger, nullable=False),
)
_s, _n, _k, _o = subjects_table.c, spellings_table.c, tokens_table.c, opened_table.c


class Wanted(NamedTuple):
    """A subject that lacks its token of an epoch."""

    subject: int
    kind: SubjectKind
    normal: str


class Match(NamedTuple):
    """A sealed tag whose subject is held, and the key to it."""

    place: int
    entry: TagEntry
    subject: int
    kind: str
    seal: bytes


class Progress(NamedTuple):
    """How many subjects of a source are held, and how many have their token of an epoch."""

    subjects: int
    tokens: int


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    migrate(database, ROOM, (metadata.create_all,))


def hold(connection: sa.Connection, met: Sequence[Spelled], source: str, at: int, key: HashKey) -> set[int]:
    """Hold subjects. The ids of those that are new, or are spelled in a new way."""
    distinct = list(dict.fromkeys((one.kind, one.normal) for one in met))
    before = _ids(connection, distinct)
    fresh = [{"kind": k, "normal": n, "source": source, "at": at} for k, n in distinct if (k, n) not in before]
    if fresh:
        connection.execute(subjects_table.insert(), fresh)
    ids = before | _ids(connection, [(one["kind"], one["normal"]) for one in fresh])  # type: ignore[misc]
    pairs = dict.fromkeys((ids[one.kind, one.normal], one.kind, value) for one in met for value in spellings(one))
    known = _known_spellings(connection, {subject for subject, _, _ in pairs})
    new = [pair for pair in pairs if (pair[0], pair[2]) not in known]
    if new:
        hashed = hashes([(kind, value) for _, kind, value in new], key).astype("int64").tolist()
        rows = [{"subject": s, "value": v, "hash": h} for (s, _, v), h in zip(new, hashed, strict=True)]
        connection.execute(spellings_table.insert(), rows)
    return {subject for subject, _, _ in new}


def _ids(connection: sa.Connection, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    by_kind: dict[str, list[str]] = {}
    for kind, normal in wanted:
        by_kind.setdefault(kind, []).append(normal)
    found: dict[tuple[str, str], int] = {}
    for kind, normals in by_kind.items():
        for part in _parts(normals):
            query = sa.select(_s.id, _s.normal).where((_s.kind == kind) & _s.normal.in_(part))
            found.update(((kind, row.normal), row.id) for row in connection.execute(query))
    return found


def _known_spellings(connection: sa.Connection, subjects: Collection[int]) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for part in _parts(list(subjects)):
        query = sa.select(_n.subject, _n.value).where(_n.subject.in_(part))
        found |= {(row.subject, row.value) for row in connection.execute(query)}
    return found


def held(connection: sa.Connection, kind: str, normal: str) -> int | None:
    """The id of a subject that is held."""
    return _ids(connection, [(kind, normal)]).get((kind, normal))


def strangers(connection: sa.Connection, met: Sequence[Spelled]) -> list[Spelled]:
    """Those that are not held, or not in this spelling; each once."""
    ids = _ids(connection, [(one.kind, one.normal) for one in met])
    known = _known_spellings(connection, ids.values())
    return [one for one in dict.fromkeys(met) if (ids.get((one.kind, one.normal), -1), one.value) not in known]


def tell_unfit(connection: sa.Connection, unfit: Iterable[Unfit]) -> None:
    """Count what could not be held, by its reason."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for one in unfit:
        row = {"kind": one.kind, "why": one.why[:300], "count": 1}
        statement = make(unfit_table).values(row)
        more = {"count": unfit_table.c.count + 1}
        connection.execute(statement.on_conflict_do_update(index_elements=["kind", "why"], set_=more))


def unfit(connection: sa.Connection) -> list[dict[str, Any]]:
    """What could not be held, the most frequent first."""
    query = sa.select(unfit_table).order_by(unfit_table.c.count.desc()).limit(ASKED_AT_ONCE)
    return [dict(row._mapping) for row in connection.execute(query)]


def wanting(
    connection: sa.Connection, epoch: str, limit: int, source: str | None = None, kind: str | None = None
) -> list[Wanted]:
    """Subjects of one kind without their token of an epoch, the oldest first."""
    there = sa.exists().where((_k.subject == _s.id) & (_k.epoch == epoch))
    query = sa.select(_s.id, _s.kind, _s.normal).where(~there).order_by(_s.id).limit(limit)
    if source is not None:
        query = query.where(_s.source == source)
    if kind is not None:
        query = query.where(_s.kind == kind)
    return [Wanted(row.id, row.kind, row.normal) for row in connection.execute(query)]


def put_tokens(connection: sa.Connection, epoch: str, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Tokens of subjects in an epoch, as (subject, lookup, seal)."""
    values = [{"subject": s, "epoch": epoch, "lookup": lookup, "seal": seal} for s, lookup, seal in rows]
    upsert(connection, tokens_table, values, ("subject", "epoch"))


def token_of(connection: sa.Connection, subject: int, epoch: str) -> Derived | None:
    """Lookup and key of a subject in an epoch."""
    row = connection.execute(sa.select(_k.lookup, _k.seal).where((_k.subject == subject) & (_k.epoch == epoch))).first()
    return Derived(row.lookup, row.seal) if row else None


def tokens_of(connection: sa.Connection, subject: int) -> dict[str, bytes]:
    """Lookups of a subject, by epoch."""
    rows = connection.execute(sa.select(_k.epoch, _k.lookup).where(_k.subject == subject))
    return {row.epoch: row.lookup for row in rows}


def progress(connection: sa.Connection, epoch: str) -> dict[str, Progress]:
    """By source."""
    everybody = connection.execute(sa.select(_s.source, sa.func.count()).group_by(_s.source)).all()
    query = sa.select(_s.source, sa.func.count()).join_from(tokens_table, subjects_table, _k.subject == _s.id)
    rows = connection.execute(query.where(_k.epoch == epoch).group_by(_s.source)).all()
    done = {str(source): int(count) for source, count in rows}
    return {source: Progress(count, done.get(source, 0)) for source, count in everybody}


_MATCHES: Final = """
    SELECT t.place, k.subject, s.kind, k.seal,
           t.id, t.member, t.kind, t.purpose, t.epoch, t.until, t.at, t.lookup, t.sealed
    FROM log_tags t JOIN held_tokens k ON k.lookup = t.lookup JOIN held_subjects s ON s.id = k.subject
    WHERE """


def matches_between(connection: sa.Connection, begin: int, end: int) -> list[Match]:
    """Tags at places [begin, end) whose subjects are held."""
    where = "t.place >= ? AND t.place < ? ORDER BY t.place"
    return [_match(row) for row in connection.exec_driver_sql(_MATCHES + where, (begin, end))]


def matches_of(connection: sa.Connection, lookups: Collection[bytes]) -> list[Match]:
    """Tags with these lookups whose subjects are held."""
    return [_match(row) for row in ask(connection, _MATCHES + "t.lookup IN (*) ORDER BY t.place", lookups)]


def _match(row: Sequence[Any]) -> Match:
    place, subject, kind, seal = row[:4]
    return Match(place, tag_entry(row[4:]), subject, kind, seal)


_PUT_OPENED: Final = "INSERT OR REPLACE INTO held_opened VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def put_opened(connection: sa.Connection, tags: Iterable[tuple[Match, Tag]]) -> None:
    """Opened tags."""
    put(connection, _PUT_OPENED, (
        (
            one.place, one.subject, bytes.fromhex(tag.id), one.entry.lookup, tag.contributor, tag.category,
            tag.severity, tag.confidence, one.entry.until, write(tag),
        ) for one, tag in tags
    ))  # fmt: skip


class OpenedRow(NamedTuple):
    """A row of `held_opened`."""

    place: int
    subject: int
    tag: bytes
    lookup: bytes
    contributor: str
    category: str
    severity: int
    confidence: int
    until: int
    raw: bytes


def opened_of(connection: sa.Connection, subjects: Collection[int]) -> list[OpenedRow]:
    """Opened tags of subjects."""
    rows = ask(connection, "SELECT * FROM held_opened WHERE subject IN (*) ORDER BY place", subjects)
    return [OpenedRow(*row) for row in rows]


def subjects_with(
    connection: sa.Connection,
    *,
    tags: Collection[str] = (),
    lookups: Collection[bytes] = (),
    since: int = 0,
    to: int = 0,
) -> set[int]:
    """Subjects that have an opened tag of these ids, of these lookups, or at places [since, to)."""
    find = "SELECT subject FROM held_opened WHERE "
    rows = ask(connection, find + "tag IN (*)", [bytes.fromhex(one) for one in tags])
    rows += ask(connection, find + "lookup IN (*)", lookups)
    rows += connection.exec_driver_sql(find + "place >= ? AND place < ?", (since, to)).fetchall()
    return {row[0] for row in rows}


def all_with_tags(connection: sa.Connection) -> set[int]:
    """Every subject that has an opened tag."""
    return set(connection.scalars(sa.select(_o.subject).distinct()))


def hashes_of(connection: sa.Connection, subjects: Collection[int]) -> dict[int, tuple[int, ...]]:
    """The hashes of subjects as the decider knows them, unsigned, none of them 0."""
    found: dict[int, list[int]] = {}
    find = "SELECT subject, hash FROM held_spellings WHERE subject IN (*) AND hash <> 0"
    for subject, signed in ask(connection, find, subjects):
        found.setdefault(subject, []).append(signed % 2**64)
    return {subject: tuple(sorted(some)) for subject, some in found.items()}


def asked(connection: sa.Connection, day: int) -> int:
    """How many strangers were asked about on a day since 1970."""
    return int(connection.scalar(sa.select(asked_table.c.asked).where(asked_table.c.day == day)) or 0)


def put_asked(connection: sa.Connection, day: int, count: int) -> None:
    """So many were."""
    upsert(connection, asked_table, [{"day": day, "asked": count}], ("day",))


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), ASKED_AT_ONCE):
        yield values[start : start + ASKED_AT_ONCE]
