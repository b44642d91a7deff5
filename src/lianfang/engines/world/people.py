"""Who lives in the world: people with habits, shops, employers, and the crews that prey on them. Built once, by index.

Parties are numbered people first, then employers. Networks: homes, then the mobile pool, then the crews' addresses.
Every identifier is made up: phones in a block that no operator has (+86 100), card and account numbers that begin
with 9 (no scheme's), addresses from private ranges (RFC 1918, RFC 6598) and documentation ranges (RFC 5737).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.config import WorldConfig
from lianfang.engines.world.tables import (
    CITIES,
    EXCHANGE,
    GIVEN,
    PROFILES,
    SURNAMES,
    TRADES,
)

Ints = NDArray[np.int64]
Words = NDArray[np.object_]

FAVOURITE_SHOPS: Final = 12
FAVOURITE_PAYEES: Final = 6
MOBILE_POOL: Final = 4_096
CREW_ADDRESSES: Final = 508
_SCATTER: Final = 7_368_787
"""Prime to 10: spreads consecutive numbers over ten digits without collisions."""


class People(NamedTuple):
    """One entry a person, in every array."""

    member: Ints
    profile: Ints
    city: Ints
    household: Ints
    income: NDArray[np.float64]
    """Yuan a month."""
    activity: NDArray[np.float64]
    """Payments a day."""
    shops: Ints
    """(people, FAVOURITE_SHOPS) merchants."""
    payees: Ints
    """(people, FAVOURITE_PAYEES) people; the first is the landlord of those who rent."""
    payee_age_days: Ints
    """(people, FAVOURITE_PAYEES): days before the first day on which the payee was saved."""
    two_devices: NDArray[np.bool_]
    rent_day: Ints
    """Day of the month, 0 for those who do not rent."""
    employer: Ints
    """Index among employers, -1 for none."""


class World(NamedTuple):
    """Everything that does not change from day to day."""

    config: WorldConfig
    people: People
    employers: int
    payday: Ints
    merchant_trade: Ints
    merchant_city: Ints
    merchant_ticket: NDArray[np.float64]
    exchange: int
    """The merchant that sells crypto: the last one."""
    homes: int
    crew_devices: int
    words: dict[str, Words]
    """Text by table: `account`, `name`, `phone`, `card`, `member`, `device`, `ip`, `wifi`, `merchant`, ..."""
    device_since: Ints
    """Instants, one a device of a person."""


def build_world(config: WorldConfig) -> World:
    """The same config gives the same world."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([config.seed, 0])))
    trade = _choose(rng, [t.share for t in TRADES], config.merchants)
    trade[-1] = len(TRADES)
    tickets = np.array([t.ticket for t in (*TRADES, EXCHANGE)])
    merchant_city = rng.integers(0, len(CITIES), config.merchants)
    people = _people(config, rng, merchant_city)
    words = _words(config, rng, people, _shop_names(rng, trade, merchant_city))
    return World(
        config=config,
        people=people,
        employers=employers_of(config),
        payday=rng.choice([5, 10, 15, 25], employers_of(config)),
        merchant_trade=trade,
        merchant_city=merchant_city,
        merchant_ticket=tickets[trade] * np.exp(rng.normal(0, 0.35, config.merchants)),
        exchange=config.merchants - 1,
        homes=homes_of(config),
        crew_devices=crew_devices_of(config),
        words=words,
        device_since=config.first_day - rng.integers(1, 900 * 86_400, 2 * config.people) * 1_000_000,
    )


def _people(config: WorldConfig, rng: np.random.Generator, merchant_city: Ints) -> People:
    count = config.people
    profile = _choose(rng, [p.share for p in PROFILES], count)
    city = rng.integers(0, len(CITIES), count)
    income = np.array([p.income for p in PROFILES])[profile] * np.exp(rng.normal(0, 0.45, count))
    works = (profile == 0) | (profile == 2)
    return People(
        member=_choose(rng, [1 / (1 + i) for i in range(config.members)], count),
        profile=profile,
        city=city,
        household=rng.integers(0, homes_of(config), count),
        income=income,
        activity=config.payments_per_person * rng.gamma(2.0, 0.5, count),
        shops=_shops_near(rng, city, merchant_city),
        payees=_others(rng, count),
        payee_age_days=rng.integers(20, 1_500, (count, FAVOURITE_PAYEES)),
        two_devices=rng.random(count) < 0.2,
        rent_day=np.where((rng.random(count) < 0.3) & works, rng.integers(1, 6, count), 0),
        employer=np.where(works, rng.integers(0, employers_of(config), count), -1),
    )


def _shops_near(rng: np.random.Generator, city: Ints, merchant_city: Ints) -> Ints:
    """Favourites: shops of one's own city, where it has any; the exchange is nobody's."""
    shops = len(merchant_city) - 1
    by_city = np.argsort(merchant_city[:shops], kind="stable")
    starts = np.searchsorted(merchant_city[by_city], np.arange(len(CITIES) + 1))
    sizes = np.diff(starts)
    here = np.where(sizes[city] > 0, sizes[city], shops)[:, None]
    first = np.where(sizes[city] > 0, starts[city], 0)[:, None]
    picks = (rng.random((len(city), FAVOURITE_SHOPS)) * here).astype(np.int64)
    chosen: Ints = by_city[first + picks]
    return chosen


def _others(rng: np.random.Generator, count: int) -> Ints:
    """Payees: anybody but oneself."""
    step = rng.integers(1, count, (count, FAVOURITE_PAYEES))
    chosen: Ints = (np.arange(count)[:, None] + step) % count
    return chosen


def _words(config: WorldConfig, rng: np.random.Generator, people: People, shops: list[str]) -> dict[str, Words]:
    count = config.people
    member = people.member.tolist()
    employers, homes = employers_of(config), homes_of(config)
    scattered = [(i * _SCATTER + 1_234_567) % 10**10 for i in range(count + employers)]
    return {
        "account": _array(f"9{m:02d}{s:010d}" for m, s in zip(member + [0] * employers, scattered, strict=True)),
        "name": _array([*_names(rng, count), *(f"{a}{b}有限公司" for a, b in _pairs(rng, employers))]),
        "phone": _array(f"+86100{s % 10**8:08d}" for s in range(31_415_926, 31_415_926 + count)),
        "card": _array(f"9{m:02d}8{s:010d}00" for m, s in zip(member, scattered[:count], strict=True)),
        "member": _array(f"member-{chr(97 + i % 26)}{i // 26 or ''}" for i in range(config.members)),
        "device": _array(f"d-{(i * 2_654_435_761) % 2**32:08x}" for i in range(2 * count + crew_devices_of(config))),
        "ip": _addresses(homes),
        "wifi": _array(f"w-{(i * 2_654_435_761) % 2**32:08x}" for i in range(homes)),
        "merchant": _array(f"m{i:06d}" for i in range(config.merchants)),
        "merchant_name": _array(shops),
        "terminal": _array(f"m{i:06d}-{j}" for i in range(config.merchants) for j in range(3)),
    }


def _shop_names(rng: np.random.Generator, trade: Ints, city: Ints) -> list[str]:
    trades = (*TRADES, EXCHANGE)
    made = zip(city.tolist(), trade.tolist(), _pairs(rng, len(trade)), strict=True)
    return [f"{CITIES[c].name}{a}{b}{trades[t].name}" for c, t, (a, b) in made]


def employers_of(config: WorldConfig) -> int:
    """How many employers a world of that size has."""
    return config.people // 150 + 2


def homes_of(config: WorldConfig) -> int:
    """How many households."""
    return config.people // 2 + 1


def crew_devices_of(config: WorldConfig) -> int:
    """How many devices the crews have between them."""
    return max(8, int(config.scams_per_day * 6))


def _addresses(homes: int) -> Words:
    home = (f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in range(homes))
    mobile = (f"100.64.{i >> 8}.{i & 255}" for i in range(MOBILE_POOL))
    crew = (f"{'203.0.113' if i < 254 else '198.51.100'}.{i % 254 + 1}" for i in range(CREW_ADDRESSES))
    return _array([*home, *mobile, *crew])


def _names(rng: np.random.Generator, count: int) -> list[str]:
    surnames = _letters(rng, SURNAMES, count)
    first, second = _letters(rng, GIVEN, count), _letters(rng, GIVEN, count)
    single = (rng.random(count) < 0.25).tolist()
    return [s + a + ("" if one else b) for s, a, b, one in zip(surnames, first, second, single, strict=True)]


def _pairs(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    return list(zip(_letters(rng, GIVEN, count), _letters(rng, GIVEN, count), strict=True))


def _letters(rng: np.random.Generator, alphabet: str, count: int) -> list[str]:
    return [alphabet[i] for i in rng.integers(0, len(alphabet), count).tolist()]


def _choose(rng: np.random.Generator, weights: list[float], count: int) -> Ints:
    edges = np.cumsum(weights)
    chosen: Ints = np.searchsorted(edges / edges[-1], rng.random(count), side="right").astype(np.int64)
    return np.minimum(chosen, len(weights) - 1)


def _array(items: Any) -> Words:
    listed = list(items)
    made = np.empty(len(listed), object)
    made[:] = listed
    return made
