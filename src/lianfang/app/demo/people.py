"""Two people of the demo's node, so that its console can be tried at once: one who may do all, and a second to approve."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from lianfang.app.node.clock import WallClock
from lianfang.app.node.files import NodeFiles
from lianfang.infra.published import read_if_there, write_whole
from lianfang.infra.sql import open_database, sqlite_url
from lianfang.kernel.instant import Instant
from lianfang.services.identity import ROLES, Role, people_store
from lianfang.services.identity.passwords import first_password, hashed
from lianfang.services.identity.people import new_person

FILE: Final = "demo.people.json"
PEOPLE: Final[dict[str, tuple[str, tuple[Role, ...]]]] = {
    "chen": ("陈工 Chen", tuple(ROLES)),
    "li": ("李审 Li", ("viewer", "analyst", "approver")),
}


def demo_people(root: Path) -> dict[str, str]:
    """Name to password. Made once for a folder; where somebody else was set up there, nobody."""
    raw = read_if_there(root / FILE)
    if raw is not None:
        return msgspec.json.decode(raw, type=dict[str, str])
    database = open_database(sqlite_url(NodeFiles(root).records))
    try:
        people_store.prepare(database)
        with database.reading() as connection:
            if people_store.all_people(connection):
                return {}
        passwords = {name: first_password(secrets.token_bytes) for name in PEOPLE}
        at = Instant(WallClock()())
        with database.writing() as connection:
            for name, (shown, roles) in PEOPLE.items():
                person = new_person(name, roles, hashed(passwords[name]), at, shown=shown)
                people_store.add_person(connection, person, by="node", at=at, reason="people of the demo")
    finally:
        database.close()
    write_whole(root / FILE, msgspec.json.encode(passwords) + b"\n", 0o600)
    return passwords
