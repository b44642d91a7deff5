"""`Outcome`, version 1: what a payment turned out to be, and when that became known."""

from __future__ import annotations

from typing import Literal

from lianfang.wire.payment import Id, Moment, Part, Text

Label = Literal["fraud", "genuine", "disputed"]


class Outcome(Part, frozen=True, kw_only=True):
    """A label for an earlier payment. `known_at` keeps backtests honest: nothing is used before it was known."""

    schema: Literal["outcome/1"] = "outcome/1"
    payment_id: Id
    label: Label
    known_at: Moment
    source: Id
    """Who says so: `customer`, `analyst`, `chargeback`, `police`, ..."""
    kind: Id | None = None
    """The scam or scheme, from the alliance's taxonomy."""
    note: Text | None = None
