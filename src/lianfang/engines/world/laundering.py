"""What becomes of the money: through one to three layers of accounts at any members, in parts, then out as cash or crypto.

Every hop pays on at most what arrived (tests hold it): a crew keeps its wages, money gets stuck, some leaves our sight.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lianfang.engines.world.crews import EXITS, FRONTS, SECONDS, Crews
from lianfang.engines.world.moves import NONE, Moves, blank
from lianfang.engines.world.people import Flags, Ints
from lianfang.engines.world.sessions import dress_crew
from lianfang.engines.world.tables import (
    ATM,
    CASH_OUT,
    CRYPTO,
    MOBILE,
    MULE,
    PIN,
    RUNNER,
    TRANSFER,
    WITHDRAWAL,
)
from lianfang.kernel.instant import MINUTE, SECOND

LAYERS_MAX: Final = 3
_YUAN: Final = 100
_SPLIT_ABOVE: Final = 20_000 * _YUAN
"""Larger sums are split to stay below what somebody might look at; the figure is ours."""
_CASH_MOST: Final = 20_000 * _YUAN
"""At a machine, for one withdrawal."""
_STAYS: Final = 0.3
"""Share of sums that do not move on: gathered, frozen, or gone to a member outside the alliance."""
_SMALL: Final = 300 * _YUAN
_SMALL_STAYS: Final = 0.8
"""Below this amount most sums wait for company."""
_USUAL: Final = 0.7
"""Share of hops along the account's usual way: whoever takes the money mostly hands it to the same holder. Ours."""
_LEAVES: Final = (0.12, 0.4, 1.0)
"""Share that goes out of the system, by layer."""


class Pile(NamedTuple):
    """Sums that lie at accounts of crews, an entry each."""

    story: Ints
    account: Ints
    time: Ints
    """Instant of arrival."""
    amount: Ints
    chain: Ints
    crew: Ints
    slot: Ints

    def where(self, chosen: Flags) -> Pile:
        """Some of them."""
        return Pile(*(array[chosen] for array in self))


def run_money(crews: Crews, arrived: Moves, amounts: Ints, crew: Ints, slot: Ints, rng: np.random.Generator) -> Moves:
    """Moves that follow the payments `arrived` (their payees are the crew's accounts). `amounts`: what is there to move.

    `crew`, `slot`: whose account each payment reached.
    """
    made = []
    pile = _pile(arrived, amounts, crew, slot)
    for layer in range(1, LAYERS_MAX + 1):
        count = len(pile.amount)
        pile = pile.where(rng.random(count) >= np.where(pile.amount < _SMALL, _SMALL_STAYS, _STAYS))
        out = rng.random(len(pile.amount)) < _LEAVES[layer - 1]
        made.append(_exits(crews, pile.where(out), layer, rng))
        hops, pile = _hops(crews, pile.where(~out), layer, rng)
        made.append(hops)
    return np.concatenate(made)


def _pile(arrived: Moves, amounts: Ints, crew: Ints, slot: Ints) -> Pile:
    story, account = arrived["story"].astype(np.int64), arrived["payee"].astype(np.int64)
    return Pile(story, account, arrived["time"], amounts, arrived["chain"].copy(), crew, slot)


def _hops(crews: Crews, pile: Pile, layer: int, rng: np.random.Generator) -> tuple[Moves, Pile]:
    """Transfers to the next layer, in parts where the sum is large; and what lies there then."""
    count = len(pile.amount)
    large = pile.amount > _SPLIT_ABOVE
    parts = np.where(large, rng.integers(2, 5, count), 1 + (rng.random(count) < 0.2))
    row = np.repeat(np.arange(count), parts)
    weight = rng.uniform(0.6, 1.4, len(row))
    share = weight / np.bincount(row, weight, count)[row]
    wages = rng.uniform(0.005, 0.06, count)
    paid = pile.amount[row] * (1 - wages[row]) * share
    moves = blank(len(row))
    paid = np.where(rng.random(len(row)) < 0.7, paid // (10 * _YUAN) * (10 * _YUAN), paid)
    moves["amount"] = paid
    nth = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    wait = np.exp(rng.uniform(np.log(4.0), np.log(600.0), len(row))) * MINUTE
    moves["time"] = pile.time[row] + wait.astype(np.int64) + nth * rng.integers(20, 900, len(row)) * SECOND
    moves["kind"], moves["channel"], moves["role"] = TRANSFER, MOBILE, RUNNER
    first, width = (FRONTS, SECONDS) if layer == 1 else (FRONTS + SECONDS, EXITS)
    usual = rng.random(len(row)) < _USUAL
    target = first + np.where(usual, pile.slot[row] % width, rng.integers(0, width, len(row)))
    moves["payer"], moves["payee"] = pile.account[row], crews.account(pile.crew[row], target, moves["time"])
    _mark(moves, pile, row, layer)
    dress_crew(crews.world, crews, moves, pile.crew[row], pile.slot[row], rng)
    some = moves["amount"] > 0
    return moves[some], _pile(moves[some], moves["amount"][some], pile.crew[row][some], target[some])


def _exits(crews: Crews, pile: Pile, layer: int, rng: np.random.Generator) -> Moves:
    """Out of the system: at machines in parts, or to the exchange (USDT)."""
    count = len(pile.amount)
    notes = pile.amount // (100 * _YUAN) * (100 * _YUAN)
    crypto = (rng.random(count) < 0.4) | (notes == 0)
    draws = np.where(crypto, 1, np.minimum(-(-notes // _CASH_MOST), 3))
    row = np.repeat(np.arange(count), draws)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(draws) - draws, draws)
    moves = blank(len(row))
    cash = ~crypto[row]
    left = notes[row] - nth * _CASH_MOST
    amount = np.where(cash, np.minimum(left, _CASH_MOST), pile.amount[row] * 97 // 100)
    moves["amount"] = amount
    wait = np.exp(rng.uniform(np.log(5.0), np.log(900.0), count)) * MINUTE
    moves["time"] = pile.time[row] + wait[row].astype(np.int64) + nth * rng.integers(40, 400, len(row)) * SECOND
    moves["kind"] = np.where(cash, WITHDRAWAL, CRYPTO)
    moves["channel"] = np.where(cash, ATM, MOBILE)
    moves["role"], moves["payer"] = CASH_OUT, pile.account[row]
    moves["merchant"] = np.where(cash, NONE, crews.world.exchange)
    moves["terminal"] = np.where(cash, NONE, 0)
    _mark(moves, pile, row, layer)
    dress_crew(crews.world, crews, moves, pile.crew[row], pile.slot[row], rng)
    for name in ("device", "ip", "started", "device_since", "payee_added", "finding"):
        moves[name][cash] = NONE  # a cash machine sees a card and a PIN
    for name in ("failed", "screen", "call", "vpn"):
        moves[name][cash] = 0
    moves["authentication"][cash] = PIN
    return moves[moves["amount"] > 0]


def _mark(moves: Moves, pile: Pile, row: Ints, layer: int) -> None:
    moves["label"], moves["story_kind"], moves["layer"] = 1, MULE, layer
    moves["story"], moves["chain"] = pile.story[row], pile.chain[row]
