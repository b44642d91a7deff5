"""An ordinary day: what people pay because they live. Whole days at once, without a loop over payments."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.config import LOCAL_OFFSET
from lianfang.engines.world.moves import NONE, Moves, blank
from lianfang.engines.world.people import FAVOURITE_PAYEES, FAVOURITE_SHOPS, MOBILE_POOL, World
from lianfang.engines.world.tables import (
    API,
    ATM,
    BIOMETRIC,
    CARD,
    COUNTER,
    CRYPTO,
    LIVING,
    MOBILE,
    NO_AUTH,
    OTP,
    PASSWORD,
    PIN,
    POS,
    PROFILES,
    QR,
    RENT,
    REPAY,
    SALARY,
    TOKEN,
    TOPUP,
    TRANSFER,
    WEB,
    WITHDRAWAL,
)
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND, moment

_DRAWS: Final = 4_096
"""Resolution of the tables a uniform draw looks up: cheaper than a search for each payment."""
_SATURDAY: Final = 5
_LARGE: Final = 200_000
"""Minor units from which a transfer asks for more than a password."""


def ordinary_day(world: World, day: int, rng: np.random.Generator) -> Moves:
    """All genuine moves of one day, unsorted: everyday payments, and salaries and rents where they fall due."""
    midnight = world.config.first_day + day * DAY
    date = moment(midnight + LOCAL_OFFSET)
    return np.concatenate(
        [
            _everyday(world, midnight, date.weekday() >= _SATURDAY, rng),
            _salaries(world, midnight, date.day, rng),
            _rents(world, midnight, date.day, rng),
        ]
    )


def _everyday(world: World, midnight: int, weekend: bool, rng: np.random.Generator) -> Moves:
    people = world.people
    counts = rng.poisson(people.activity * (1.15 if weekend else 0.94))
    payer = np.repeat(np.arange(world.config.people), counts)
    moves = blank(len(payer))
    moves["payer"] = payer
    profile = people.profile[payer]
    minutes = _minutes(weekend)[profile, rng.integers(0, _DRAWS, len(payer))]
    moves["time"] = midnight + minutes * MINUTE + rng.integers(0, MINUTE, len(payer))
    moves["kind"] = _kinds()[profile, rng.integers(0, _DRAWS, len(payer))]
    moves["city"] = people.city[payer]
    _shopping(world, moves, rng)
    _sending(world, moves, rng)
    _cash_and_rest(world, moves, rng)
    _session(world, moves, minutes, rng)
    return moves


def _shopping(world: World, moves: Moves, rng: np.random.Generator) -> None:
    at = np.flatnonzero((moves["kind"] == CARD) | (moves["kind"] == QR))
    payer = moves["payer"][at]
    slot = np.minimum((rng.exponential(3.0, len(at))).astype(np.int64), FAVOURITE_SHOPS - 1)
    usual = rng.random(len(at)) < 0.88
    merchant = np.where(usual, world.people.shops[payer, slot], rng.integers(0, world.config.merchants - 1, len(at)))
    moves["merchant"][at] = merchant
    moves["terminal"][at] = rng.integers(0, 3, len(at))
    affluence = np.sqrt(world.people.income[payer] / 7_000.0)
    yuan = world.merchant_ticket[merchant] * affluence * np.exp(rng.normal(0, 0.55, len(at)))
    cents = np.maximum(np.rint(yuan * 100), 50)
    round_price = rng.random(len(at)) < 0.35
    moves["amount"][at] = np.where(round_price, np.maximum(cents // 100 * 100, 100), cents)
    card = moves["kind"][at] == CARD
    draw = rng.random(len(at))
    moves["channel"][at] = np.where(card & (draw < 0.62), POS, np.where(card & (draw < 0.8), WEB, MOBILE))
    here = moves["channel"][at] == POS
    moves["city"][at] = np.where(here | ~card, world.merchant_city[merchant], moves["city"][at])


def _sending(world: World, moves: Moves, rng: np.random.Generator) -> None:
    at = np.flatnonzero(moves["kind"] == TRANSFER)
    payer, time = moves["payer"][at], moves["time"][at]
    slot = rng.integers(0, FAVOURITE_PAYEES, len(at))
    usual = rng.random(len(at)) < 0.9
    stranger = (payer + rng.integers(1, world.config.people, len(at))) % world.config.people
    moves["payee"][at] = np.where(usual, world.people.payees[payer, slot], stranger)
    saved = world.config.first_day - world.people.payee_age_days[payer, slot] * DAY
    just_now = time - rng.integers(20 * SECOND, 40 * MINUTE, len(at))
    moves["payee_added"][at] = np.where(usual, saved, just_now)
    yuan = world.people.income[payer] * np.exp(rng.normal(-3.4, 1.1, len(at)))
    step = np.where(yuan > 1_000, 100, np.where(yuan > 50, 10, 1))
    moves["amount"][at] = np.maximum(yuan // step * step, 1).astype(np.int64) * 100
    draw = rng.random(len(at))
    moves["channel"][at] = np.where(draw < 0.9, MOBILE, np.where(draw < 0.98, WEB, COUNTER))
    moves["memo"][at] = np.where(draw < 0.08, REPAY, np.where(draw < 0.16, LIVING, NONE))


def _cash_and_rest(world: World, moves: Moves, rng: np.random.Generator) -> None:
    kind = moves["kind"]
    cash = np.flatnonzero(kind == WITHDRAWAL)
    moves["amount"][cash] = np.minimum(1 + rng.poisson(6, len(cash)) * rng.integers(1, 4, len(cash)), 200) * 10_000
    moves["channel"][cash] = np.where(rng.random(len(cash)) < 0.93, ATM, COUNTER)
    topup = np.flatnonzero(kind == TOPUP)
    moves["amount"][topup] = rng.choice([3_000, 5_000, 10_000, 20_000, 50_000], len(topup))
    moves["channel"][topup] = MOBILE
    crypto = np.flatnonzero(kind == CRYPTO)
    moves["merchant"][crypto] = world.exchange
    moves["terminal"][crypto] = 0
    yuan = world.merchant_ticket[world.exchange] * np.exp(rng.normal(0, 0.9, len(crypto)))
    moves["amount"][crypto] = np.maximum(np.rint(yuan), 10).astype(np.int64) * 100
    moves["channel"][crypto] = MOBILE


def _session(world: World, moves: Moves, minutes: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Device, network and authentication of those who pay from a device; a PIN for those at a machine."""
    channel, count = moves["channel"], len(moves)
    moves["authentication"] = np.where((channel == POS) | (channel == ATM), PIN, NONE)
    at = np.flatnonzero((channel == MOBILE) | (channel == WEB))
    own_session(world, moves, at, rng)
    out = (minutes[at] >= 8 * 60) & (minutes[at] < 19 * 60)
    home = rng.random(len(at)) < np.where(out, 0.25, 0.75)
    payer = moves["payer"][at]
    pool = world.homes + (payer * 31 + rng.integers(0, 8, len(at))) % MOBILE_POOL
    moves["ip"][at] = np.where(home, world.people.household[payer], pool)
    large = moves["amount"][at] >= _LARGE
    draw = rng.random(len(at))
    asked = np.where(draw < 0.55, BIOMETRIC, np.where(draw < 0.8, OTP, PASSWORD))
    light = np.where(draw < 0.5, BIOMETRIC, np.where(draw < 0.8, PASSWORD, NO_AUTH))
    moves["authentication"][at] = np.where(large, asked, light)
    # The false friends of every rule: people talk while they pay, mistype, show a screen to their children.
    moves["failed"] = np.where(rng.random(count) < 0.02, rng.integers(1, 3, count), 0)
    moves["call"][at] = rng.random(len(at)) < 0.012
    moves["screen"][at] = rng.random(len(at)) < 0.0008
    moves["vpn"][at] = rng.random(len(at)) < 0.01


def own_session(world: World, moves: Moves, at: NDArray[np.int64], rng: np.random.Generator) -> None:
    """The payer's own device, at home, in a session of some minutes, for the rows `at`."""
    payer = moves["payer"][at]
    second = world.people.two_devices[payer] & (rng.random(len(at)) < 0.3)
    moves["device"][at] = 2 * payer + second
    moves["ip"][at] = world.people.household[payer]
    moves["started"][at] = moves["time"][at] - rng.integers(8 * SECOND, 6 * MINUTE, len(at))


def _salaries(world: World, midnight: int, day_of_month: int, rng: np.random.Generator) -> Moves:
    employer = world.people.employer
    payee = np.flatnonzero((employer >= 0) & (world.payday[employer] == day_of_month))
    moves = blank(len(payee))
    moves["payer"] = world.config.people + employer[payee]
    moves["payee"] = payee
    moves["time"] = midnight + 9 * HOUR + rng.integers(0, 2 * HOUR, len(payee))
    moves["kind"], moves["channel"], moves["authentication"], moves["memo"] = TRANSFER, API, TOKEN, SALARY
    moves["amount"] = np.rint(world.people.income[payee] * 100)
    moves["payee_added"] = world.config.first_day - 400 * DAY
    return moves


def _rents(world: World, midnight: int, day_of_month: int, rng: np.random.Generator) -> Moves:
    payer = np.flatnonzero((world.people.rent_day == day_of_month) & (day_of_month > 0))
    moves = blank(len(payer))
    moves["payer"] = payer
    moves["payee"] = world.people.payees[payer, 0]
    moves["time"] = midnight + 10 * HOUR + rng.integers(0, 11 * HOUR, len(payer))
    moves["kind"], moves["channel"], moves["authentication"], moves["memo"] = TRANSFER, MOBILE, BIOMETRIC, RENT
    moves["amount"] = np.maximum(world.people.income[payer] * 0.28 // 100, 5).astype(np.int64) * 10_000
    moves["payee_added"] = world.config.first_day - world.people.payee_age_days[payer, 0] * DAY
    moves["city"] = world.people.city[payer]
    own_session(world, moves, np.arange(len(payer)), rng)
    return moves


def _minutes(weekend: bool) -> NDArray[np.int64]:
    """(profiles, _DRAWS) minutes of the day, each as often as its hour weighs."""
    draws = (np.arange(_DRAWS) + 0.5) / _DRAWS
    rows = []
    for profile in PROFILES:
        weights = np.repeat(profile.hours_weekend if weekend else profile.hours_week, 60).astype(np.float64)
        rows.append(np.searchsorted(np.cumsum(weights) / weights.sum(), draws, side="right"))
    return np.minimum(np.array(rows, np.int64), 1_439)


def _kinds() -> NDArray[np.int64]:
    """(profiles, _DRAWS) kinds in the profile's mix."""
    draws = (np.arange(_DRAWS) + 0.5) / _DRAWS
    rows = [np.searchsorted(np.cumsum(p.kinds) / sum(p.kinds), draws, side="right") for p in PROFILES]
    return np.minimum(np.array(rows, np.int64), len(PROFILES[0].kinds) - 1)
