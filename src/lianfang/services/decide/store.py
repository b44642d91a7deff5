"""Rules made through the API, lists and their entries: rows. Every change is recorded with its author and reason.

Times are microseconds UTC and arguments. All functions take a connection of `infra.sql`: the caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from lianfang.infra.sql import Database, migrate, prepare_changes, record, upsert
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant, instant, moment
from lianfang.services.decide.lists import LIST_SCHEMA
from lianfang.wire import ListEntry, Rule, read_rule, write

ROOM: Final = "decide"
LOOKUP_VALUES: Final = 500
"""Values asked for in one statement."""
SCAN_ROWS: Final = 20_000
metadata: Final = sa.MetaData()
_name: Final = sa.String(40)
_who: Final = sa.String(limits.ID_LENGTH_MAX)
_text: Final = sa.String(limits.TEXT_LENGTH_MAX)
_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")

rules_table: Final = sa.Table(
    "rules",
    metadata,
    sa.Column("id", sa.String(limits.ID_LENGTH_MAX), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("changed_by", _who, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)
lists_table: Final = sa.Table(
    "lists",
    metadata,
    sa.Column("name", _name, primary_key=True),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("mark", sa.String(40), nullable=False),
)
entries_table: Final = sa.Table(
    "list_entries",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("list", _name, sa.ForeignKey("lists.name"), nullable=False),
    sa.Column("subject", sa.String(20), nullable=False),
    sa.Column("value", _text, nullable=False),
    sa.Column("purpose", _text, nullable=False),
    sa.Column("source", _text, nullable=False),
    sa.Column("valid_from", sa.BigInteger),
    sa.Column("valid_until", sa.BigInteger),
    sa.Column("side", sa.String(10), nullable=False, server_default="both"),
    sa.UniqueConstraint("list", "subject", "value"),
    sqlite_autoincrement=True,
)
packs_table: Final = sa.Table(
    "packs_off",
    metadata,
    sa.Column("name", sa.String(limits.ID_LENGTH_MAX), primary_key=True),
    sa.Column("changed_by", _who, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)
parameters_table: Final = sa.Table(
    "parameter_values",
    metadata,
    sa.Column("name", sa.String(limits.ID_LENGTH_MAX), primary_key=True),
    sa.Column("value", sa.String(40), nullable=False),  # JSON: a whole number stays one
    sa.Column("changed_by", _who, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)
_e = entries_table.c
_CONTENT: Final = ("purpose", "source", "valid_from", "valid_until", "side")


class StoredRule(msgspec.Struct, frozen=True):
    """A rule made through the API. `changed_at`: microseconds UTC."""

    rule: Rule
    version: int
    changed_by: str
    changed_at: int


class ListInfo(msgspec.Struct, frozen=True):
    """One list, its effect, and how many entries it has."""

    name: str
    effect: str
    entries: int


class Added(msgspec.Struct, frozen=True):
    """What became of the entries sent."""

    added: int
    changed: int
    unchanged: int


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entry: the kind of subject and its value."""

    subject: str
    value: str


def prepare(database: Database) -> None:
    """Make the tables, or bring them up to date."""
    prepare_changes(database)
    migrate(database, ROOM, (metadata.create_all, _sides_and_adjustments, metadata.create_all, metadata.create_all))


def _sides_and_adjustments(connection: sa.Connection) -> None:
    """Version 2: entries have a side, effects have longer names, packs and parameters are adjusted on record."""
    if "side" not in {column["name"] for column in sa.inspect(connection).get_columns(entries_table.name)}:
        connection.execute(sa.text("ALTER TABLE list_entries ADD COLUMN side VARCHAR(10) NOT NULL DEFAULT 'both'"))
        if connection.dialect.name == "postgresql":  # SQLite does not hold a text to its length
            connection.execute(sa.text("ALTER TABLE lists ALTER COLUMN effect TYPE VARCHAR(20)"))
    metadata.create_all(connection)


# rules


def all_rules(connection: sa.Connection) -> list[StoredRule]:
    """Every rule made through the API, by id."""
    return [_stored(row) for row in connection.execute(sa.select(rules_table).order_by(rules_table.c.id))]


def one_rule(connection: sa.Connection, rule_id: str) -> StoredRule | None:
    """The rule with this id, or None."""
    row = connection.execute(sa.select(rules_table).where(rules_table.c.id == rule_id)).first()
    return _stored(row) if row else None


def put_rule(connection: sa.Connection, rule: Rule, *, by: str, at: Instant, reason: str) -> StoredRule:
    """Make or replace a rule; the same rule again changes nothing."""
    before = one_rule(connection, rule.id)
    if before is not None and before.rule == rule:
        return before
    made = StoredRule(rule, before.version + 1 if before else 1, by, at)
    text = write(rule).decode()
    row = {"id": rule.id, "text": text, "version": made.version, "changed_by": by, "changed_at": at}
    upsert(connection, rules_table, [row], ("id",))
    record(
        connection,
        who=by,
        act="rule.put",
        what=rule.id,
        reason=reason,
        at=at,
        detail={"version": made.version, "rule": msgspec.Raw(text.encode())},
    )
    return made


def drop_rule(connection: sa.Connection, rule_id: str, *, by: str, at: Instant, reason: str) -> bool:
    """Whether there was such a rule; it is gone now, and its last text stands in the record of changes."""
    before = one_rule(connection, rule_id)
    if before is None:
        return False
    connection.execute(rules_table.delete().where(rules_table.c.id == rule_id))
    record(
        connection, who=by, act="rule.delete", what=rule_id, reason=reason, at=at, detail={"version": before.version}
    )
    return True


def _stored(row: Any) -> StoredRule:
    return StoredRule(read_rule(row.text.encode()), row.version, row.changed_by, row.changed_at)


# lists


def all_lists(connection: sa.Connection) -> list[ListInfo]:
    """Every list, by name."""
    counts = sa.select(_e.list, sa.func.count().label("n")).group_by(_e.list).subquery()
    query = sa.select(lists_table.c.name, lists_table.c.effect, sa.func.coalesce(counts.c.n, 0)).join(
        counts, counts.c.list == lists_table.c.name, isouter=True
    )
    return [ListInfo(*row) for row in connection.execute(query.order_by(lists_table.c.name))]


def list_names(connection: sa.Connection) -> tuple[str, ...]:
    """Names of all lists, sorted."""
    return tuple(connection.scalars(sa.select(lists_table.c.name).order_by(lists_table.c.name)))


def make_list(connection: sa.Connection, name: str, effect: str, *, by: str, at: Instant, reason: str) -> bool:
    """Whether the list was made now; it may be there already with the same effect. Raises `ConflictError`."""
    have = _effect_of(connection, name)
    _same_effect(have, effect, name)
    if have is not None:
        return False
    connection.execute(lists_table.insert().values(name=name, effect=effect, mark=f"{at}.0"))
    record(connection, who=by, act="list.make", what=name, reason=reason, at=at, detail={"effect": effect})
    return True


def _effect_of(connection: sa.Connection, name: str) -> str | None:
    return connection.scalar(sa.select(lists_table.c.effect).where(lists_table.c.name == name))


def _same_effect(have: str | None, effect: str, name: str) -> None:
    if have not in (None, effect):
        raise ConflictError(
            f"the list {name} has the effect {have}; all entries of a list have the same effect", "$.effect"
        )


def add_entries(
    connection: sa.Connection,
    name: str,
    entries: Sequence[ListEntry],
    *,
    by: str,
    at: Instant,
    reason: str,
    dry_run: bool = False,
) -> Added:
    """Adds or replaces entries of one list, by (subject, value); makes the list if need be. Raises `InputError`.

    `dry_run`: everything is checked and counted, and nothing is written.
    """
    if not entries:
        return Added(0, 0, 0)
    for i, entry in enumerate(entries):
        if entry.list != name:
            raise InputError(f"this entry is for the list {entry.list}, not {name}", f"$[{i}].list")
        if entry.effect != entries[0].effect:
            raise InputError("all entries of a list have the same effect", f"$[{i}].effect")
        if entry.valid_from and entry.valid_until and entry.valid_until <= entry.valid_from:
            raise InputError("this entry ends before it begins", f"$[{i}].valid_until")
        for said, what in ((entry.purpose, "purpose"), (entry.source, "source")):
            if not said.strip():
                raise InputError(f"an entry says its {what}: every hit repeats it", f"$[{i}].{what}")
    wanted = {(e.subject, e.value): _row(e) for e in entries}
    have = _existing(connection, name, wanted)
    new = [row for key, row in wanted.items() if key not in have]
    changed = [row for key, row in wanted.items() if key in have and have[key] != tuple(row[c] for c in _CONTENT)]
    if dry_run:
        _same_effect(_effect_of(connection, name), entries[0].effect, name)
    else:
        make_list(connection, name, entries[0].effect, by=by, at=at, reason=reason)
    if (new or changed) and not dry_run:
        upsert(connection, entries_table, new + changed, ("list", "subject", "value"))
        number = record(
            connection,
            who=by,
            act="entries.add",
            what=name,
            reason=reason,
            at=at,
            detail={"added": len(new), "changed": len(changed)},
        )
        _mark(connection, name, at, number)
    return Added(len(new), len(changed), len(wanted) - len(new) - len(changed))


def remove_entries(
    connection: sa.Connection, name: str, subjects: Sequence[Subject], *, by: str, at: Instant, reason: str
) -> int:
    """How many of these stood on the list; they are gone now."""
    wanted = {(s.subject, s.value): None for s in subjects}
    removed = 0
    for kind, values in _in_groups(wanted):
        where = (_e.list == name) & (_e.subject == kind) & _e.value.in_(values)
        removed += connection.execute(entries_table.delete().where(where)).rowcount
    if removed:
        number = record(
            connection, who=by, act="entries.remove", what=name, reason=reason, at=at, detail={"removed": removed}
        )
        _mark(connection, name, at, number)
    return removed


def count_entries(connection: sa.Connection, name: str, subjects: Sequence[Subject]) -> int:
    """How many of these stand on the list."""
    return len(_existing(connection, name, {(s.subject, s.value): None for s in subjects}))


def entries_page(
    connection: sa.Connection, name: str, *, after: int = 0, limit: int = 100
) -> tuple[list[ListEntry], int | None]:
    """Entries in the order they were added, those after the cursor; the next cursor, or None at the end."""
    found = numbered_entries(connection, name, after=after, limit=limit + 1)
    return [entry for _, entry in found[:limit]], found[limit - 1][0] if len(found) > limit else None


def numbered_entries(
    connection: sa.Connection, name: str, *, after: int = 0, limit: int = 100, number: int = 0, value: str = ""
) -> list[tuple[int, ListEntry]]:
    """Entries with their numbers, those after `after`; only the one with this number, or those of this value."""
    query = sa.select(entries_table, lists_table.c.effect).join(lists_table).where((_e.list == name) & (_e.id > after))
    if number:
        query = query.where(_e.id == number)
    if value:
        query = query.where(_e.value == value)
    return [
        (
            r.id,
            ListEntry(
                list=name, effect=r.effect, subject=r.subject, value=r.value, purpose=r.purpose, source=r.source,
                valid_from=_moment(r.valid_from), valid_until=_moment(r.valid_until), side=r.side,
            ),
        )
        for r in connection.execute(query.order_by(_e.id).limit(limit))
    ]  # fmt: skip


def lists_mark(connection: sa.Connection) -> str:
    """A text that is another whenever any list's entries are."""
    marks = connection.execute(sa.select(lists_table.c.name, lists_table.c.mark).order_by(lists_table.c.name))
    return ",".join(f"{name}={mark}" for name, mark in marks)


def all_entries(connection: sa.Connection) -> pa.Table:
    """Every entry as a table of `LIST_SCHEMA`. Scans in batches: a million entries never stand as Python objects."""
    effects = {row.name: row.effect for row in connection.execute(sa.select(lists_table))}
    query = sa.select(
        _e.list, _e.list, _e.subject, _e.value, _e.purpose, _e.source, _e.valid_from, _e.valid_until, _e.side
    ).order_by(_e.id)
    codes: list[dict[str, int]] = [{} for _ in LIST_SCHEMA]
    chunks: list[list[pa.Array]] = [[] for _ in LIST_SCHEMA]
    result = connection.execute(query, execution_options={"yield_per": SCAN_ROWS})
    for part in result.partitions():
        for i, (column, field) in enumerate(zip(zip(*part, strict=True), LIST_SCHEMA, strict=True)):
            coded = pa.types.is_dictionary(field.type)
            chunks[i].append(_coded(column, codes[i]) if coded else pa.array(column, field.type))
    names = [list(one) for one in codes]
    names[1] = [effects[name] for name in names[0]]
    return pa.table([_column(*one) for one in zip(LIST_SCHEMA, chunks, names, strict=True)], schema=LIST_SCHEMA)


def _coded(column: Sequence[str], codes: dict[str, int]) -> pa.Array:
    """Each value's code; `codes` learns the new ones."""
    local = pa.array(column, pa.string()).dictionary_encode()
    known = pa.array([codes.setdefault(name, len(codes)) for name in local.dictionary.to_pylist()], pa.int32())
    return known.take(local.indices)


def _column(field: pa.Field, chunks: list[pa.Array], names: list[str]) -> pa.ChunkedArray:
    if pa.types.is_dictionary(field.type):
        values = pa.array(names, pa.string())
        return pa.chunked_array([pa.DictionaryArray.from_arrays(c, values) for c in chunks], field.type)
    return pa.chunked_array(chunks, field.type)


def _mark(connection: sa.Connection, name: str, at: Instant, number: int) -> None:
    connection.execute(lists_table.update().where(lists_table.c.name == name).values(mark=f"{at}.{number}"))


def _row(entry: ListEntry) -> dict[str, Any]:
    return {
        "list": entry.list,
        "subject": entry.subject,
        "value": entry.value,
        "purpose": entry.purpose,
        "source": entry.source,
        "valid_from": None if entry.valid_from is None else instant(entry.valid_from),
        "valid_until": None if entry.valid_until is None else instant(entry.valid_until),
        "side": entry.side,
    }


def _existing(
    connection: sa.Connection, name: str, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Any, ...]]:
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for kind, values in _in_groups(wanted):
        query = sa.select(_e.value, *(_e[c] for c in _CONTENT)).where(
            (_e.list == name) & (_e.subject == kind) & _e.value.in_(values)
        )
        found |= {(kind, row[0]): tuple(row[1:]) for row in connection.execute(query)}
    return found


def _in_groups(wanted: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    for kind, pairs in groupby(sorted(wanted), key=lambda pair: pair[0]):
        values = [value for _, value in pairs]
        for i in range(0, len(values), LOOKUP_VALUES):
            yield kind, values[i : i + LOOKUP_VALUES]


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)
