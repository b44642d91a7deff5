"""An ordinary day: what people pay because they live. Whole days at once, without a loop over payments."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.calendar import Today, today
from lianfang.engines.world.config import LOCAL_OFFSET
from lianfang.engines.world.moves import NONE, Moves, blank
from lianfang.engines.world.people import FAVOURITE_SHOPS, LANDLORD, Ints, World, generator
from lianfang.engines.world.sending import sending
from lianfang.engines.world.sessions import dress_owner
from lianfang.engines.world.tables import (
    API,
    ATM,
    BIOMETRIC,
    CARD,
    CITIES,
    COUNTER,
    CRYPTO,
    MOBILE,
    PIN,
    POS,
    PROFILES,
    QR,
    RENT,
    SALARY,
    TOKEN,
    TOPUP,
    TRANSFER,
    WEB,
    WITHDRAWAL,
)
from lianfang.kernel.instant import DAY, HOUR, MINUTE, moment

_DRAWS: Final = 4_096
"""Resolution of the tables a uniform draw looks up: cheaper than a search for each payment."""
_ASLEEP: Final = 0.02
"""Activity of an account that sleeps."""


def ordinary_day(world: World, day: int) -> Moves:
    """All genuine moves of one day, unsorted: everyday payments, and salaries and rents where they fall due."""
    rng = generator(world.config, 1, day)
    midnight = world.config.first_day + day * DAY
    date = moment(midnight + LOCAL_OFFSET).date()
    kind = today(date)
    away = _away(world, day // 7, kind)
    parts = [_everyday(world, midnight, kind, away, rng), _rents(world, midnight, date.day, rng)]
    if not kind.payroll_late:
        parts.append(_salaries(world, midnight, date.day, rng))
    return np.concatenate(parts)


def _away(world: World, week: int, kind: Today) -> NDArray[np.int64]:
    """The city of those who travel, NONE for those at home; a journey lasts a week."""
    rng = generator(world.config, 2, week)
    draw, city = rng.random(world.config.people), rng.integers(0, len(CITIES), world.config.people)
    return np.where(draw < kind.travelling, city, NONE)


def _everyday(world: World, midnight: int, kind: Today, away: Ints, rng: np.random.Generator) -> Moves:
    people = world.people
    awake = np.where(people.wakes_at > midnight, _ASLEEP, 1.0)
    counts = rng.poisson(people.activity * awake * kind.activity)
    payer = np.repeat(np.arange(world.config.people), counts)
    moves = blank(len(payer))
    profile = people.profile[payer]
    minutes = _minutes(kind.free)[profile, rng.integers(0, _DRAWS, len(payer))]
    moves["time"] = midnight + minutes * MINUTE + rng.integers(0, MINUTE, len(payer))
    moves["kind"] = _kinds()[profile, rng.integers(0, _DRAWS, len(payer))]
    moves["payer"] = payer
    moves["city"] = np.where(away[payer] == NONE, people.city[payer], away[payer])
    _shopping(world, moves, kind, rng)
    sending(world, moves, np.flatnonzero(moves["kind"] == TRANSFER), kind, rng)
    _cash_and_rest(world, moves, rng)
    channel = moves["channel"]
    moves["authentication"] = np.where((channel == POS) | (channel == ATM), PIN, NONE)
    dress_owner(world, moves, np.flatnonzero((channel == MOBILE) | (channel == WEB)), rng)
    return moves


def _shopping(world: World, moves: Moves, today_is: Today, rng: np.random.Generator) -> None:
    at = np.flatnonzero((moves["kind"] == CARD) | (moves["kind"] == QR))
    payer = moves["payer"][at]
    slot = np.minimum((rng.exponential(3.0, len(at))).astype(np.int64), FAVOURITE_SHOPS - 1)
    travelling = moves["city"][at] != world.people.city[payer]
    usual = rng.random(len(at)) < np.where(travelling, 0.15, 0.72)
    merchant = np.where(usual, world.people.shops[payer, slot], rng.integers(0, world.config.merchants - 1, len(at)))
    moves["merchant"][at] = merchant
    moves["terminal"][at] = rng.integers(0, 3, len(at))
    affluence = np.sqrt(world.people.income[payer] / 7_000.0)
    yuan = world.merchant_ticket[merchant] * affluence * np.exp(rng.normal(0, 0.95, len(at)))
    card = moves["kind"][at] == CARD
    online = rng.random(len(at))
    channel = np.where(card & (online < 0.55), POS, np.where(card & (online < 0.78), WEB, MOBILE))
    yuan = np.where(channel == POS, yuan, yuan * today_is.shopping)
    cents = np.maximum(np.rint(yuan * 100), 10)
    round_price = rng.random(len(at)) < 0.4
    moves["amount"][at] = np.where(round_price, np.maximum(cents // 100 * 100, 100), cents)
    moves["channel"][at] = channel
    here = (channel == POS) | ~card
    moves["city"][at] = np.where(here, world.merchant_city[merchant], moves["city"][at])
    wallet = ~card & (rng.random(len(at)) < 0.75)
    moves["payer"][at] = np.where(wallet, world.wallet(payer, moves["time"][at]), payer)


def _cash_and_rest(world: World, moves: Moves, rng: np.random.Generator) -> None:
    kind = moves["kind"]
    cash = np.flatnonzero(kind == WITHDRAWAL)
    moves["amount"][cash] = np.minimum(1 + rng.poisson(6, len(cash)) * rng.integers(1, 6, len(cash)), 200) * 10_000
    moves["channel"][cash] = np.where(rng.random(len(cash)) < 0.93, ATM, COUNTER)
    topup = np.flatnonzero(kind == TOPUP)
    payer, time = moves["payer"][topup], moves["time"][topup]
    moves["payee"][topup] = world.wallet(payer, time)
    yuan = np.exp(rng.normal(4.9, 1.3, len(topup)))
    step = np.where(yuan >= 1_000, 500, np.where(yuan >= 50, 50, 10))
    moves["amount"][topup] = np.maximum(yuan // step * step, 10).astype(np.int64) * 100
    moves["channel"][topup] = MOBILE
    crypto = np.flatnonzero(kind == CRYPTO)
    moves["merchant"][crypto] = world.exchange
    moves["terminal"][crypto] = 0
    yuan = world.merchant_ticket[world.exchange] * np.exp(rng.normal(0, 1.5, len(crypto)))
    moves["amount"][crypto] = np.maximum(np.rint(yuan), 10).astype(np.int64) * 100
    moves["channel"][crypto] = MOBILE


def _salaries(world: World, midnight: int, day_of_month: int, rng: np.random.Generator) -> Moves:
    employer = world.people.employer
    payee = np.flatnonzero((employer >= 0) & (world.payday[employer] == day_of_month))
    moves = blank(len(payee))
    moves["payer"] = 2 * world.config.people + employer[payee]
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
    moves["payee"] = world.people.payees[payer, LANDLORD]
    moves["time"] = midnight + 10 * HOUR + rng.integers(0, 11 * HOUR, len(payer))
    moves["kind"], moves["channel"], moves["authentication"], moves["memo"] = TRANSFER, MOBILE, BIOMETRIC, RENT
    moves["amount"] = np.maximum(world.people.income[payer] * 0.28 // 100, 5).astype(np.int64) * 10_000
    moves["payee_added"] = world.config.first_day - world.people.payee_age_days[payer, LANDLORD] * DAY
    dress_owner(world, moves, np.arange(len(payer)), rng)
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
