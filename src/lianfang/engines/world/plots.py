"""Every story as data: its phases, who pays whom, how much, when, and what can be seen of it. One engine tells them all.

The shapes follow the descriptions of the MPS list of June 2024 and of case work (docs/reference/world.md); delays, amounts
and shares are ours: plausible, fitted to published means where there are any, not measured. The second table holds the
false friends: what honest people do that looks the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lianfang.engines.world.moves import NONE
from lianfang.engines.world.tables import (
    BAIT,
    CRIMES,
    DEPOSIT,
    FEE,
    GOODS,
    INVEST,
    LIVING,
    LOAN,
    NEW_DEVICE,
    PLAYER,
    PLEDGE,
    REBATE,
    RECHARGE,
    RENT,
    REPAY,
    SCREEN_SHARE,
    SHARE_AND_CONTROL,
    SHARED,
    STOLEN,
    STUDENT,
    TASK,
    TUITION,
    UNKNOWN_APP,
    VICTIM,
    WORKS,
)

HERO, FRONT, LENDER, STRANGER, CROWD = range(5)
"""Parties: the one the story is about; the crew's account; a lender; some honest person; somebody else every time."""
YUAN, INCOME, SAVINGS, PREVIOUS, TOTAL = range(5)
"""What an amount is measured in: yuan; the hero's monthly income or savings; the last amount; all paid so far."""
NO_RUN, EACH, SUM = range(3)
"""Whether money at the front runs on: not at once, payment by payment, or gathered at the end of the phase."""
_H: Final = 60
_D: Final = 24 * 60
_AFTER: Final = (3.0, 40.0)
"""Minutes within which a pressed victim pays again."""


class Phase(NamedTuple):
    """Some payments in a row."""

    payer: int = HERO
    payee: int = FRONT
    times: tuple[int, int] = (1, 1)
    wait: tuple[float, float] = _AFTER
    """Minutes before each payment, log-uniform."""
    unit: int = YUAN
    amount: tuple[float, float] = (100.0, 1_000.0)
    """Of the first payment, in `unit`, log-uniform."""
    growth: tuple[float, float] = (1.0, 1.0)
    """Factor from one payment to the next."""
    chance: float = 1.0
    """Share of stories still going that reach this phase; the others end before it."""
    optional: float = 1.0
    """Share of stories that have this phase; the others go on without it."""
    via: tuple[float, float, float, float, float] = (1.0, 0.0, 0.0, 0.0, 0.0)
    """Shares of transfer, card, QR, top-up and crypto."""
    role: int = VICTIM
    run: int = EACH
    screen: float = 0.0
    call: float = 0.0
    finding: int = NONE
    found: float = 0.0
    memo: int = NONE
    fresh: float = 0.0
    """Share of stories in which it goes to another account of the crew than before."""


class Plot(NamedTuple):
    """A kind of story. `crime` is its place in CRIMES, or NONE for honest ones."""

    crime: int
    weight: float
    """Share of stories, unnormalised."""
    phases: tuple[Phase, ...]
    bank: float = 0.5
    """Share of heroes who pay from the bank account, the others from the wallet."""
    ages: tuple[int, int] = (18, 65)
    stolen: bool = False
    """Paid by a stranger on a device of the crew."""
    night: bool = False
    """Goes on while people sleep."""
    silence: float = 1.0
    """Times `never_known`: how much rarer or commoner it is that nobody reports."""
    profile: int = NONE


def _crime(name: str) -> int:
    return CRIMES.index(name)


_MIXED: Final = (0.5, 0.05, 0.38, 0.07, 0.0)
_CODES: Final = (0.35, 0.1, 0.55, 0.0, 0.0)

CRIME_PLOTS: Final = (
    Plot(
        _crime("brushing_rebate"),
        0.19,
        (
            Phase(times=(1, 5), wait=(30, 3 * _D), amount=(8, 120), growth=(0.9, 1.6), via=_MIXED, run=NO_RUN,
                  memo=TASK),
            Phase(FRONT, HERO, (1, 2), (4, 2 * _D), PREVIOUS, (1.05, 1.35), role=BAIT, run=NO_RUN, memo=REBATE),
            Phase(times=(1, 3), wait=(30, 2 * _D), amount=(100, 1_800), growth=(1.2, 2.8), chance=0.6, via=_MIXED,
                  memo=TASK),
            Phase(LENDER, HERO, wait=(30, 12 * _H), unit=INCOME, amount=(0.5, 3), optional=0.2, run=NO_RUN, memo=LOAN),
            Phase(times=(1, 4), wait=(8, 5 * _H), unit=INCOME, amount=(0.2, 2.2), growth=(0.9, 2.0), chance=0.6,
                  via=(0.8, 0.0, 0.15, 0.05, 0.0), call=0.2, screen=0.06, finding=UNKNOWN_APP, found=0.2, fresh=0.6),
        ),
        ages=(18, 45),
        silence=0.8,
    ),
    Plot(
        _crime("fake_investment"),
        0.07,
        (
            Phase(times=(1, 4), wait=(12 * _H, 4 * _D), amount=(80, 1_500), growth=(0.9, 1.6),
                  via=(0.6, 0.0, 0.3, 0.1, 0.0), run=NO_RUN, memo=INVEST),
            Phase(FRONT, HERO, (1, 1), (1 * _H, 2 * _D), PREVIOUS, (1.05, 1.25), role=BAIT, run=NO_RUN),
            Phase(times=(1, 5), wait=(8 * _H, 3 * _D), unit=INCOME, amount=(0.2, 1.5), growth=(1.0, 1.7), chance=0.8,
                  via=(0.75, 0.0, 0.05, 0.1, 0.1), finding=UNKNOWN_APP, found=0.25, fresh=0.5),
            Phase(LENDER, HERO, wait=(2 * _H, 2 * _D), unit=INCOME, amount=(1, 6), optional=0.3, run=NO_RUN, memo=LOAN),
            Phase(times=(1, 3), wait=(3 * _H, 2 * _D), unit=SAVINGS, amount=(0.25, 1.2), chance=0.65,
                  via=(0.85, 0.0, 0.0, 0.0, 0.15), fresh=0.5),
        ),
        bank=0.75,
        ages=(28, 65),
        silence=0.4,
    ),
    Plot(
        _crime("fake_shopping"),
        0.2,
        (
            Phase(amount=(15, 1_800), via=(0.45, 0.1, 0.42, 0.03, 0.0), wait=(5, 10 * _H), run=NO_RUN, memo=GOODS),
            Phase(times=(1, 2), unit=PREVIOUS, amount=(0.3, 1.6), wait=(20, 2 * _D), chance=0.35, via=_CODES,
                  memo=DEPOSIT),
        ),
        ages=(18, 50),
        silence=1.6,
    ),
    Plot(
        _crime("fake_customer_service"),
        0.07,
        (
            Phase(amount=(1, 600), wait=(5, 60), call=0.4, screen=0.2, via=_CODES, optional=0.5, run=NO_RUN),
            Phase(times=(1, 4), unit=INCOME, amount=(0.1, 1.8), wait=(2, 20), call=0.5, screen=0.35,
                  finding=SHARE_AND_CONTROL,
                  found=0.3, via=(0.85, 0.0, 0.1, 0.05, 0.0), fresh=0.8),
        ),
        bank=0.7,
    ),
    Plot(
        _crime("fake_loan"),
        0.07,
        (
            Phase(times=(1, 2), amount=(100, 2_500), wait=(15, 10 * _H), memo=FEE, call=0.12, via=_MIXED),
            Phase(times=(1, 4), unit=PREVIOUS, amount=(0.8, 2.5), growth=(0.9, 1.5), wait=(20, 2 * _D), chance=0.6,
                  memo=PLEDGE,
                  call=0.15, fresh=0.5, via=(0.75, 0.0, 0.25, 0.0, 0.0)),
        ),
        ages=(20, 50),
    ),
    Plot(
        _crime("fake_credit_repair"),
        0.04,
        (
            Phase(LENDER, HERO, (1, 3), (10, 120), INCOME, (0.3, 2), run=NO_RUN, memo=LOAN),
            Phase(times=(1, 4), unit=INCOME, amount=(0.2, 1.8), wait=(5, 50), call=0.55, screen=0.4,
                  finding=SCREEN_SHARE, found=0.3),
        ),
        bank=0.8,
        ages=(20, 45),
        silence=0.5,
    ),
    Plot(
        _crime("impersonated_acquaintance"),
        0.05,
        (
            Phase(times=(1, 2), amount=(300, 15_000), wait=(8, 3 * _H), memo=NONE, call=0.08),
            Phase(times=(1, 2), unit=PREVIOUS, amount=(1.0, 3.0), wait=(10, 4 * _H), chance=0.35, fresh=0.8),
        ),
        ages=(25, 84),
        silence=0.5,
    ),
    Plot(
        _crime("impersonated_police"),
        0.02,
        (
            Phase(times=(1, 4), unit=SAVINGS, amount=(0.15, 0.9), wait=(20, 1.5 * _D), call=0.6, screen=0.3,
                  memo=DEPOSIT,
                  finding=SCREEN_SHARE, found=0.2),
        ),
        bank=0.9,
        ages=(20, 84),
        silence=0.3,
    ),
    Plot(
        _crime("romance"),
        0.04,
        (
            Phase(times=(2, 6), amount=(13, 520), growth=(1.0, 1.8), wait=(8 * _H, 4 * _D), via=_MIXED, run=NO_RUN),
            Phase(times=(1, 3), unit=INCOME, amount=(0.2, 2.0), wait=(4 * _H, 3 * _D), chance=0.6, fresh=0.5),
        ),
        ages=(22, 65),
        silence=1.8,
    ),
    Plot(
        _crime("game_trade"),
        0.08,
        (
            Phase(amount=(15, 700), wait=(10, 6 * _H), via=(0.4, 0.05, 0.4, 0.15, 0.0), run=NO_RUN),
            Phase(times=(1, 4), unit=PREVIOUS, amount=(0.6, 2.5), growth=(0.8, 1.5), wait=(5, 3 * _H), chance=0.45,
                  memo=PLEDGE,
                  via=_CODES, screen=0.05),
        ),
        bank=0.25,
        ages=(18, 32),
        silence=1.5,
    ),
    Plot(
        _crime("account_takeover"),
        0.05,
        (
            Phase(times=(1, 2), amount=(1, 60), wait=(2, 30), role=STOLEN, via=(0.2, 0.2, 0.4, 0.2, 0.0),
                  optional=0.6, run=NO_RUN),
            Phase(times=(1, 4), unit=INCOME, amount=(0.08, 1.2), wait=(0.7, 25), role=STOLEN,
                  via=(0.55, 0.15, 0.15, 0.15, 0.0),
                  finding=NEW_DEVICE, found=0.35, fresh=0.8),
        ),
        stolen=True,
        night=True,
        ages=(18, 84),
        silence=0.2,
    ),
    Plot(
        _crime("card_testing"),
        0.04,
        (
            Phase(CROWD, times=(5, 18), amount=(0.2, 30), wait=(0.05, 1.5), via=(0.0, 1.0, 0.0, 0.0, 0.0),
                  role=STOLEN, run=NO_RUN),
            Phase(times=(1, 3), amount=(150, 3_000), wait=(2, 12 * _H), via=(0.0, 1.0, 0.0, 0.0, 0.0), role=STOLEN,
                  run=NO_RUN,
                  optional=0.6),
        ),
        bank=1.0,
        stolen=True,
        night=True,
        ages=(18, 84),
        silence=0.6,
    ),
    Plot(
        _crime("fake_merchant"),
        0.05,
        (Phase(CROWD, times=(2, 10), amount=(20, 800), wait=(20, 20 * _H), via=(0.0, 0.35, 0.65, 0.0, 0.0),
                  run=NO_RUN),),
        silence=1.6,
    ),
    Plot(
        _crime("fake_app"),
        0.03,
        (
            Phase(times=(1, 3), amount=(50, 2_000), wait=(1 * _H, 3 * _D), via=(0.6, 0.1, 0.2, 0.1, 0.0),
                  finding=UNKNOWN_APP, found=0.5),
            Phase(times=(1, 3), unit=PREVIOUS, amount=(1, 3), wait=(2 * _H, 2 * _D), chance=0.5,
                  finding=UNKNOWN_APP, found=0.5,
                  fresh=0.8),
        ),
    ),
    Plot(
        _crime("fake_qr"),
        0.05,
        (Phase(CROWD, times=(2, 7), amount=(3, 260), wait=(15, 8 * _H), via=(0.15, 0.0, 0.85, 0.0, 0.0), run=NO_RUN),),
        bank=0.2,
        silence=2.2,
    ),
    Plot(
        _crime("false_refund"),
        0.03,
        (
            Phase(times=(1, 3), amount=(150, 5_000), wait=(4, 60), call=0.45, screen=0.35, finding=SCREEN_SHARE,
                  found=0.2,
                  via=(0.75, 0.0, 0.2, 0.05, 0.0)),
        ),
    ),
    Plot(
        _crime("rights_agent"),
        0.03,
        (
            Phase(times=(1, 2), amount=(150, 2_500), wait=(3 * _H, 4 * _D), memo=FEE, via=(0.6, 0.0, 0.4, 0.0, 0.0),
                  run=NO_RUN),
            Phase(unit=PREVIOUS, amount=(0.5, 3), wait=(1 * _D, 6 * _D), chance=0.4, memo=FEE, fresh=0.8, run=NO_RUN),
        ),
        ages=(22, 55),
        silence=2.0,
    ),
    Plot(
        _crime("gambling"),
        0.05,
        (
            Phase(CROWD, times=(2, 7), amount=(50, 2_000), wait=(3, 3 * _H), role=PLAYER, run=SUM,
                  via=(0.6, 0.0, 0.35, 0.05, 0.0), memo=RECHARGE),
            Phase(times=(2, 8), amount=(50, 1_200), growth=(0.7, 1.6), wait=(1 * _H, 3 * _D), role=PLAYER, run=SUM,
                  via=(0.7, 0.0, 0.25, 0.05, 0.0), memo=RECHARGE),
        ),
        night=True,
        silence=2.8,
    ),
)  # fmt: skip

HONEST_PLOTS: Final = (
    Plot(NONE, 0.2, (  # something second-hand, haggled over: a deposit, then the rest
        Phase(HERO, STRANGER, amount=(20, 600), wait=(10, 10 * _H), memo=DEPOSIT),
        Phase(HERO, STRANGER, unit=PREVIOUS, amount=(1, 8), wait=(20, 1 * _D), chance=0.6, call=0.15),
    )),
    Plot(NONE, 0.1, (  # builders, paid as the work grows
        Phase(HERO, STRANGER, (2, 6), (8 * _H, 4 * _D), INCOME, (0.1, 1.2), (0.8, 1.6), memo=WORKS, call=0.06),
    ), bank=0.8, ages=(25, 70)),
    Plot(NONE, 0.1, (  # a loan, spent at once
        Phase(LENDER, HERO, (1, 2), (10, 1 * _D), INCOME, (0.5, 5), memo=LOAN),
        Phase(HERO, STRANGER, (1, 3), (5, 1 * _D), PREVIOUS, (0.2, 0.95), call=0.1),
    ), bank=0.85),
    Plot(NONE, 0.1, (  # a friend in need: out now, back later
        Phase(HERO, STRANGER, amount=(200, 20_000), wait=(5, 2 * _H), call=0.25, memo=REPAY),
        Phase(STRANGER, HERO, wait=(1 * _D, 9 * _D), unit=PREVIOUS, amount=(0.5, 1.0), memo=REPAY, chance=0.7),
    )),
    Plot(NONE, 0.14, (  # shared orders: many pay one, who pays the shop's owner
        Phase(CROWD, HERO, (4, 16), (1, 60), amount=(8, 150), memo=SHARED),
        Phase(HERO, STRANGER, unit=TOTAL, amount=(0.85, 1.0), wait=(5, 5 * _H), memo=GOODS),
    ), bank=0.2),
    Plot(NONE, 0.06, (  # family money passing through on its way to a school or a landlord
        Phase(STRANGER, HERO, amount=(2_000, 30_000), wait=(30, 10 * _H)),
        Phase(HERO, STRANGER, (1, 2), (4, 5 * _H), PREVIOUS, (0.4, 1.0), memo=TUITION),
    ), bank=0.8, profile=STUDENT),
    Plot(NONE, 0.1, (  # the bank's own help desk, with the screen shared
        Phase(HERO, STRANGER, (1, 2), (3, 60), amount=(50, 6_000), screen=0.45, call=0.6, finding=SCREEN_SHARE,
                  found=0.3),
    )),
    Plot(NONE, 0.08, (  # side work that really pays: small money out and in
        Phase(HERO, STRANGER, (1, 3), (30, 10 * _H), amount=(10, 200), memo=TASK, via=(0.7, 0.0, 0.3, 0.0, 0.0)),
        Phase(STRANGER, HERO, (1, 4), (1 * _H, 1 * _D), PREVIOUS, (1.05, 1.4), memo=REBATE),
    ), ages=(18, 35)),
    Plot(NONE, 0.06, (  # a down payment, a car, a hospital
        Phase(HERO, STRANGER, (1, 3), (5, 1 * _D), SAVINGS, (0.1, 0.8), call=0.12),
    ), bank=0.95, ages=(25, 84)),
    Plot(NONE, 0.06, (  # games and trading, late at night
        Phase(HERO, STRANGER, (2, 8), (1, 60), amount=(6, 600), growth=(0.8, 1.6), via=(0.4, 0.1, 0.3, 0.15, 0.05),
                  finding=UNKNOWN_APP,
              found=0.03),
    ), bank=0.2, ages=(18, 35), night=True),
    # Ties that have just begun: somebody new is paid again within minutes, hours or days.
    Plot(NONE, 0.4, (  # the parts of one price: a limit for one payment, or a second thought
        Phase(HERO, STRANGER, wait=(10, 10 * _H), amount=(100, 20_000)),
        Phase(HERO, STRANGER, (1, 3), (0.7, 15), PREVIOUS, (0.5, 1.0), (0.9, 1.1), call=0.05),
    ), bank=0.7),
    Plot(NONE, 0.25, (  # an evening at one stall, paid round by round
        Phase(HERO, STRANGER, (2, 5), (3, 50), amount=(6, 90), growth=(0.5, 1.7)),
    ), bank=0.05, ages=(18, 60)),
    Plot(NONE, 0.25, (  # a new colleague, flatmate or companion: bills are shared, both ways
        Phase(HERO, STRANGER, (2, 7), (20, 1 * _D), amount=(8, 400), growth=(0.4, 2.2), memo=SHARED),
        Phase(STRANGER, HERO, (1, 4), (20, 1 * _D), amount=(8, 400), growth=(0.4, 2.2), memo=SHARED),
        Phase(HERO, STRANGER, (1, 3), (3 * _H, 3 * _D), amount=(8, 400), optional=0.6, growth=(0.4, 2.2)),
    ), bank=0.15, ages=(18, 45)),
    Plot(NONE, 0.2, (  # a stall near the new place, paid by transfer, sometimes twice a day
        Phase(HERO, STRANGER, (3, 12), (4 * _H, 1.5 * _D), amount=(5, 45), growth=(0.7, 1.4)),
    ), bank=0.1),
    Plot(NONE, 0.12, (  # a class, a nursery: the place is kept, then fees, books, meals
        Phase(HERO, STRANGER, wait=(10, 10 * _H), amount=(50, 1_000), memo=PLEDGE),
        Phase(HERO, STRANGER, wait=(10, 1 * _D), amount=(500, 8_000), memo=TUITION, call=0.05),
        Phase(HERO, STRANGER, (1, 3), (20, 3 * _D), amount=(30, 900), growth=(0.5, 1.6)),
    ), bank=0.5, ages=(22, 55)),
    Plot(NONE, 0.08, (  # a new home: a deposit, the first rent, keys, fees, what is broken
        Phase(HERO, STRANGER, wait=(10, 10 * _H), amount=(100, 1_000), memo=DEPOSIT),
        Phase(HERO, STRANGER, (1, 2), (10, 1 * _D), INCOME, (0.2, 0.9), (0.5, 1.2), memo=RENT, call=0.08),
        Phase(HERO, STRANGER, (1, 3), (20, 2 * _D), amount=(30, 800), growth=(0.5, 1.6)),
    ), bank=0.7, ages=(18, 50)),
    Plot(NONE, 0.2, (  # a neighbour who buys for the whole house
        Phase(HERO, STRANGER, (2, 8), (20, 2 * _D), amount=(12, 260), growth=(0.5, 1.9), memo=SHARED),
    ), bank=0.1, ages=(22, 84)),
    Plot(NONE, 0.12, (  # a relative's new card: a small one to try it, then the sum
        Phase(HERO, STRANGER, wait=(5, 10 * _H), amount=(0.1, 20)),
        Phase(HERO, STRANGER, (1, 3), (1, 2 * _H), amount=(200, 15_000), growth=(0.5, 1.5), memo=LIVING, call=0.2),
        Phase(HERO, STRANGER, (1, 2), (6 * _H, 5 * _D), amount=(100, 5_000), optional=0.5, memo=LIVING),
    ), bank=0.7, ages=(20, 70)),
    Plot(NONE, 0.08, (  # help by the day: a nurse, a tutor, a driver, a crew of movers
        Phase(HERO, STRANGER, (3, 10), (10 * _H, 1.5 * _D), amount=(80, 500), growth=(0.85, 1.2), call=0.03),
    ), bank=0.4, ages=(25, 84)),
)  # fmt: skip
"""Honest stories: what a rule takes for a scam. The comment names each."""
