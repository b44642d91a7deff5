"""People and sessions as kept, in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lianfang.infra.sql import Database, changes, open_database, sqlite_url
from lianfang.kernel.errors import ConflictError
from lianfang.kernel.instant import MINUTE, SECOND, Instant
from lianfang.services.identity import people_store as store
from lianfang.services.identity.people import Person
from tests.services_required import postgres_database

NOW = Instant(1_800_000_000 * SECOND)
CHEN = Person(name="chen", shown="陈", roles=("viewer", "operator"), also=("export",), created_at=NOW)
WANG = Person(name="wang", shown="王", roles=("viewer",), created_at=NOW)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made = open_database(sqlite_url(tmp_path / "r.sqlite"))
        store.prepare(made)
        yield made
        made.close()
        return
    with postgres_database() as url:
        made = open_database(url)
        store.prepare(made)
        yield made
        made.close()


def add(database: Database, *people: Person) -> None:
    with database.writing() as c:
        for one in people:
            store.add_person(c, one, by="node", at=NOW, reason="test")


def change(database: Database, person: Person, act: str = "person.roles") -> None:
    with database.writing() as c:
        store.change_person(c, person, by="person:chen", at=NOW, reason="why", act=act)


def test_a_person_comes_back_as_kept_and_a_name_is_taken_once(database: Database) -> None:
    add(database, CHEN, WANG)
    with database.reading() as c:
        assert store.all_people(c) == [CHEN, WANG]
        assert store.one_person(c, "nobody") is None
    with pytest.raises(ConflictError, match="already"):
        add(database, CHEN)


def test_a_change_is_on_record_without_any_secret(database: Database) -> None:
    add(database, CHEN, WANG)
    change(database, msgspec.structs.replace(WANG, roles=("auditor",), password="$argon2id$secret", totp="SECRET"))
    with database.reading() as c:
        last = changes(c, limit=1)[0]
    assert (last.who, last.act, last.what, last.reason) == ("person:chen", "person.roles", "wang", "why")
    assert last.detail == {"roles": [["viewer"], ["auditor"]]}


def test_the_last_who_manages_people_stays(database: Database) -> None:
    add(database, CHEN, WANG)
    with pytest.raises(ConflictError, match="last who may manage"):
        change(database, msgspec.structs.replace(CHEN, roles=("viewer",)))
    with pytest.raises(ConflictError, match="last who may manage"):
        change(database, msgspec.structs.replace(CHEN, disabled_at=NOW))
    change(database, msgspec.structs.replace(WANG, roles=("operator",)))
    change(database, msgspec.structs.replace(CHEN, roles=("viewer",)))


def at(database: Database, secret: str, when: int) -> store.Session | None:
    with database.reading() as c:
        found = store.session(c, secret, Instant(when))
    return found[0] if found else None


def test_a_session_ends_when_idle_when_old_when_closed_and_when_its_person_is_switched_off(database: Database) -> None:
    add(database, CHEN, WANG)
    with database.writing() as c:
        for secret in ("idle", "old", "closed", "off"):
            store.open_session(c, "wang" if secret == "off" else "chen", secret, "form", NOW)
    session = at(database, "idle", NOW + MINUTE)
    assert session is not None
    assert (session.person, session.csrf) == (CHEN, "form")
    assert at(database, "idle", NOW + store.IDLE_US + 1) is None
    with database.writing() as c:
        for minutes in range(25, 12 * 60, 25):
            store.touch(c, "old", Instant(NOW + minutes * MINUTE))
        store.close_session(c, "closed")
    assert at(database, "old", NOW + store.LIFE_US - SECOND) is not None
    assert at(database, "old", NOW + store.LIFE_US + SECOND) is None
    assert at(database, "closed", NOW) is None
    assert at(database, "off", NOW) is not None
    change(database, msgspec.structs.replace(WANG, disabled_at=NOW), "person.off")
    assert at(database, "off", NOW) is None
    assert at(database, "unknown", NOW) is None


def test_the_secret_of_a_session_is_not_kept(database: Database) -> None:
    add(database, CHEN)
    with database.writing() as c:
        store.open_session(c, "chen", "the secret", "form", NOW)
        row = c.execute(store.sessions_table.select()).one()
    assert "the secret" not in [str(value) for value in row]
