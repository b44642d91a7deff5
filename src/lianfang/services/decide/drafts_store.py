"""Drafts: rows, and the one transaction of each step. Every step is on record with who did it and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lianfang.infra.models import read_model
from lianfang.infra.sql import record
from lianfang.kernel import limits
from lianfang.kernel.errors import ConflictError
from lianfang.kernel.instant import Instant
from lianfang.services.decide import store
from lianfang.services.decide.adjusting import adjustments, set_parameter, switch_pack
from lianfang.services.decide.drafts import (
    ACTIVE,
    NEXT,
    Before,
    Change,
    Draft,
    InForce,
    Stage,
    State,
    approvable,
    in_force,
    rolled_back,
    shadows_of,
    step,
)
from lianfang.services.decide.models import drop_model, find_model, known_models, put_model
from lianfang.wire import Rule, RuleSet, write
from lianfang.wire.codec import LAYOUT, Reader

_id: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_who: Final = sa.String(limits.ID_LENGTH_MAX)
drafts_table: Final = sa.Table(
    "drafts",
    store.metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("reason", sa.String(limits.TEXT_LENGTH_MAX), nullable=False),
    sa.Column("made_by", _who, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("share", sa.Float),
    sa.Column("approved_by", _who),
    sa.Column("approved_at", sa.BigInteger),
    sa.Column("backtest", sa.Text),
    sa.Column("before", sa.Text),
    sqlite_autoincrement=True,
)
_read_change: Final = Reader(Change, LAYOUT)
_read_before: Final = Reader(Before, LAYOUT)


def all_drafts(connection: sa.Connection, *, limit: int = 100) -> list[Draft]:
    """The newest first."""
    rows = connection.execute(sa.select(drafts_table).order_by(drafts_table.c.id.desc()).limit(limit))
    return [_draft(row) for row in rows]


def one_draft(connection: sa.Connection, draft_id: int) -> Draft | None:
    """The draft with this number, or None."""
    row = connection.execute(sa.select(drafts_table).where(drafts_table.c.id == draft_id)).first()
    return _draft(row) if row else None


def add_draft(connection: sa.Connection, change: Change, *, by: str, at: Instant, reason: str) -> Draft:
    """Keep a new draft, which changes nothing yet."""
    row = {"state": "draft", "change": write(change).decode(), "reason": reason, "made_by": by, "made_at": at}
    done = connection.execute(drafts_table.insert().values(row))
    number = int(done.inserted_primary_key[0])  # type: ignore[index]
    detail = {
        "rules": list(change.ids),
        "model": change.model,
        "parameters": change.parameters,
        "packs": change.packs,
    }
    _record(connection, number, "draft.make", by, at, reason, detail)
    return _must(connection, number)


def attach_backtest(
    connection: sa.Connection, draft: Draft, report: bytes, *, by: str, at: Instant, reason: str
) -> Draft:
    """Keep what a backtest said of it. Raises `ConflictError` once it is approved: what was approved stays as it was."""
    if draft.state != "draft":
        raise ConflictError(f"draft {draft.id} is {draft.state}: a backtest belongs to it before it is approved", "$")
    return _moved(connection, draft, "draft", "draft.backtest", by, at, reason, {}, backtest=report.decode())


def approve(connection: sa.Connection, draft: Draft, *, by: str, at: Instant, reason: str, without: str = "") -> Draft:
    """A second person's word. Raises `ConflictError`."""
    approvable(draft, by, without)
    detail = {"without_backtest": without} if draft.backtest is None else {}
    return _moved(
        connection, draft, "approved", "draft.approve", by, at, reason, detail, approved_by=by, approved_at=at
    )


def withdraw(connection: sa.Connection, draft: Draft, *, by: str, at: Instant, reason: str) -> Draft:
    """Give a draft up that has taken no effect."""
    step(draft, "withdrawn")
    return _moved(connection, draft, "withdrawn", "draft.withdraw", by, at, reason, {})


def to_stage(
    connection: sa.Connection,
    models: Path,
    draft: Draft,
    stage: Stage,
    share: float | None,
    *,
    by: str,
    at: Instant,
    reason: str,
    ruleset: RuleSet,
) -> Draft:
    """Put a draft's next stage in force. Raises `ConflictError`, `InputError`; then nothing is changed.

    `ruleset`: what is in force, whose rules that read the draft's parameters get a shadow.
    """
    step(draft, stage)
    shadows = shadows_of(draft.change, ruleset) if draft.change.parameters else ()
    if draft.before is None:
        _free(connection, draft)
        now = _now(connection, draft.change)
        now = msgspec.structs.replace(now, shadows=tuple(rule.id for rule in shadows))
        draft = msgspec.structs.replace(draft, before=now)
    _unchanged(connection, draft)
    _put_in_force(connection, models, in_force(draft, stage, share, shadows), draft, by, at, reason)
    before = write(draft.before).decode()
    detail = {"stage": stage, "share": share}
    return _moved(connection, draft, stage, f"draft.{stage}", by, at, reason, detail, before=before, share=share)


def roll_back(connection: sa.Connection, models: Path, draft: Draft, *, by: str, at: Instant, reason: str) -> Draft:
    """What was in force before the draft is in force again, in one step."""
    step(draft, "rolled_back")
    _put_in_force(connection, models, rolled_back(draft), draft, by, at, reason)
    return _moved(connection, draft, "rolled_back", "draft.roll_back", by, at, reason, {})


def _put_in_force(
    connection: sa.Connection, models: Path, wanted: InForce, draft: Draft, by: str, at: Instant, reason: str
) -> None:
    for rule in wanted.put:
        store.put_rule(connection, rule, by=by, at=at, reason=reason)
    for rule_id in wanted.drop:
        store.drop_rule(connection, rule_id, by=by, at=at, reason=reason)
    for name, value in wanted.parameters.items():
        set_parameter(connection, name, value, by=by, at=at, reason=reason)
    for name, on in wanted.packs.items():
        switch_pack(connection, name, on=on, by=by, at=at, reason=reason)
    if not draft.change.model:
        return
    for role, version in (("model", wanted.model), ("challenger", wanted.challenger)):
        chosen: Any = role
        if version is None:
            drop_model(connection, chosen, by=by, at=at, reason=reason)
        else:
            folder = read_model(models / find_model(connection, version).version)
            put_model(connection, models, folder, chosen, by=by, at=at, reason=reason)


def _now(connection: sa.Connection, change: Change) -> Before:
    rules: dict[str, Rule | None] = {}
    for rule_id in change.ids:
        found = store.one_rule(connection, rule_id)
        rules[rule_id] = found.rule if found else None
    if missing := [one for one in change.remove if rules[one] is None]:
        raise ConflictError(f"there is no rule {missing[0]} to remove", "$.remove")
    scoring = [one.manifest.version for one in known_models(connection) if one.role == "model"]
    now = adjustments(connection)
    return Before(
        rules,
        scoring[0] if scoring else None,
        {name: now.values.get(name) for name in change.parameters},
        {name: name not in now.off for name in change.packs},
    )


def _free(connection: sa.Connection, draft: Draft) -> None:
    """No other draft on its way holds the same rules, or the model."""
    held = sa.select(drafts_table).where(drafts_table.c.state.in_(ACTIVE) & (drafts_table.c.id != draft.id))
    for other in map(_draft, connection.execute(held)):
        if same := sorted(set(other.change.ids) & set(draft.change.ids)):
            raise ConflictError(f"draft {other.id} is {other.state} with the rule {same[0]}: end that first", "$")
        for noun, ours, theirs in _named(draft.change, other.change):
            if same := sorted(ours & theirs):
                raise ConflictError(f"draft {other.id} is {other.state} with the {noun} {same[0]}: end that first", "$")
        if other.change.model and draft.change.model:
            raise ConflictError(f"draft {other.id} is {other.state} with another model: end that first", "$")


def _named(one: Change, other: Change) -> list[tuple[str, set[str], set[str]]]:
    return [
        ("parameter", set(one.parameters), set(other.parameters)),
        ("pack", set(one.packs), set(other.packs)),
    ]


def _unchanged(connection: sa.Connection, draft: Draft) -> None:
    """Nobody changed its rules beside it meanwhile: what was tried and approved would not be what goes live."""
    assert draft.before is not None
    now = _now(connection, msgspec.structs.replace(draft.change, remove=()))
    if now.parameters != draft.before.parameters or now.packs != draft.before.packs:
        raise ConflictError(
            f"a parameter or pack was changed meanwhile: roll draft {draft.id} back and draft it anew", "$"
        )
    for rule in draft.change.rules:
        have, had = now.rules[rule.id], draft.before.rules[rule.id]
        if draft.state == "share" and have is not None and had is not None:
            have = msgspec.structs.replace(have, share_from=had.share_from, share=had.share, share_key=had.share_key)
        if have != had:
            raise ConflictError(
                f"the rule {rule.id} was changed meanwhile: roll draft {draft.id} back and draft it anew", "$"
            )


def _moved(
    connection: sa.Connection,
    draft: Draft,
    state: State,
    act: str,
    by: str,
    at: Instant,
    reason: str,
    detail: dict[str, Any],
    **columns: Any,
) -> Draft:
    connection.execute(drafts_table.update().where(drafts_table.c.id == draft.id).values(state=state, **columns))
    _record(connection, draft.id, act, by, at, reason, detail)
    return _must(connection, draft.id)


def _record(
    connection: sa.Connection, number: int, act: str, by: str, at: Instant, reason: str, detail: dict[str, Any]
) -> None:
    record(connection, who=by, act=act, what=str(number), reason=reason, at=at, detail=detail)


def _must(connection: sa.Connection, number: int) -> Draft:
    found = one_draft(connection, number)
    assert found is not None
    return found


def _draft(row: Any) -> Draft:
    return Draft(
        id=row.id,
        state=row.state,
        change=_read_change(row.change.encode()),
        reason=row.reason,
        made_by=row.made_by,
        made_at=row.made_at,
        share=row.share,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        backtest=None if row.backtest is None else msgspec.Raw(row.backtest.encode()),
        before=None if row.before is None else _read_before(row.before.encode()),
    )


def held_by(drafts: Sequence[Draft], name: str) -> Draft | None:
    """The draft on its way that holds a rule, a parameter or a pack, so that nobody changes it beside."""
    bare = name.removesuffix(NEXT)
    return next((d for d in drafts if d.state in ACTIVE and bare in _held(d.change)), None)


def _held(change: Change) -> set[str]:
    return {*change.ids, *change.parameters, *change.packs}
