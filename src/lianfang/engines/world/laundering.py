"""What becomes of the money: through one to three layers of accounts at any members, in parts, then out as cash or crypto.

Every hop pays on at most what arrived (tests hold it): a crew keeps its wages, money gets stuck, some leaves the alliance's sight.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lianfang.engines.world.crews import EXITS, FRONTS, SECONDS, Crews
from lianfang.engines.world.moves import NONE, Moves, blank
from lianfang.engines.world.people import Ints
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
"""Below this most sums wait for company."""


def run_money(crews: Crews, arrived: Moves, amounts: Ints, crew: Ints, slot: Ints, rng: np.random.Generator) -> Moves:
    """Moves that follow the payments `arrived` (their payees are the crew's accounts). `amounts`: what is there to move.

    `crew`, `slot`: whose account each payment reached.
    """
    made = []
    story, holder, time = arrived["story"].astype(np.int64), arrived["payee"].astype(np.int64), arrived["time"]
    chain = arrived["chain"].copy()
    for layer in range(1, LAYERS_MAX + 1):
        moving = rng.random(len(amounts)) >= np.where(amounts < _SMALL, 0.8, _STAYS)
        story, holder, time = story[moving], holder[moving], time[moving]
        amounts, chain, crew, slot = amounts[moving], chain[moving], crew[moving], slot[moving]
        if not len(amounts):
            break
        out = rng.random(len(amounts)) < (0.12, 0.4, 1.0)[layer - 1]
        made.append(_exits(crews, *(a[out] for a in (story, holder, time, amounts, chain, crew, slot)), layer, rng))
        hop = _hops(crews, *(a[~out] for a in (story, holder, time, amounts, chain, crew, slot)), layer, rng)
        made.append(hop[0])
        story, holder, time = hop[0]["story"].astype(np.int64), hop[0]["payee"].astype(np.int64), hop[0]["time"]
        amounts, chain, crew, slot = hop[0]["amount"].copy(), hop[0]["chain"].copy(), hop[1], hop[2]
    return np.concatenate(made) if made else blank(0)


def _hops(
    crews: Crews, story: Ints, holder: Ints, time: Ints, amounts: Ints, chain: Ints, crew: Ints, slot: Ints, layer: int,
    rng: np.random.Generator,
) -> tuple[Moves, Ints, Ints]:  # fmt: skip
    """Transfers to the next layer; the crew and the slot that each arrives at."""
    large = amounts > _SPLIT_ABOVE
    parts = np.where(large, rng.integers(2, 5, len(amounts)), 1 + (rng.random(len(amounts)) < 0.2))
    row = np.repeat(np.arange(len(amounts)), parts)
    weight = rng.uniform(0.6, 1.4, len(row))
    share = weight / np.bincount(row, weight, len(amounts))[row]
    keep = rng.uniform(0.005, 0.06, len(amounts))
    paid = amounts[row] * (1 - keep[row]) * share
    moves = blank(len(row))
    moves["amount"] = np.maximum(np.where(rng.random(len(row)) < 0.7, paid // (10 * _YUAN) * (10 * _YUAN), paid), 1)
    first = np.append(True, row[1:] != row[:-1]) if len(row) else np.zeros(0, np.bool_)
    wait = np.exp(rng.uniform(np.log(4.0), np.log(600.0), len(row))) * MINUTE
    moves["time"] = time[row] + np.where(first, wait, wait + rng.integers(20, 900, len(row)) * SECOND)
    moves["kind"], moves["channel"], moves["role"] = TRANSFER, MOBILE, RUNNER
    target = FRONTS + (rng.integers(0, SECONDS, len(row)) if layer == 1 else SECONDS + rng.integers(0, EXITS, len(row)))
    moves["payer"], moves["payee"] = holder[row], crews.account(crew[row], target, moves["time"])
    _mark(moves, story[row], chain[row], layer)
    dress_crew(crews.world, crews, moves, crew[row], slot[row], rng)
    return moves, crew[row], target


def _exits(
    crews: Crews, story: Ints, holder: Ints, time: Ints, amounts: Ints, chain: Ints, crew: Ints, slot: Ints, layer: int,
    rng: np.random.Generator,
) -> Moves:  # fmt: skip
    """Out of the system: at machines in parts, or to the exchange (USDT)."""
    world = crews.world
    crypto = rng.random(len(amounts)) < 0.4
    notes = amounts // (100 * _YUAN) * (100 * _YUAN)
    crypto |= (notes == 0) | (world.accounts.holder[holder] < 0)
    draws = np.where(crypto, 1, np.minimum(-(-notes // _CASH_MOST), 3))
    row = np.repeat(np.arange(len(amounts)), draws)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(draws) - draws, draws)
    moves = blank(len(row))
    cash = ~crypto[row]
    left = notes[row] - nth * _CASH_MOST
    moves["amount"] = np.maximum(np.where(cash, np.minimum(left, _CASH_MOST), amounts[row] * 97 // 100), 1)
    wait = np.exp(rng.uniform(np.log(5.0), np.log(900.0), len(amounts))) * MINUTE
    moves["time"] = time[row] + wait[row].astype(np.int64) + nth * rng.integers(40, 400, len(row)) * SECOND
    moves["kind"] = np.where(cash, WITHDRAWAL, CRYPTO)
    moves["channel"] = np.where(cash, ATM, MOBILE)
    moves["role"], moves["payer"] = CASH_OUT, holder[row]
    moves["merchant"] = np.where(cash, NONE, world.exchange)
    moves["terminal"] = np.where(cash, NONE, 0)
    _mark(moves, story[row], chain[row], layer)
    dress_crew(world, crews, moves, crew[row], slot[row], rng)
    moves["authentication"] = np.where(cash, PIN, moves["authentication"])
    return moves


def _mark(moves: Moves, story: Ints, chain: Ints, layer: int) -> None:
    moves["label"], moves["story_kind"], moves["layer"] = 1, MULE, layer
    moves["story"], moves["chain"] = story, chain
