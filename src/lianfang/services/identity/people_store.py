"""People and their sessions, as kept. Of a session's secret only a hash is kept."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, prepare_changes, record
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import MINUTE, Instant
from lianfang.services.identity.people import Person

ROOM: Final = "people"
IDLE_US: Final = 30 * MINUTE
"""A session unused for so long ends."""
LIFE_US: Final = 12 * 60 * MINUTE
TOUCH_US: Final = MINUTE
"""Use of a session is written down at most so often."""
metadata: Final = sa.MetaData()
people_table: Final = sa.Table(
    "people",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("shown", sa.String(64), nullable=False),
    sa.Column("roles", sa.String(200), nullable=False),
    sa.Column("also", sa.String(200), nullable=False),
    sa.Column("password", sa.String(200)),
    sa.Column("totp", sa.String(64)),
    sa.Column("totp_step", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.String(limits.TEXT_LENGTH_MAX), unique=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("disabled_at", sa.BigInteger),
)
sessions_table: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(32), sa.ForeignKey("people.name"), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Column("csrf", sa.String(64), nullable=False),
)
_p = people_table.c
_s = sessions_table.c


class Session(msgspec.Struct, frozen=True):
    """Who is signed in, and the secret their forms carry."""

    person: Person
    csrf: str
    created_at: int


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    prepare_changes(database)
    migrate(database, ROOM, (metadata.create_all,))


def all_people(connection: sa.Connection) -> list[Person]:
    """Everybody, by name."""
    return [_person(row) for row in connection.execute(sa.select(people_table).order_by(_p.name))]


def one_person(connection: sa.Connection, name: str) -> Person | None:
    """By the name they sign in by."""
    row = connection.execute(sa.select(people_table).where(_p.name == name)).first()
    return _person(row) if row else None


def person_of(connection: sa.Connection, subject: str) -> Person | None:
    """By who they are at the OIDC provider."""
    row = connection.execute(sa.select(people_table).where(_p.subject == subject)).first()
    return _person(row) if row else None


def add_person(connection: sa.Connection, person: Person, *, by: str, at: Instant, reason: str) -> None:
    """Keep a new person. Raises `ConflictError` if the name is taken."""
    if one_person(connection, person.name) is not None:
        raise ConflictError(f"somebody is called {person.name} already", "name")
    connection.execute(people_table.insert().values(_row(person)))
    record(connection, who=by, act="person.add", what=person.name, reason=reason, at=at, detail={"roles": person.roles})


def change_person(connection: sa.Connection, person: Person, *, by: str, at: Instant, reason: str, act: str) -> None:
    """Replace what is kept of a person. Refuses to leave the node without anybody who may manage people."""
    before = one_person(connection, person.name)
    if before is None:
        raise InputError("nobody has this name", "name")
    if _manages(before) and not _manages(person):
        others = [one for one in all_people(connection) if one.name != person.name and _manages(one)]
        if not others:
            raise ConflictError(f"{person.name} is the last who may manage people; make another operator first", "name")
    connection.execute(people_table.update().where(_p.name == person.name).values(_row(person)))
    record(connection, who=by, act=act, what=person.name, reason=reason, at=at, detail=_difference(before, person))


def keep_attempt(connection: sa.Connection, person: Person) -> None:
    """What a sign-in, good or bad, leaves: failures, lock, the last code's step. The caller records the act."""
    values = {"failures": person.failures, "locked_until": person.locked_until, "totp_step": person.totp_step}
    connection.execute(people_table.update().where(_p.name == person.name).values(values))


def open_session(connection: sa.Connection, name: str, secret: str, csrf: str, at: Instant) -> None:
    """Keep a session; ended ones are swept."""
    connection.execute(sessions_table.delete().where((_s.seen_at < at - IDLE_US) | (_s.created_at < at - LIFE_US)))
    row = {"digest": digest(secret), "name": name, "created_at": at, "seen_at": at, "csrf": csrf}
    connection.execute(sessions_table.insert().values(row))


def session(connection: sa.Connection, secret: str, at: Instant) -> tuple[Session, bool] | None:
    """(who holds it, whether its use should be written down), or None if it is not, or no longer, good."""
    query = sa.select(sessions_table, people_table).join_from(sessions_table, people_table, _s.name == _p.name)
    query = query.where(_s.digest == digest(secret))
    row = connection.execute(query.set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)).first()
    if row is None:
        return None
    values = dict(row._mapping)
    created, seen = values["sessions_created_at"], values["sessions_seen_at"]
    if at - created > LIFE_US or at - seen > IDLE_US or values["people_disabled_at"] is not None:
        return None
    person = _person_of({k.removeprefix("people_"): v for k, v in values.items() if k.startswith("people_")})
    return Session(person, values["sessions_csrf"], created), at - seen > TOUCH_US


def touch(connection: sa.Connection, secret: str, at: Instant) -> None:
    """The session is in use."""
    connection.execute(sessions_table.update().where(_s.digest == digest(secret)).values(seen_at=at))


def close_session(connection: sa.Connection, secret: str) -> None:
    """Signed out."""
    connection.execute(sessions_table.delete().where(_s.digest == digest(secret)))


def close_sessions(connection: sa.Connection, name: str) -> int:
    """All of a person's, when they are switched off or change their password."""
    return int(connection.execute(sessions_table.delete().where(_s.name == name)).rowcount)


def digest(secret: str) -> str:
    """What is kept of a session's secret: it has 256 random bits, so one hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _manages(person: Person) -> bool:
    return person.disabled_at is None and "people" in person.permissions


def _difference(before: Person, after: Person) -> dict[str, Any]:
    secrets = {"password", "totp", "totp_step", "failures", "locked_until"}
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    return {name: [old[name], new[name]] for name in new if name not in secrets and old[name] != new[name]}


def _row(person: Person) -> dict[str, Any]:
    return {**msgspec.structs.asdict(person), "roles": " ".join(person.roles), "also": " ".join(person.also)}


def _person(row: Any) -> Person:
    return _person_of(dict(row._mapping))


def _person_of(values: dict[str, Any]) -> Person:
    return Person(**{**values, "roles": tuple(values["roles"].split()), "also": tuple(values["also"].split())})
