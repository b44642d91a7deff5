"""Transfers between people: friends, relatives, the stall with its own code, strangers, oneself; red packets; large sums."""

from __future__ import annotations

from typing import Final

import numpy as np

from lianfang.engines.world.calendar import Today
from lianfang.engines.world.moves import NONE, Moves
from lianfang.engines.world.people import CODE_SHOPS, FAVOURITE_PAYEES, RELATIVE, Flags, Ints, World
from lianfang.engines.world.tables import COUNTER, GOODS, LIVING, MOBILE, PACKET, PLEDGE, REPAY, SHARED, WEB
from lianfang.kernel.instant import DAY

FRIEND_DAYS: Final = 14
"""How long one friend is the closest. Ours, plausible."""
STALL_DAYS: Final = 10
STALLS_AT_ONCE: Final = 3
_LUCKY: Final = np.array([1.0, 5.2, 6.6, 8.8, 10, 13.14, 18.8, 20, 52, 66, 66.6, 88, 88.8, 100, 168, 188, 200])
_FRIEND, _STALL, _STRANGER, _SELF, _LARGE = range(5)
_SHARES: Final = np.cumsum([0.36, 0.26, 0.285, 0.07, 0.025])


def sending(world: World, moves: Moves, at: Ints, today: Today, rng: np.random.Generator) -> None:
    """Fills the rows `at`, which are transfers of their payers, in all but the session."""
    people, count = world.people, len(at)
    payer, time = moves["payer"][at].astype(np.int64), moves["time"][at]
    sort = np.minimum(np.searchsorted(_SHARES, rng.random(count), side="right"), _LARGE)
    packet = rng.random(count) < today.red_packets
    sort = np.where(packet & (sort > _STRANGER), _FRIEND, sort)
    day = (time - world.config.first_day) // DAY
    slot = _friend(payer, day, rng)
    payee = people.payees[payer, slot]
    payee = np.where(sort == _STALL, people.code_shops[payer, _stall(payer, day, rng)], payee)
    unknown = (sort == _STRANGER) | ((sort == _LARGE) & (rng.random(count) < 0.7))
    payee = np.where(unknown, (payer + rng.integers(1, world.config.people, count)) % world.config.people, payee)
    payee = np.where(packet & (sort == _STALL), people.payees[payer, slot], payee)
    payee = np.where(sort == _SELF, payer, payee)
    from_bank = rng.random(count) < np.where(sort == _LARGE, 0.95, np.where(packet | (sort == _STALL), 0.05, 0.55))
    to_bank = np.where(sort == _SELF, ~from_bank, rng.random(count) < np.where(from_bank, 0.85, 0.05))
    moves["payer"][at] = np.where(from_bank, payer, world.wallet(payer, time))
    moves["payee"][at] = np.where(to_bank, payee, world.wallet(payee, time))
    known = ~unknown & from_bank & (sort != _STALL)
    saved = world.config.first_day - people.payee_age_days[payer, slot] * DAY
    moves["payee_added"][at] = np.where(known, saved, NONE)
    moves["amount"][at] = _amounts(world, payer, sort, packet, rng)
    draw = rng.random(count)
    bank_channel = np.where(draw < 0.9, MOBILE, np.where(draw < 0.98, WEB, COUNTER))
    moves["channel"][at] = np.where(from_bank, bank_channel, MOBILE)
    word = rng.integers(0, 5, count)
    said = np.choose(word, [REPAY, LIVING, GOODS, SHARED, PLEDGE])
    moves["memo"][at] = np.where(packet, PACKET, np.where(draw < 0.22, said, NONE))


def _friend(payer: Ints, day: Ints, rng: np.random.Generator) -> Ints:
    """Places among the payees: half the time whoever is close in these weeks, else any relative or friend."""
    friends = FAVOURITE_PAYEES - RELATIVE
    close = (payer * 7 + (day + payer) // FRIEND_DAYS) % friends
    return RELATIVE + np.where(rng.random(len(payer)) < 0.5, close, rng.integers(0, friends, len(payer)))


def _stall(payer: Ints, day: Ints, rng: np.random.Generator) -> Ints:
    """Places among the stalls: three in use at a time; every STALL_DAYS one is left for the next."""
    return ((day + payer) // STALL_DAYS + rng.integers(0, STALLS_AT_ONCE, len(payer))) % CODE_SHOPS


def _amounts(world: World, payer: Ints, sort: Ints, packet: Flags, rng: np.random.Generator) -> Ints:
    count, income = len(payer), world.people.income[payer]
    yuan = income * np.exp(rng.normal(-2.95, 1.6, count))
    yuan = np.where(sort == _STALL, np.exp(rng.normal(3.4, 0.8, count)), yuan)
    yuan = np.where(sort == _LARGE, income * np.exp(rng.normal(0.7, 1.0, count)), yuan)
    step = np.where(yuan > 1_000, 100, np.where(yuan > 50, 10, 1))
    exact = rng.random(count) < 0.3
    minor = np.where(exact, np.rint(yuan * 100), np.maximum(yuan // step * step, 1) * 100)
    lucky = _LUCKY[rng.integers(0, len(_LUCKY), count)] * 100
    lucky = np.where(rng.random(count) < 0.5, np.rint(np.exp(rng.normal(5.6, 1.4, count))), np.rint(lucky))
    chosen: Ints = np.maximum(np.where(packet, np.minimum(lucky, 20_000), minor), 1).astype(np.int64)
    return chosen
