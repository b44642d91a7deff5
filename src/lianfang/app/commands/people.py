"""`lianfang people`: who may sign in to the console, on the machine itself; the way back in for whoever is locked out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.infra.sql import Database

Roles = Annotated[
    tuple[Literal["viewer", "analyst", "engineer", "approver", "operator", "auditor"], ...],
    Parameter(name=["--role", "--roles"], negative=()),
]


def list_(*, json: JsonFile = None) -> int:
    """Who may sign in, and their roles.

    Parameters
    ----------
    json
        Write them to this file, without any secret.
    """
    from lianfang.app.commands.common import table, write_json
    from lianfang.services.identity import people_store

    with _records() as database, database.reading() as connection:
        people = people_store.all_people(connection)
    rows = [
        (p.name, p.shown, " ".join(p.roles), "off" if p.disabled_at else "on", "yes" if p.totp else "no")
        for p in people
    ]
    if str(json) != "-":
        table("people", ("name", "shown", "roles", "state", "second factor"), rows)
    write_json(
        json, [{"name": p.name, "shown": p.shown, "roles": p.roles, "on": p.disabled_at is None} for p in people]
    )
    return 0


def add(name: str, /, *, roles: Roles, reason: str, shown: str = "") -> int:
    """Add a person; their first password is printed once.

    Parameters
    ----------
    name
        What they sign in by.
    roles
        What they may do; may be repeated.
    reason
        Why; the node keeps it on record.
    shown
        Their name as pages show it.
    """
    import secrets

    from lianfang.app.commands.common import need_reason
    from lianfang.app.node.clock import WallClock
    from lianfang.kernel.instant import Instant
    from lianfang.services.identity import people_store
    from lianfang.services.identity.passwords import first_password, hashed
    from lianfang.services.identity.people import new_person

    why, password, at = need_reason(reason), first_password(secrets.token_bytes), Instant(WallClock()())
    person = new_person(name, roles, hashed(password), at, shown=shown)
    with _records() as database, database.writing() as connection:
        people_store.add_person(connection, person, by="node", at=at, reason=why)
    print(f"{name} / {password}   (shown this once)")
    return 0


def password(name: str, /, *, reason: str) -> int:
    """A new first password for somebody, printed once; it also ends a lock and the second factor.

    Parameters
    ----------
    name
        What they sign in by.
    reason
        Why; the node keeps it on record.
    """
    import secrets

    import msgspec

    from lianfang.app.commands.common import need_reason
    from lianfang.app.node.clock import WallClock
    from lianfang.kernel.errors import InputError
    from lianfang.kernel.instant import Instant
    from lianfang.services.identity import people_store
    from lianfang.services.identity.passwords import first_password, hashed

    why, new, at = need_reason(reason), first_password(secrets.token_bytes), Instant(WallClock()())
    with _records() as database, database.writing() as connection:
        person = people_store.one_person(connection, name)
        if person is None:
            raise InputError("nobody has this name", "name")
        after = msgspec.structs.replace(
            person, password=hashed(new), totp=None, totp_step=0, failures=0, locked_until=0
        )
        people_store.change_person(connection, after, by="node", at=at, reason=why, act="person.password")
        people_store.close_sessions(connection, name)
    print(f"{name} / {new}   (shown this once)")
    return 0


@contextmanager
def _records() -> Iterator[Database]:
    """The records of the node of the settings, whether it runs or not."""
    from pathlib import Path

    from lianfang.app.commands.common import settings
    from lianfang.app.node.files import NodeFiles
    from lianfang.infra.sql import open_database, sqlite_url
    from lianfang.kernel.errors import InputError
    from lianfang.services.identity import people_store

    path = NodeFiles(Path(settings().data_dir)).records
    if not path.exists():
        raise InputError(f"there is no node in {path.parent}: start it once, or set LIANFANG_DATA_DIR", "data_dir")
    database = open_database(sqlite_url(path))
    try:
        people_store.prepare(database)
        yield database
    finally:
        database.close()
