"""Who lives in the world: people with habits, shops, employers, their accounts and devices. Built once, by index.

Accounts are numbered: everybody's bank account, everybody's wallet, employers', then those that crews had opened.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.config import HORIZON_DAYS, WorldConfig
from lianfang.engines.world.tables import BANK, CITIES, EXCHANGE, INSTITUTION, NIGHT, PLATFORM, PROFILES, TRADES, WORKER
from lianfang.kernel.instant import DAY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FAVOURITE_SHOPS: Final = 12
FAVOURITE_PAYEES: Final = 6
CODE_SHOPS: Final = 12
LANDLORD: Final = 0
"""The place among a person's payees of the landlord of those who rent."""
RELATIVE: Final = 1
"""The place of somebody of the same household."""
CREW_ADDRESSES: Final = 508
HOUSEHOLD: Final = 2.4
DEVICES: Final = 3
"""A person's devices: the old phone, the new phone, a second device."""
_FOREVER: Final = 1 << 61
ORDINARY: Final = 0.95
"""Share of the payments a person makes that is everyday life and rent; most of the rest belongs to honest stories."""


class People(NamedTuple):
    """One entry a person, in every array."""

    profile: Ints
    age: Ints
    city: Ints
    household: Ints
    income: Floats
    """Yuan a month."""
    savings: Floats
    """Yuan that could be lost."""
    activity: Floats
    """Payments a day."""
    shops: Ints
    """(people, FAVOURITE_SHOPS) merchants."""
    payees: Ints
    """(people, FAVOURITE_PAYEES) people: the landlord, a relative, then friends."""
    payee_age_days: Ints
    """(people, FAVOURITE_PAYEES): days before the first day on which the payee was saved."""
    code_shops: Ints
    """(people, CODE_SHOPS) people nearby who collect with a personal code: the breakfast stall, the fruit cart."""
    wakes_at: Ints
    """Instant before which the account sleeps: dormant accounts that come back to life."""
    phone_at: Ints
    """Instant of the new phone."""
    second: Flags
    """Has a second device."""
    shares: Flags
    """Uses the household's device now and then."""
    rent_day: Ints
    """Day of the month, 0 for those who do not rent."""
    employer: Ints
    """Index among employers, -1 for none."""


class Accounts(NamedTuple):
    """One entry an account, in every array."""

    holder: Ints
    """The person, -1 for companies."""
    member: Ints
    opened: Ints
    """Instant."""


class World(NamedTuple):
    """Everything that does not change from day to day."""

    config: WorldConfig
    people: People
    accounts: Accounts
    member_kind: Ints
    has_wallet: Flags
    employers: int
    payday: Ints
    merchant_trade: Ints
    merchant_city: Ints
    merchant_ticket: Floats
    merchant_member: Ints
    """Who acquires the shop's payments."""
    exchange: int
    """The merchant that sells crypto: the last one."""
    homes: int
    mobile_pool: int
    device_since: Ints
    """Instants, DEVICES for each person."""

    def wallet(self, person: Ints, time: Ints) -> Ints:
        """The person's wallet where it is open at that time, else the bank account."""
        wallet = person + self.config.people
        usable: Ints = np.where(self.has_wallet[person] & (self.accounts.opened[wallet] <= time), wallet, person)
        return usable


def generator(config: WorldConfig, *purpose: int) -> np.random.Generator:
    """One stream for each purpose (and day): a change to one part of the world leaves the others as they were."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([config.seed, *purpose])))


def build_world(config: WorldConfig, opened_for_crews: int = 0) -> World:
    """The same config gives the same world. `opened_for_crews`: accounts opened in somebody's name for a crew's use."""
    rng = generator(config, 0)
    trade = _choose(rng, [t.share for t in TRADES], config.merchants)
    trade[-1] = len(TRADES)
    tickets = np.array([t.ticket for t in (*TRADES, EXCHANGE)])
    merchant_city = rng.integers(0, len(CITIES), config.merchants)
    people = _people(config, rng, merchant_city)
    kinds = member_kinds(config)
    has_wallet = (rng.random(config.people) < 0.78) & bool((kinds != BANK).any())
    return World(
        config=config,
        people=people,
        accounts=_accounts(config, rng, kinds, opened_for_crews),
        member_kind=kinds,
        has_wallet=has_wallet,
        employers=employers_of(config),
        payday=rng.choice([5, 10, 15, 25], employers_of(config)),
        merchant_trade=trade,
        merchant_city=merchant_city,
        merchant_ticket=tickets[trade] * np.exp(rng.normal(0, 0.45, config.merchants)),
        merchant_member=_some_member(rng, kinds, config.merchants, (0.25, 0.5, 0.25)),
        exchange=config.merchants - 1,
        homes=homes_of(config),
        mobile_pool=int(np.clip(config.people // 12, 64, 65_536)),
        device_since=_device_ages(config, rng, people),
    )


def member_kinds(config: WorldConfig) -> Ints:
    """BANK, INSTITUTION or PLATFORM for each member: banks first, the platform last."""
    count = config.members
    others = 0 if count < 3 else max(1, count // 4)
    platforms = 0 if count < 2 else 1
    return np.array([BANK] * (count - others - platforms) + [INSTITUTION] * others + [PLATFORM] * platforms, np.int64)


def _people(config: WorldConfig, rng: np.random.Generator, merchant_city: Ints) -> People:
    count = config.people
    profile = _choose(rng, [p.share for p in PROFILES], count)
    household = (np.arange(count) / HOUSEHOLD).astype(np.int64)
    city = rng.integers(0, len(CITIES), homes_of(config))[household]
    youngest, oldest = np.array([p.ages for p in PROFILES]).T
    age = rng.integers(youngest[profile], oldest[profile] + 1)
    income = np.array([p.income for p in PROFILES])[profile] * np.exp(rng.normal(0, 0.45, count))
    works = (profile == WORKER) | (profile == NIGHT)
    span = (config.days + HORIZON_DAYS) * DAY
    return People(
        profile=profile,
        age=age,
        city=city,
        household=household,
        income=income,
        savings=income * np.exp(rng.normal(0.4 + (age - 20) / 40, 0.9)),
        activity=ORDINARY * config.payments_per_person * rng.gamma(1.4, 1 / 1.4, count),
        shops=_shops_near(rng, city, merchant_city),
        payees=_payees(rng, count),
        payee_age_days=rng.integers(5, 1_500, (count, FAVOURITE_PAYEES)),
        code_shops=_code_shops(rng, city),
        wakes_at=np.where(
            rng.random(count) < 0.08, config.first_day + (rng.random(count) * 2 * span).astype(np.int64), 0
        ),
        phone_at=config.first_day + ((rng.random(count) * 900 - 450) * DAY).astype(np.int64),
        second=rng.random(count) < 0.2,
        shares=rng.random(count) < 0.12,
        rent_day=np.where((rng.random(count) < 0.3) & works, rng.integers(1, 29, count), 0),
        employer=np.where(works, rng.integers(0, employers_of(config), count), -1),
    )


def _accounts(config: WorldConfig, rng: np.random.Generator, kinds: Ints, opened: int) -> Accounts:
    count, employers = config.people, employers_of(config)
    at = config.first_day - rng.integers(60, 3_000, 2 * count + employers + opened) * DAY
    span = (config.days + HORIZON_DAYS) * DAY
    fresh = rng.random(count) < 0.04  # wallets opened while the world runs
    at[count : 2 * count][fresh] = config.first_day + (rng.random(int(fresh.sum())) * span).astype(np.int64)
    names = rng.integers(0, count, opened)
    return Accounts(
        holder=np.concatenate([np.arange(count), np.arange(count), np.full(employers, -1), names]),
        member=np.concatenate(
            [
                _some_member(rng, kinds, count, (1.0, 0.0, 0.0)),
                _some_member(rng, kinds, count, (0.0, 0.5, 0.5)),
                _some_member(rng, kinds, employers, (1.0, 0.0, 0.0)),
                _some_member(rng, kinds, opened, (0.5, 0.3, 0.2)),
            ]
        ),
        opened=at,
    )


def _some_member(rng: np.random.Generator, kinds: Ints, count: int, shares: tuple[float, float, float]) -> Ints:
    """Members by kind; among members of one kind the first are the largest. Kinds that are missing leave it to all."""
    weight = np.array(shares)[kinds]
    for kind in (BANK, INSTITUTION, PLATFORM):
        alike = np.flatnonzero(kinds == kind)
        weight[alike] *= (
            (1 / (1 + np.arange(len(alike)))) / (1 / (1 + np.arange(len(alike)))).sum() if len(alike) else 1
        )
    return _choose(rng, weight.tolist() if weight.sum() else [1.0] * len(kinds), count)


def _shops_near(rng: np.random.Generator, city: Ints, merchant_city: Ints) -> Ints:
    """Favourites: shops of one's own city, where it has any; the exchange is nobody's."""
    return _near(rng, city, merchant_city[:-1], np.arange(len(merchant_city) - 1), FAVOURITE_SHOPS)


def _code_shops(rng: np.random.Generator, city: Ints) -> Ints:
    sellers = np.flatnonzero(rng.random(len(city)) < 0.016)
    if not len(sellers):
        sellers = np.arange(1)
    return _near(rng, city, city[sellers], sellers, CODE_SHOPS)


def _near(rng: np.random.Generator, city: Ints, other_city: Ints, others: Ints, picks: int) -> Ints:
    by_city = np.argsort(other_city, kind="stable")
    starts = np.searchsorted(other_city[by_city], np.arange(len(CITIES) + 1))
    sizes = np.diff(starts)
    here = np.where(sizes[city] > 0, sizes[city], len(others))[:, None]
    first = np.where(sizes[city] > 0, starts[city], 0)[:, None]
    chosen: Ints = others[by_city[first + (rng.random((len(city), picks)) * here).astype(np.int64)]]
    return chosen


def _payees(rng: np.random.Generator, count: int) -> Ints:
    """The landlord is one of few, the relative a neighbour by number, the rest anybody but oneself."""
    chosen: Ints = (np.arange(count)[:, None] + rng.integers(1, count, (count, FAVOURITE_PAYEES))) % count
    landlords = rng.choice(count, max(count // 60, 1), replace=False)
    chosen[:, LANDLORD] = landlords[rng.integers(0, len(landlords), count)]
    chosen[:, RELATIVE] = np.where(np.arange(count) % 2 == 0, np.arange(count) + 1, np.arange(count) - 1) % count
    own = chosen == np.arange(count)[:, None]
    chosen[own] = (chosen[own] + 1) % count
    return chosen


def _device_ages(config: WorldConfig, rng: np.random.Generator, people: People) -> Ints:
    since = config.first_day - rng.integers(1, 900 * 86_400, (config.people, DEVICES)) * 1_000_000
    since[:, 0] = np.minimum(since[:, 0], people.phone_at - 100 * DAY)
    since[:, 1] = people.phone_at
    flat: Ints = since.reshape(-1)
    return flat


def employers_of(config: WorldConfig) -> int:
    """How many employers a world of that size has. The last tenth lend money."""
    return config.people // 150 + 10


def homes_of(config: WorldConfig) -> int:
    """How many households."""
    return int(config.people / HOUSEHOLD) + 1


def _choose(rng: np.random.Generator, weights: list[float], count: int) -> Ints:
    edges = np.cumsum(weights)
    chosen: Ints = np.searchsorted(edges / edges[-1], rng.random(count), side="right").astype(np.int64)
    return np.minimum(chosen, len(weights) - 1)
