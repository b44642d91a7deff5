"""What may be done with a draft, whoever asks: by HTTP with a key, or by a person at the console. One transaction each.

Every step checks the rules that would come out before any of it is kept. The caller owns the transaction.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from lianfang.engines.expr import suggestion
from lianfang.infra.models import read_model
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant
from lianfang.services.decide import drafts_store
from lianfang.services.decide.adjusting import adjustments, check_value
from lianfang.services.decide.assemble import Adjustments
from lianfang.services.decide.drafts import NEXT, Change, Draft, Stage, checked_change
from lianfang.services.decide.models import find_model, fit
from lianfang.services.decide.publisher import Publisher
from lianfang.wire import RuleSet


class NoDraftError(InputError):
    """There is no draft with this number."""

    code = "not-found"


def found(connection: sa.Connection, number: int) -> Draft:
    """The draft. Raises `NoDraftError`."""
    draft = drafts_store.one_draft(connection, number)
    if draft is None:
        raise NoDraftError("there is no draft with this number", "path")
    return draft


def make(
    publisher: Publisher, connection: sa.Connection, wanted: Change, *, by: str, at: Instant, reason: str
) -> Draft:
    """Keep a draft of a change that could be made now. Raises `ConflictError`, `InputError`, `RefusedRulesError`."""
    checked_change(wanted)
    for rule_id in wanted.ids:
        if file := publisher.file_of(rule_id):
            raise ConflictError(f"the rule {rule_id} lives in the file {file}: change it there", "$.rules")
    check_adjusted(publisher, wanted)
    publisher.check(connection, put=wanted.rules, adjusted=Adjustments(frozenset(), wanted.parameters))
    if wanted.model:
        version = find_model(connection, wanted.model).version
        fit(read_model(publisher.models / version), publisher.ruleset)
    return drafts_store.add_draft(connection, wanted, by=by, at=at, reason=reason)


def check_adjusted(publisher: Publisher, wanted: Change) -> None:
    """Raises for a parameter or a pack that the files do not have, a number of the law, or a value that does not fit."""
    known = {one.name: one for file in publisher.files for one in file.ruleset.parameters}
    for name, value in wanted.parameters.items():
        if name not in known:
            raise InputError(f"there is no parameter {name}{suggestion(name, known)}", "$.parameters")
        check_value(known[name], value, "$.parameters")
    packs = {file.ruleset.pack.name for file in publisher.files if file.ruleset.pack is not None}
    for name in wanted.packs:
        if name not in packs:
            raise InputError(f"there is no pack {name}{suggestion(name, packs)}", "$.packs")


def as_it_would_be(publisher: Publisher, connection: sa.Connection, wanted: Change) -> RuleSet:
    """The whole rule set with the change in force, as a backtest is to judge it. Raises `RefusedRulesError`.

    A rule that the change removes is left out; so is what a draft in shadow or in share holds beside the rules.
    """
    now = adjustments(connection)
    off = (now.off - {name for name, on in wanted.packs.items() if on}) | {
        n for n, on in wanted.packs.items() if not on
    }
    whole = publisher.check(
        connection, put=wanted.rules, adjusted=Adjustments(frozenset(), wanted.parameters), packs_off=frozenset(off)
    )
    return msgspec.structs.replace(
        whole, rules=tuple(r for r in whole.rules if r.id not in wanted.remove and not r.id.endswith(NEXT))
    )


def attach_backtest(
    publisher: Publisher, connection: sa.Connection, number: int, report: bytes, *, by: str, at: Instant, reason: str
) -> Draft:
    """Keep a backtest's figures (JSON) with a draft that is not yet approved."""
    moved = drafts_store.attach_backtest(connection, found(connection, number), report, by=by, at=at, reason=reason)
    publisher.check(connection)
    return moved


def approve(
    publisher: Publisher,
    connection: sa.Connection,
    number: int,
    *,
    by: str,
    at: Instant,
    reason: str,
    without: str = "",
) -> Draft:
    """A second person's word. `without`: why it needs no backtest."""
    draft = found(connection, number)
    moved = drafts_store.approve(connection, draft, by=by, at=at, reason=reason, without=without)
    publisher.check(connection)
    return moved


def go(
    publisher: Publisher,
    connection: sa.Connection,
    number: int,
    stage: Stage,
    share: float | None,
    *,
    by: str,
    at: Instant,
    reason: str,
) -> Draft:
    """Put an approved draft's next stage in force. The caller publishes."""
    moved = drafts_store.to_stage(
        connection, publisher.models, found(connection, number), stage, share,
        by=by, at=at, reason=reason, ruleset=publisher.ruleset,
    )  # fmt: skip
    publisher.check(connection)
    return moved


def roll_back(
    publisher: Publisher, connection: sa.Connection, number: int, *, by: str, at: Instant, reason: str
) -> Draft:
    """What was in force before it. The caller publishes."""
    draft = found(connection, number)
    moved = drafts_store.roll_back(connection, publisher.models, draft, by=by, at=at, reason=reason)
    publisher.check(connection)
    return moved


def withdraw(
    publisher: Publisher, connection: sa.Connection, number: int, *, by: str, at: Instant, reason: str
) -> Draft:
    """Give up a draft that has taken no effect."""
    moved = drafts_store.withdraw(connection, found(connection, number), by=by, at=at, reason=reason)
    publisher.check(connection)
    return moved


def refuse_beside_drafts(connection: sa.Connection, two_people: bool, name: str = "", what: str = "rule") -> None:
    """Raises `ConflictError` for a change that goes past the drafts: where two people are required, or a draft holds it."""
    if two_people:
        raise ConflictError(
            "this node asks for two people: make a draft (`lianfang draft make`), which another approves", "path"
        )
    if name.endswith(NEXT):
        raise ConflictError(f"an id that ends in {NEXT} is kept for drafts on their way", "path")
    held = drafts_store.held_by(drafts_store.all_drafts(connection), name)
    if held is not None:
        raise ConflictError(f"draft {held.id} is {held.state} with this {what}: end that first", "path")
