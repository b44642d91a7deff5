"""API keys on record, on both kinds of database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lianfang.infra.sql import Database, changes
from lianfang.kernel.errors import AccessError, ConflictError
from lianfang.kernel.instant import HOUR, Instant
from lianfang.services.identity import KeyRing, issue, store
from lianfang.services.identity.keys import Issued
from tests.databases import KINDS, fresh_database

NOW = Instant(1_700_000_000_000_000)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as made:
        store.prepare(made)
        yield made


def add(database: Database, *scopes: str, lifetime_s: int | None = None) -> Issued:
    made = issue(scopes, NOW, secrets.token_bytes, note="n", lifetime_s=lifetime_s)
    with database.writing() as connection:
        store.add_key(connection, made.key, by="node", at=NOW, reason="r")
    return made


def works(database: Database, text: str, at: Instant) -> bool:
    with database.reading() as connection:
        ring = KeyRing(store.keys_in_force(connection, at), lambda: at, lambda: 0.0)
    try:
        ring(f"Bearer {text}".encode(), "read")
    except AccessError:
        return False
    return True


def test_a_key_is_kept_as_it_was_without_its_text(database: Database) -> None:
    made = add(database, "read", "decide", lifetime_s=60)
    with database.reading() as connection:
        assert [one.key for one in store.all_keys(connection)] == [made.key]
        kept = str(list(connection.execute(store.keys_table.select())))
    assert made.text not in kept
    assert made.text.rpartition("_")[2] not in kept


def test_a_rotated_key_and_its_successor_both_work_until_the_grace_ends(database: Database) -> None:
    old = add(database, "read")
    with database.writing() as connection:
        new = store.rotate_key(connection, old.key.id, secrets.token_bytes, by="k", at=NOW, reason="r", grace_s=3_600)
    assert new is not None
    later = Instant(NOW + HOUR)
    assert [works(database, k.text, at) for k in (old, new) for at in (NOW, later)] == [True, False, True, True]
    with pytest.raises(ConflictError, match=new.key.id), database.writing() as connection:
        store.rotate_key(connection, old.key.id, secrets.token_bytes, by="k", at=NOW, reason="r")


def test_a_revoked_key_opens_nothing_and_stays_on_record(database: Database) -> None:
    made = add(database, "read")
    with database.writing() as connection:
        assert store.revoke_key(connection, made.key.id, by="k", at=NOW, reason="leaked")
        assert not store.revoke_key(connection, made.key.id, by="k", at=NOW, reason="again")
        assert store.rotate_key(connection, made.key.id, secrets.token_bytes, by="k", at=NOW, reason="r") is None
        assert [(c.act, c.reason) for c in changes(connection)] == [("key.revoke", "leaked"), ("key.issue", "r")]
    assert not works(database, made.text, NOW)


def test_the_last_key_that_issues_keys_is_not_revoked(database: Database) -> None:
    first, second = add(database, "admin"), add(database, "admin")
    with database.writing() as connection:
        store.revoke_key(connection, first.key.id, by="k", at=NOW, reason="r")
    with pytest.raises(ConflictError, match="last with the scope admin"), database.writing() as connection:
        store.revoke_key(connection, second.key.id, by="k", at=NOW, reason="r")


def test_an_expired_key_is_not_in_force(database: Database) -> None:
    made = add(database, "read", lifetime_s=3_600)
    assert works(database, made.text, NOW)
    assert not works(database, made.text, Instant(NOW + HOUR))
