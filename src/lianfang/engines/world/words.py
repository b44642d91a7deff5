"""The texts of the world: names, numbers and addresses by index. Made when they are wanted; no payment needs them sooner.

Every identifier is made up: phones in a block that no operator has (+86 100), card and account numbers that begin
with 9 (no scheme's), addresses from private ranges (RFC 1918, RFC 6598) and documentation ranges (RFC 5737).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.crews import Crews
from lianfang.engines.world.people import CREW_ADDRESSES, DEVICES, World, generator
from lianfang.engines.world.tables import BANK, CITIES, EXCHANGE, GIVEN, INSTITUTION, PLATFORM, SURNAMES, TRADES

Words = NDArray[np.object_]
_SCATTER: Final = 7_368_787
"""Prime to 10: spreads consecutive numbers over ten digits without collisions."""
_MEMBER_NAMES: Final = {BANK: "bank", INSTITUTION: "pay", PLATFORM: "platform"}


def build_words(world: World, crews: Crews) -> dict[str, Words]:
    """Text by table: `account`, `name`, `phone`, `card`, `member`, `device`, `ip`, `wifi`, `merchant`, ..."""
    config, count = world.config, world.config.people
    rng = generator(config, 5)
    accounts = len(world.accounts.member)
    member = world.accounts.member.tolist()
    scattered = [(i * _SCATTER + 1_234_567) % 10**10 for i in range(accounts)]
    names = np.array(_names(rng, count), object)
    companies = np.array([f"{a}{b}有限公司" for a, b in _pairs(rng, world.employers)], object)
    holder = world.accounts.holder
    devices = DEVICES * count + crews.devices
    return {
        "account": _array(f"9{m:02d}{s:010d}" for m, s in zip(member, scattered, strict=True)),
        "name": np.where(holder >= 0, names[holder], companies[(np.arange(accounts) - 2 * count) % world.employers]),
        "phone": _array(f"+86100{s % 10**8:08d}" for s in range(31_415_926, 31_415_926 + count)),
        "card": _array(f"9{m:02d}8{s:010d}00" for m, s in zip(member, scattered, strict=True)),
        "member": _members(world),
        "device": _array(f"d-{(i * 2_654_435_761) % 2**32:08x}" for i in range(devices)),
        "ip": _addresses(world),
        "wifi": _array(f"w-{(i * 2_654_435_761) % 2**32:08x}" for i in range(world.homes)),
        "merchant": _array(f"m{i:06d}" for i in range(config.merchants)),
        "merchant_name": _array(_shop_names(world, rng)),
        "terminal": _array(f"m{i:06d}-{j}" for i in range(config.merchants) for j in range(3)),
    }


def _members(world: World) -> Words:
    kinds = world.member_kind.tolist()
    made = []
    for i, kind in enumerate(kinds):
        nth = kinds[:i].count(kind)
        made.append(f"{_MEMBER_NAMES[kind]}-{chr(97 + nth % 26)}{nth // 26 or ''}")
    return _array(made)


def _shop_names(world: World, rng: np.random.Generator) -> list[str]:
    trades = (*TRADES, EXCHANGE)
    made = zip(
        world.merchant_city.tolist(), world.merchant_trade.tolist(), _pairs(rng, len(world.merchant_trade)), strict=True
    )
    return [f"{CITIES[c].name}{a}{b}{trades[t].name}" for c, t, (a, b) in made]


def _addresses(world: World) -> Words:
    home = (f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in range(world.homes))
    mobile = (f"100.64.{i >> 8}.{i & 255}" for i in range(world.mobile_pool))
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


def _array(items: Iterable[str]) -> Words:
    listed = list(items)
    made = np.empty(len(listed), object)
    made[:] = listed
    return made
