"""How a payment is made: whose device, from which address, how it was authenticated, what could be seen meanwhile."""

from __future__ import annotations

from typing import Final

import numpy as np

from lianfang.engines.world.config import LOCAL_OFFSET
from lianfang.engines.world.crews import Crews
from lianfang.engines.world.moves import NONE, Moves
from lianfang.engines.world.people import CREW_ADDRESSES, DEVICES, RELATIVE, Ints, World
from lianfang.engines.world.tables import (
    BIOMETRIC,
    EMULATOR,
    MOBILE,
    NEW_DEVICE,
    NO_AUTH,
    OTP,
    PASSWORD,
    SCREEN_SHARE,
    TRANSFER,
    UNKNOWN_APP,
)
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND

LARGE: Final = 200_000
"""Minor units from which a payment asks for more than a password."""
ADDRESSES_OF_A_CREW: Final = 6


def own_device(world: World, person: Ints, time: Ints, rng: np.random.Generator) -> Ints:
    """The phone of that day; now and then the second device, or one that the household shares."""
    people, count = world.people, len(person)
    draw = rng.random(count)
    owner = np.where(people.shares[person] & (draw > 0.85), people.payees[person, RELATIVE], person)
    place = np.where(time >= people.phone_at[owner], 1, 0)
    place = np.where(people.second[owner] & (draw < 0.3), 2, place)
    device: Ints = DEVICES * owner + place
    return device


def dress_owner(world: World, moves: Moves, at: Ints, rng: np.random.Generator) -> None:
    """The rows `at` are paid by the account's holder; companies pay by machine and stay as they are."""
    at = at[world.accounts.holder[moves["payer"][at]] >= 0]
    person, time, count = world.accounts.holder[moves["payer"][at]], moves["time"][at], len(at)
    moves["device"][at] = own_device(world, person, time, rng)
    hour = (time + LOCAL_OFFSET) % DAY // HOUR
    home = rng.random(count) < np.where((hour >= 8) & (hour < 19), 0.25, 0.75)
    pool = world.homes + (person * 31 + rng.integers(0, 8, count)) % world.mobile_pool
    address = np.where(home, world.people.household[person], pool)
    abroad = rng.random(count) < 0.02  # relays and VPNs, which crews use as well
    relay = world.homes + world.mobile_pool + rng.integers(0, CREW_ADDRESSES, count)
    moves["ip"][at] = np.where(abroad, relay, address)
    moves["vpn"][at] = np.where(abroad, rng.random(count) < 0.6, rng.random(count) < 0.01)
    moves["city"][at] = np.where(moves["city"][at] == NONE, world.people.city[person], moves["city"][at])
    moves["started"][at] = time - (np.exp(rng.uniform(np.log(8), np.log(900), count)) * SECOND).astype(np.int64)
    _authenticate(moves, at, rng)
    # The false friends of every rule: people talk while they pay, mistype, show a screen to their children.
    moves["failed"][at] = np.where(rng.random(count) < 0.025, rng.integers(1, 4, count), 0)
    moves["call"][at] = rng.random(count) < 0.03
    shown = rng.random(count) < 0.004
    moves["screen"][at] = shown
    app = rng.random(count) < 0.004
    finding = np.where(shown & (rng.random(count) < 0.3), SCREEN_SHARE, np.where(app, UNKNOWN_APP, NONE))
    fresh = (time - device_since(world, moves["device"][at])) < 3 * DAY
    moves["finding"][at] = np.where(fresh & (rng.random(count) < 0.3), NEW_DEVICE, finding)
    _saved_payee(world, moves, at, rng)


def device_since(world: World, device: Ints) -> Ints:
    """Since when people's own devices are known."""
    since: Ints = world.device_since[device]
    return since


def _authenticate(moves: Moves, at: Ints, rng: np.random.Generator) -> None:
    draw = rng.random(len(at))
    asked = np.where(draw < 0.55, BIOMETRIC, np.where(draw < 0.8, OTP, PASSWORD))
    light = np.where(draw < 0.5, BIOMETRIC, np.where(draw < 0.8, PASSWORD, NO_AUTH))
    moves["authentication"][at] = np.where(moves["amount"][at] >= LARGE, asked, light)


def _saved_payee(world: World, moves: Moves, at: Ints, rng: np.random.Generator) -> None:
    """Banks' apps save a payee before it is paid; wallets scan a code or open a chat. Only where nothing is said yet."""
    bank = moves["payer"][at] < world.config.people
    new = (moves["kind"][at] == TRANSFER) & bank & (moves["payee_added"][at] == NONE) & (moves["channel"][at] == MOBILE)
    just_now = moves["time"][at] - (np.exp(rng.uniform(np.log(20), np.log(40_000), len(at))) * SECOND).astype(np.int64)
    moves["payee_added"][at] = np.where(new, just_now, moves["payee_added"][at])


def dress_crew(
    world: World, crews: Crews, moves: Moves, crew: Ints, slot: Ints, rng: np.random.Generator, *, foreign: bool = False
) -> None:
    """Paid by a crew: from its devices, or by the holder who lends account and phone. `foreign`: from a victim's account."""
    count, time = len(moves), moves["time"]
    at = np.arange(count)
    lent = np.zeros(count, np.bool_)
    if not foreign:
        lent = crews.lives.own_device[crew, slot, crews.life(crew, slot, time)]
        dress_owner(world, moves, at[lent], rng)
    ours = at[~lent]
    crew, slot, time, count = crew[ours], slot[ours], time[ours], len(ours)
    moves["device"][ours] = crews.device(crew, slot, time)
    recently = time - (np.exp(rng.uniform(np.log(3), np.log(3_000), count)) * MINUTE).astype(np.int64)
    moves["device_since"][ours] = recently if foreign else crews.since(crew, slot, time)
    address = (crew * ADDRESSES_OF_A_CREW + rng.integers(0, ADDRESSES_OF_A_CREW, count)) % CREW_ADDRESSES
    hidden = rng.random(count) < 0.3
    pool = rng.integers(0, world.mobile_pool, count)
    moves["ip"][ours] = world.homes + np.where(hidden, world.mobile_pool + address, pool)
    moves["vpn"][ours] = hidden & (rng.random(count) < 0.6)
    person = np.maximum(world.accounts.holder[moves["payer"][ours]], 0)
    moves["city"][ours] = np.where(rng.random(count) < 0.5, world.people.city[person], rng.integers(0, 20, count))
    moves["started"][ours] = time - (np.exp(rng.uniform(np.log(15), np.log(900), count)) * SECOND).astype(np.int64)
    _authenticate(moves, ours, rng)
    if foreign:
        moves["failed"][ours] = np.where(rng.random(count) < 0.2, rng.integers(1, 5, count), 0)
    moves["finding"][ours] = np.where(rng.random(count) < 0.05, EMULATOR, NONE)
    _saved_payee(world, moves, ours, rng)
