"""What is asked, and what comes back. A question with several conditions means all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lianfang.infra.finding.keys import PayingSide
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire import Action, Label, SubjectKind
from lianfang.wire.payment import Channel, Kind

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
LOOK_MAX: Final = 2_000_000
"""Rows whose columns one question looks at; then the page says that it is not complete, and where to go on."""
_SEQ_MAX: Final = 2**62
_Word = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH_MAX)]
_Minor = Annotated[int, Meta(ge=0, le=limits.AMOUNT_MAX)]
_Micros = Annotated[int, Meta(ge=-_SEQ_MAX, le=_SEQ_MAX)]
_Seq = Annotated[int, Meta(ge=0, le=_SEQ_MAX)]


class Sought(msgspec.Struct, frozen=True):
    """A subject: of any kind and on either side where those are not said."""

    value: _Word
    kind: SubjectKind | None = None
    side: PayingSide | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions. Those of an outcome (`label`, `scam`) ask for outcomes, each with the columns of its decision.

    `rule`: the name of a rule or list that gave a reason; `shadow`: one that fired in shadow. Amounts: minor units, both ends
    included. Times: microseconds, of the decision (or of the outcome's arrival), `time_to` excluded. `before_seq`: go on there.
    """

    payment_id: _Word | None = None
    subject: Sought | None = None
    rule: _Word | None = None
    shadow: _Word | None = None
    reason: _Word | None = None
    actions: tuple[Action, ...] = ()
    unsure: bool | None = None
    label: Label | None = None
    scam: _Word | None = None
    kind: Kind | None = None
    channel: Channel | None = None
    currency: Annotated[str, Meta(min_length=3, max_length=3)] | None = None
    amount_from: _Minor | None = None
    amount_to: _Minor | None = None
    time_from: _Micros | None = None
    time_to: _Micros | None = None
    before_seq: _Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT

    @property
    def outcomes(self) -> bool:
        """Whether outcomes are asked for."""
        return self.label is not None or self.scam is not None


class FoundRow(msgspec.Struct, frozen=True, kw_only=True):
    """One record. Of an outcome: `decision_seq` is the decision it is about (null: not found), whose are the other columns."""

    seq: int
    at: datetime
    outcome: bool
    decision_seq: int | None
    amount: int
    currency: str | None
    action: Action | None
    kind: Kind | None
    channel: Channel | None
    unsure: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first. `next`: the `before_seq` to go on with, null at the end.

    `complete`: false where `LOOK_MAX` rows were looked at before the page was full. `missing`: records that were decided but
    can not be found yet; the next build of the index brings them.
    """

    rows: tuple[FoundRow, ...]
    next: int | None
    complete: bool
    missing: int

    @property
    def seqs(self) -> tuple[int, ...]:
        """Of the rows."""
        return tuple(row.seq for row in self.rows)


class Count(msgspec.Struct, frozen=True):
    """How many; `exact` is false where counting ended at the cap, or at `LOOK_MAX` rows."""

    count: int
    exact: bool


def check_query(query: Query) -> Query:
    """The same query. Raises `InputError` for one out of its bounds, or that can never find anything."""
    try:
        msgspec.convert(msgspec.to_builtins(query), Query)
    except msgspec.ValidationError as why:
        raise InputError(f"this cannot be looked for: {why}") from why
    for low, high, name in (
        (query.amount_from, query.amount_to, "amount_to"),
        (query.time_from, query.time_to, "time_to"),
    ):
        if low is not None and high is not None and low > high:
            raise InputError(f"{low} is after {high}: no record lies between", name)
    return query
