"""What makes an alert, and which alert a stopped payment belongs to. Pure: no clock, no records.

An alert is stopped payments of one customer (the payer's account) or of one ring (a payee's account that several payers met
within a day). Accounts are here only as keyed hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from lianfang.kernel.instant import DAY, MINUTE
from lianfang.wire import Action, Decision, Payment

CHALLENGE_POINTS: Final = 50
"""A challenge is an alert from so many points up: below, or for mere doubt, the customer's own answer is enough."""
RING_PAYERS: Final = 3
"""So many payers to one payee within `RING_US` are a ring."""
RING_US: Final = DAY
TARGET_US: Final = 30 * MINUTE
"""An alert is to be taken within this; the queue shows what is over it."""

AlertKind = Literal["customer", "ring"]
State = Literal["new", "assigned", "snoozed", "closed"]
Verdict = Literal["fraud", "genuine", "disputed", "unclear"]
STATES: Final[tuple[State, ...]] = ("new", "assigned", "snoozed", "closed")
VERDICTS: Final[tuple[Verdict, ...]] = ("fraud", "genuine", "disputed", "unclear")
"""What an alert is closed as; all but `unclear` become the outcome of its payments."""


class Item(NamedTuple):
    """One stopped payment. `payer`, `payee`: keyed hashes of their accounts, empty where there is none; times in us."""

    seq: int
    at: int
    payment_id: str
    payer: str
    payee: str
    amount: int
    currency: str
    action: Action
    points: int


class Near(NamedTuple):
    """What stands on record about an item's accounts: open alerts by number, and latest items of the same payee."""

    ring: int | None = None
    """The open ring of its payee."""
    customer: int | None = None
    """The open alert of its payer."""
    met: Sequence[tuple[str, int, bool]] = ()
    """(payer, alert, whether nobody took that alert) of the items of this payee in the last `RING_US`."""


class Place(NamedTuple):
    """Where an item goes. `alert`: an open one, None: a new one of `kind`. `from_alerts`: whose items of this payee join it."""

    kind: AlertKind
    alert: int | None
    from_alerts: tuple[int, ...] = ()


def alerts(payment: Payment, decision: Decision) -> bool:
    """Whether a person should look at this decision."""
    if decision.action in ("hold", "block"):
        return True
    return decision.action == "challenge" and decision.points >= CHALLENGE_POINTS


def place(item: Item, near: Near) -> Place:
    """Which alert an item belongs to: a ring before a customer, an open one before a new one.

    A ring that begins takes the payee's items out of alerts that nobody took; what somebody works on stays theirs.
    """
    if near.ring is not None:
        return Place("ring", near.ring)
    payers = {payer for payer, _, _ in near.met if payer} | ({item.payer} if item.payer else set())
    if item.payee and len(payers) >= RING_PAYERS:
        free = tuple(dict.fromkeys(alert for _, alert, untaken in near.met if untaken))
        return Place("ring", None, free)
    return Place("customer", near.customer)
