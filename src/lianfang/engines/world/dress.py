"""Moves to the columns of a payment: indices become words, absences become nulls."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.moves import NONE, Moves
from lianfang.engines.world.people import World
from lianfang.engines.world.tables import (
    APP_VERSIONS,
    AUTHENTICATIONS,
    CARD,
    CHANNELS,
    CITIES,
    EXCHANGE,
    FINDINGS,
    KINDS,
    MEMOS,
    MODELS,
    OS,
    STORIES,
    TRADES,
    WITHDRAWAL,
)
from lianfang.kernel.instant import DAY

SILENCE: Final = 30 * DAY
"""A payment nobody complains about for this long counts as genuine."""


class Column(NamedTuple):
    """One column: numbers as they are, or places in `words` with -1 for null. `null` marks nulls among numbers."""

    values: NDArray[Any]
    words: NDArray[np.object_] | None = None
    null: NDArray[np.bool_] | None = None

    def tolist(self) -> list[Any]:
        """Plain Python values, nulls as None."""
        if self.words is not None:
            with_none = np.empty(len(self.words) + 1, object)  # the last place, -1, is None
            with_none[:-1] = self.words
            return list(with_none[self.values])
        if self.null is None or not self.null.any():
            return list(self.values.tolist())
        ready = self.values.astype(object)
        ready[self.null] = None
        return list(ready)


class Truth(NamedTuple):
    """What only the simulator knows."""

    label: NDArray[np.int8]
    kind: Column
    story: Column
    known_at: NDArray[np.int64]


def dress(world: World, day: int, moves: Moves) -> tuple[dict[str, Column], Truth]:
    """Columns by field path, in wire order, and the truth beside them."""
    columns = {
        "id": _ids(world.config.id_prefix, day, len(moves)),
        "time": Column(moves["time"].copy()),
        "kind": _fixed(moves["kind"], KINDS),
        "amount": Column(moves["amount"].copy()),
        "currency": _fixed(np.zeros(len(moves), np.int8), ("CNY",)),
        "channel": _fixed(moves["channel"], CHANNELS),
    }
    columns |= _party(world, "payer", moves["payer"]) | _party(world, "payee", moves["payee"])
    with_card = (moves["kind"] == CARD) | (moves["kind"] == WITHDRAWAL)
    columns["card"] = Column(np.where(with_card, moves["payer"], NONE), world.words["card"])
    columns |= _device(world, moves) | _network(world, moves) | _place(moves) | _merchant(world, moves)
    columns |= _session(moves)
    columns["surroundings"] = _fixed(moves["finding"], FINDINGS)
    columns["memo"] = _fixed(moves["memo"], MEMOS)
    genuine = moves["label"] == 0
    known_at = np.where(genuine, moves["time"] + SILENCE, moves["known_at"])
    return columns, Truth(moves["label"].copy(), _fixed(moves["story_kind"], STORIES), _stories(moves), known_at)


def _ids(prefix: str, day: int, count: int) -> Column:
    made = np.empty(count, object)
    made[:] = [f"{prefix}-{day:04d}-{i:07d}" for i in range(count)]
    return Column(np.arange(count), made)


def _stories(moves: Moves) -> Column:
    numbers, places = np.unique(moves["story"], return_inverse=True)
    words = np.empty(len(numbers), object)
    words[:] = [f"s{number:06d}" for number in numbers.tolist()]
    return Column(np.where(moves["story"] == NONE, NONE, places), words)


def _fixed(codes: NDArray[Any], words: tuple[str, ...]) -> Column:
    return Column(codes.copy(), np.array(words, object))


def _times(values: NDArray[Any]) -> Column:
    null = values == NONE
    return Column(np.where(null, 0, values), null=null)


def _flags(values: NDArray[Any], null: NDArray[np.bool_]) -> Column:
    return Column(values == 1, null=null)


def _party(world: World, role: str, party: NDArray[Any]) -> dict[str, Column]:
    """Employers have an account and a name, at the first member; no phone."""
    people = world.config.people
    person = np.where(party < people, party, NONE)
    member = np.append(np.append(world.people.member, np.zeros(world.employers, np.int64)), NONE)
    return {
        f"{role}.account": Column(party.copy(), world.words["account"]),
        f"{role}.name": Column(party.copy(), world.words["name"]),
        f"{role}.phone": Column(person, world.words["phone"]),
        f"{role}.member": Column(member[party], world.words["member"]),
    }


def _device(world: World, moves: Moves) -> dict[str, Column]:
    device = moves["device"]
    none = device == NONE
    owned = np.append(world.device_since, np.zeros(world.crew_devices + 1, np.int64))
    foreign = moves["device_since"] != NONE
    crew = device >= 2 * world.config.people
    # A crew's device that a mule uses for its own account has been there for some days.
    lasting = np.where(crew, moves["time"] - 3 * DAY, owned[device])
    since = np.where(foreign, moves["device_since"], lasting)
    version = np.where(none, NONE, (device // 3) % len(APP_VERSIONS))
    return {
        "device.id": Column(device.copy(), world.words["device"]),
        "device.os": _fixed(np.where(none, NONE, device * 7 // 4 % len(OS)), OS),
        "device.model": _fixed(np.where(none, NONE, device * 5 // 3 % len(MODELS)), MODELS),
        "device.app_version": _fixed(version, APP_VERSIONS),
        "device.first_seen": Column(np.where(none, 0, since), null=none),
        "device.rooted": _flags((crew & (device % 2 == 0)).astype(np.int8), none),
    }


def _network(world: World, moves: Moves) -> dict[str, Column]:
    ip = moves["ip"]
    return {
        "network.ip": Column(ip.copy(), world.words["ip"]),
        "network.wifi": Column(np.where(ip < world.homes, ip, NONE), world.words["wifi"]),
        "network.vpn": _flags(moves["vpn"], ip == NONE),
    }


def _place(moves: Moves) -> dict[str, Column]:
    city = moves["city"]
    none = city == NONE
    latitude = np.array([c.latitude for c in CITIES] + [0.0])
    longitude = np.array([c.longitude for c in CITIES] + [0.0])
    return {
        "place.country": _fixed(np.where(none, NONE, 0), ("CN",)),
        "place.city": _fixed(city, tuple(c.name for c in CITIES)),
        "place.latitude": Column(latitude[city], null=none),
        "place.longitude": Column(longitude[city], null=none),
    }


def _merchant(world: World, moves: Moves) -> dict[str, Column]:
    merchant = moves["merchant"]
    none = merchant == NONE
    trades = (*TRADES, EXCHANGE)
    terminal = np.where(none, NONE, merchant * 3 + np.maximum(moves["terminal"], 0))
    return {
        "merchant.id": Column(merchant.copy(), world.words["merchant"]),
        "merchant.name": Column(merchant.copy(), world.words["merchant_name"]),
        "merchant.category": _fixed(
            np.where(none, NONE, world.merchant_trade[merchant]), tuple(t.category for t in trades)
        ),
        "merchant.country": _fixed(np.where(none, NONE, 0), ("CN",)),
        "merchant.terminal": Column(terminal, world.words["terminal"]),
    }


def _session(moves: Moves) -> dict[str, Column]:
    without = moves["device"] == NONE
    return {
        "session.started": _times(moves["started"]),
        "session.authentication": _fixed(moves["authentication"], AUTHENTICATIONS),
        "session.failed_attempts": Column(moves["failed"].astype(np.int64), null=without),
        "session.screen_shared": _flags(moves["screen"], without),
        "session.call_in_progress": _flags(moves["call"], without),
        "session.payee_added": _times(moves["payee_added"]),
    }
