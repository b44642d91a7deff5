"""Moves to the columns of a payment: indices become words, absences become nulls; all of it, or what one institution sees."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.crews import Crews
from lianfang.engines.world.moves import MOVE, NONE, Moves
from lianfang.engines.world.people import DEVICES, Ints, World
from lianfang.engines.world.tables import (
    APP_VERSIONS,
    AUTHENTICATIONS,
    CARD,
    CHANNELS,
    CITIES,
    CRIMES,
    EXCHANGE,
    FINDINGS,
    KINDS,
    MEMOS,
    MODELS,
    OS,
    ROLES,
    TRADES,
    WITHDRAWAL,
)
from lianfang.engines.world.telling import CHAINS_A_STORY
from lianfang.engines.world.words import Words, build_words

SIDES: Final = ("payer", "payee", "both")
PAYER, PAYEE, BOTH = range(3)
HIDDEN: Final = (
    "payer.phone",
    "channel",
    "device.id",
    "device.os",
    "device.model",
    "device.app_version",
    "device.first_seen",
    "device.rooted",
    "network.ip",
    "network.wifi",
    "network.vpn",
    "session.started",
    "session.authentication",
    "session.failed_attempts",
    "session.screen_shared",
    "session.call_in_progress",
    "session.payee_added",
    "surroundings",
)
"""What the message does not carry to the payee's institution: null in its file wherever another keeps the payer's account."""
_PLACED: Final = ("place.country", "place.city", "place.latitude", "place.longitude")


class Column(NamedTuple):
    """One column: numbers or ASCII (`S`) as they are, or places in `words` with -1 for null. `null` marks nulls."""

    values: NDArray[Any]
    words: NDArray[np.object_] | None = None
    null: NDArray[np.bool_] | None = None

    def tolist(self) -> list[Any]:
        """Plain Python values, nulls as None."""
        if self.words is not None:
            with_none = np.empty(len(self.words) + 1, object)  # the last place, -1, is None
            with_none[:-1] = self.words
            return list(with_none[self.values])
        if self.values.dtype.kind == "S":
            return [text.decode() for text in self.values.tolist()]
        if self.null is None or not self.null.any():
            return list(self.values.tolist())
        ready = self.values.astype(object)
        ready[self.null] = None
        return list(ready)

    def hidden(self, where: NDArray[np.bool_]) -> Column:
        """The same with nulls where asked."""
        if self.words is not None:
            return Column(np.where(where, NONE, self.values), self.words)
        return Column(self.values, None, where if self.null is None else self.null | where)


class DayBatch(NamedTuple):
    """One local day of payments, sorted by time. `columns` go by field path; the rest is the truth, a row each."""

    day: int
    """0 is the first day."""
    rows: int
    columns: dict[str, Column]
    label: NDArray[np.int8]
    """1 fraud, 0 genuine: what is true, whether or not anybody ever learns it."""
    label_kind: Column
    """The crime, or `mule` for its money on the run; null for genuine payments."""
    story: Column
    known_at: NDArray[np.int64]
    """Instant at which the label became known; NEVER for stories nobody reports. Genuine: 30 days of silence later."""
    truth: dict[str, Column]
    """`role`, `chain`, `layer`, `step`, `steps`, and `reported_kind`: what is said of it where it is reported at all."""


class Wardrobe:
    """Dresses the moves of one world."""

    def __init__(self, world: World, crews: Crews) -> None:
        self.world = world
        self.crews = crews

    @cached_property
    def words(self) -> dict[str, Words]:
        """The world's texts, made once."""
        return build_words(self.world, self.crews)

    def batch(self, day: int, moves: Moves) -> DayBatch:
        """Everything anybody knows of the moves, and the truth beside it."""
        assert moves.dtype == MOVE
        return DayBatch(
            day,
            len(moves),
            self.columns(day, moves),
            moves["label"].copy(),
            _fixed(moves["story_kind"], CRIMES),
            _stories(moves["story"]),
            moves["known_at"].copy(),
            truth(moves),
        )

    def seen_by(self, member: int, day: int, moves: Moves) -> dict[str, Column]:
        """What an institution sees of a day: payments of its accounts whole, others' payments to them as the message has it.

        Columns in wire order, and `side`: whose account it keeps.
        """
        payer, payee = self.members(moves)
        mine = moves[(payer == member) | (payee == member)]
        payer, payee = self.members(mine)
        side = np.where(payer == member, np.where(payee == member, BOTH, PAYER), PAYEE)
        columns = self.columns(day, mine)
        foreign = side == PAYEE
        for path in HIDDEN:
            columns[path] = columns[path].hidden(foreign)
        elsewhere = foreign & (mine["merchant"] == NONE)  # a shop's own terminal has a place that its acquirer knows
        for path in _PLACED:
            columns[path] = columns[path].hidden(elsewhere)
        columns["payee.phone"] = columns["payee.phone"].hidden(side == PAYER)
        columns["side"] = _fixed(side, SIDES)
        return columns

    def members(self, moves: Moves) -> tuple[Ints, Ints]:
        """Who keeps the payer's account, and who the payee's or the shop's; NONE for nobody."""
        member = np.append(self.world.accounts.member, NONE)
        acquirer = np.append(self.world.merchant_member, NONE)
        payee = member[moves["payee"]]
        return member[moves["payer"]], np.where(payee == NONE, acquirer[moves["merchant"]], payee)

    def columns(self, day: int, moves: Moves) -> dict[str, Column]:
        """Columns by field path, in wire order."""
        prefix = f"{self.world.config.id_prefix}-{day:04d}-"
        columns = {
            "id": Column(numbered(prefix, moves["number"], 7)),
            "time": Column(moves["time"].copy()),
            "kind": _fixed(moves["kind"], KINDS),
            "amount": Column(moves["amount"].copy()),
            "currency": _fixed(np.zeros(len(moves), np.int8), ("CNY",)),
            "channel": _fixed(moves["channel"], CHANNELS),
        }
        columns |= self._party("payer", moves["payer"]) | self._party("payee", moves["payee"])
        with_card = (moves["kind"] == CARD) | (moves["kind"] == WITHDRAWAL)
        columns["card"] = Column(np.where(with_card, moves["payer"], NONE), self.words["card"])
        columns |= self._device(moves) | self._network(moves) | _place(moves) | self._merchant(moves)
        columns |= _session(moves)
        columns["surroundings"] = _fixed(moves["finding"], FINDINGS)
        columns["memo"] = _fixed(moves["memo"], MEMOS)
        return columns

    def _party(self, role: str, party: NDArray[Any]) -> dict[str, Column]:
        """Companies have an account and a name; no phone."""
        holder = np.append(self.world.accounts.holder, NONE)
        member = np.append(self.world.accounts.member, NONE)
        return {
            f"{role}.account": Column(party.copy(), self.words["account"]),
            f"{role}.name": Column(party.copy(), self.words["name"]),
            f"{role}.phone": Column(holder[party], self.words["phone"]),
            f"{role}.member": Column(member[party], self.words["member"]),
        }

    def _device(self, moves: Moves) -> dict[str, Column]:
        device = moves["device"].astype(np.int64)
        none = device == NONE
        owned = np.append(self.world.device_since, np.zeros(self.crews.devices + 1, np.int64))
        since = np.where(moves["device_since"] != NONE, moves["device_since"], owned[device])
        unit = device // DEVICES + device % DEVICES * 11
        odd = device * 2_654_435_761 % 2**32 / 2**32  # a fixed draw for each device
        rooted = odd < np.where(device >= DEVICES * self.world.config.people, 0.12, 0.02)
        return {
            "device.id": Column(device, self.words["device"]),
            "device.os": _fixed(np.where(none, NONE, unit * 7 // 4 % len(OS)), OS),
            "device.model": _fixed(np.where(none, NONE, unit * 5 // 3 % len(MODELS)), MODELS),
            "device.app_version": _fixed(np.where(none, NONE, unit // 3 % len(APP_VERSIONS)), APP_VERSIONS),
            "device.first_seen": Column(np.where(none, 0, since), null=none),
            "device.rooted": Column(rooted, null=none),
        }

    def _network(self, moves: Moves) -> dict[str, Column]:
        ip = moves["ip"]
        return {
            "network.ip": Column(ip.copy(), self.words["ip"]),
            "network.wifi": Column(np.where(ip < self.world.homes, ip, NONE), self.words["wifi"]),
            "network.vpn": _flags(moves["vpn"], ip == NONE),
        }

    def _merchant(self, moves: Moves) -> dict[str, Column]:
        merchant = moves["merchant"].astype(np.int64)
        none = merchant == NONE
        trades = tuple(t.category for t in (*TRADES, EXCHANGE))
        terminal = np.where(none, NONE, merchant * 3 + np.maximum(moves["terminal"], 0))
        return {
            "merchant.id": Column(merchant, self.words["merchant"]),
            "merchant.name": Column(merchant, self.words["merchant_name"]),
            "merchant.category": _fixed(np.where(none, NONE, self.world.merchant_trade[merchant]), trades),
            "merchant.country": _fixed(np.where(none, NONE, 0), ("CN",)),
            "merchant.terminal": Column(terminal, self.words["terminal"]),
        }


def truth(moves: Moves) -> dict[str, Column]:
    """What only the simulator knows, beside label, kind, story and `known_at`."""
    none = moves["chain"] == NONE
    numbers, places = np.unique(moves["chain"], return_inverse=True)
    words = np.array([f"s{n // CHAINS_A_STORY:09d}-{n % CHAINS_A_STORY}" for n in numbers.tolist()], object)
    return {
        "role": _fixed(moves["role"], ROLES),
        "chain": Column(np.where(none, NONE, places), words),
        "layer": Column(moves["layer"].astype(np.int64), null=moves["layer"] == NONE),
        "step": Column(moves["step"].astype(np.int64), null=moves["step"] == NONE),
        "steps": Column(moves["steps"].astype(np.int64), null=moves["steps"] == NONE),
        "reported_kind": _fixed(moves["reported_kind"], CRIMES),
    }


def numbered(prefix: str, numbers: NDArray[Any], digits: int) -> NDArray[np.bytes_]:
    """`prefix` and each number with leading zeros, as fixed ASCII without a Python object a row."""
    made = np.empty((len(numbers), len(prefix) + digits), np.uint8)
    made[:, : len(prefix)] = np.frombuffer(prefix.encode("ascii"), np.uint8)
    rest = numbers.astype(np.int64)
    for place in range(made.shape[1] - 1, len(prefix) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        made[:, place] = digit + ord("0")
    return made.view(f"S{made.shape[1]}").reshape(-1)


def _stories(story: NDArray[Any]) -> Column:
    numbers, places = np.unique(story, return_inverse=True)
    words = np.empty(len(numbers), object)
    words[:] = [f"s{number:09d}" for number in numbers.tolist()]
    return Column(np.where(story == NONE, NONE, places), words)


def _fixed(codes: NDArray[Any], words: tuple[str, ...]) -> Column:
    return Column(codes.astype(np.int8), np.array(words, object))


def _times(values: NDArray[Any]) -> Column:
    null = values == NONE
    return Column(np.where(null, 0, values), null=null)


def _flags(values: NDArray[Any], null: NDArray[np.bool_]) -> Column:
    return Column(values == 1, null=null)


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
