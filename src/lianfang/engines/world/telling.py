"""Tells stories: all that begin on a day and follow one plot at once, phase by phase, as columns."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.world.config import HORIZON_DAYS, LOCAL_OFFSET
from lianfang.engines.world.crews import FRONTS, Crews
from lianfang.engines.world.labels import report
from lianfang.engines.world.laundering import run_money
from lianfang.engines.world.moves import NONE, Moves, blank
from lianfang.engines.world.people import Flags, Floats, Ints, World, generator
from lianfang.engines.world.plots import (
    CRIME_PLOTS,
    CROWD,
    FRONT,
    HERO,
    HONEST_PLOTS,
    INCOME,
    LENDER,
    NO_RUN,
    PREVIOUS,
    SAVINGS,
    SUM,
    TOTAL,
    YUAN,
    Phase,
    Plot,
)
from lianfang.engines.world.sessions import dress_crew, dress_owner
from lianfang.engines.world.tables import CARD, CRYPTO, MOBILE, QR, TOPUP, TRANSFER, WEB
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND

STORIES_A_DAY_MAX: Final = 250_000
HONEST_PER_PERSON: Final = 0.046
"""Honest stories that begin on a day, for each person: a tie to somebody new about every three weeks. Ours, plausible."""
CHAINS_A_STORY: Final = 4_096
_LEAST_YUAN: Final = 0.01
_MOST_YUAN: Final = 450_000.0
_KINDS: Final = np.array([TRANSFER, CARD, QR, TOPUP, CRYPTO])


class Cast(NamedTuple):
    """Who plays, one entry a story."""

    hero: Ints
    bank: Flags
    stranger: Ints
    lender: Ints
    crew: Ints
    slot: Ints
    shop: Ints
    number: Ints


class Told(NamedTuple):
    """Where the stories of a plot stand between two phases; arrays of one entry a story, changed in place."""

    clock: Ints
    previous: Floats
    total: Floats
    alive: Flags


class Scene(NamedTuple):
    """The payments of one phase: which story each belongs to, and what the engine drew for it."""

    of: Ints
    time: Ints
    yuan: Floats
    last: Flags
    """The last of its story in this phase."""


def begin_crimes(world: World, crews: Crews, day: int) -> Moves:
    """All payments, this day's and later ones, of the crimes that begin on `day` (which may be negative)."""
    rng = generator(world.config, 3, day + HORIZON_DAYS)
    return _begin(world, crews, day, CRIME_PLOTS, world.config.stories_per_day, rng)


def begin_episodes(world: World, crews: Crews, day: int) -> Moves:
    """The same of what honest people do that looks like it."""
    rng = generator(world.config, 4, day + HORIZON_DAYS)
    return _begin(world, crews, day, HONEST_PLOTS, world.config.people * HONEST_PER_PERSON, rng)


def _begin(
    world: World, crews: Crews, day: int, plots: tuple[Plot, ...], per_day: float, rng: np.random.Generator
) -> Moves:
    weights = np.array([plot.weight for plot in plots])
    counts = rng.poisson(per_day * weights / weights.sum())
    first = (day + HORIZON_DAYS) * STORIES_A_DAY_MAX
    told = []
    for plot, count in zip(plots, np.minimum(counts, STORIES_A_DAY_MAX // len(plots)).tolist(), strict=True):
        if count:
            told.append(tell(world, crews, plot, day, first + np.arange(count), rng))
            first += count
    return np.concatenate(told) if told else blank(0)


def tell(world: World, crews: Crews, plot: Plot, day: int, numbers: Ints, rng: np.random.Generator) -> Moves:
    """The stories `numbers` of one plot that begin on a day: their payments, ordered, numbered, with their reports."""
    cast = _cast(world, crews, plot, numbers, rng)
    midnight = world.config.first_day + day * DAY
    count = len(numbers)
    state = Told(
        midnight + (rng.uniform(0 if plot.night else 8, 24, count) * HOUR).astype(np.int64),
        np.full(count, 100.0),
        np.zeros(count),
        np.ones(count, np.bool_),
    )
    made = []
    for phase in plot.phases:
        state.alive[:] &= rng.random(count) < phase.chance
        scene = _scene(world, plot, phase, cast, state, rng)
        if not len(scene.of):
            continue
        moved = rng.random(count) < phase.fresh
        slots = np.where(moved, (cast.slot + rng.integers(1, FRONTS, count)) % FRONTS, cast.slot)
        moves = _play(world, crews, plot, phase, cast._replace(slot=slots), scene, rng)
        made.append(moves)
        if phase.run != NO_RUN and phase.payee == FRONT and plot.crime != NONE:
            made.append(_run(crews, phase, cast._replace(slot=slots), scene, moves, rng))
    moves = np.concatenate(made) if made else blank(0)
    moves = moves[moves["time"] < midnight + HORIZON_DAYS * DAY]
    _saved_once(moves)
    if plot.crime == NONE:
        moves["story"] = NONE
        return moves
    return report(world.config, plot, _numbered(moves), rng)


def _cast(world: World, crews: Crews, plot: Plot, numbers: Ints, rng: np.random.Generator) -> Cast:
    count, people = len(numbers), world.config.people
    crew = rng.integers(0, crews.count, count)
    hero = rng.integers(0, people, count)
    youngest, oldest = plot.ages
    for _ in range(6):  # a few more tries for those who do not fit; the last stay, for stories have exceptions
        age, profile = world.people.age[hero], world.people.profile[hero]
        unfit = (age < youngest) | (age > oldest) | ((plot.profile != NONE) & (profile != plot.profile))
        hero = np.where(unfit, rng.integers(0, people, count), hero)
    return Cast(
        hero=hero,
        bank=rng.random(count) < plot.bank,
        stranger=(hero + rng.integers(1, people, count)) % people,
        lender=2 * people + world.employers - 1 - rng.integers(0, max(world.employers // 10, 1), count),
        crew=crew,
        slot=rng.integers(0, FRONTS, count),
        shop=crews.shops[crew, rng.integers(0, crews.shops.shape[1], count)],
        number=numbers,
    )


def _scene(world: World, plot: Plot, phase: Phase, cast: Cast, state: Told, rng: np.random.Generator) -> Scene:
    """Draws how often, when and how much, and moves the stories' clocks and sums on."""
    count, (least, most) = len(cast.hero), phase.times
    times = rng.integers(least, most + 1, count) * (state.alive & (rng.random(count) < phase.optional))
    there = np.arange(most) < times[:, None]
    waits = np.exp(rng.uniform(np.log(phase.wait[0]), np.log(phase.wait[1]), there.shape)) * MINUTE
    at = state.clock[:, None] + np.cumsum(waits, axis=1).astype(np.int64)
    if not plot.night:
        at = _awake(at)
    growth = np.exp(rng.uniform(np.log(phase.growth[0]), np.log(phase.growth[1]), there.shape))
    growth[:, 0] = 1.0
    yuan = _first_amount(world, phase, cast, state, rng)[:, None] * np.cumprod(growth, axis=1)
    if phase.payer in {HERO, CROWD} and phase.unit not in {PREVIOUS, TOTAL}:
        yuan *= np.exp(rng.normal(0, 0.25, yuan.shape))
    ceiling = np.maximum(world.people.savings[cast.hero] * 2, 500.0)[:, None]
    yuan = np.clip(yuan, _LEAST_YUAN, np.minimum(ceiling, _MOST_YUAN) if phase.payer == HERO else _MOST_YUAN)
    if phase.payer == CROWD and phase.unit == YUAN:
        low, high = phase.amount
        yuan = np.exp(rng.uniform(np.log(low), np.log(high), yuan.shape))
    played = times > 0
    final = np.maximum(times - 1, 0)
    state.clock[played] = at[played, final[played]]
    state.previous[played] = yuan[played, final[played]]
    state.total[played] += (yuan * there).sum(1)[played]
    story, place = np.nonzero(there)
    return Scene(story, at[there], yuan[there], place == final[story])


def _awake(at: Ints) -> Ints:
    """Nobody deceived pays in their sleep: what would fall in the small hours waits for the morning, in order."""
    local = (at + LOCAL_OFFSET) % DAY
    asleep = (local > HOUR // 4) & (local < 7 * HOUR)
    later = np.where(asleep, at + 6 * HOUR, at)
    later = np.maximum.accumulate(later, axis=1)
    return later + np.arange(at.shape[1]) * SECOND


def _first_amount(world: World, phase: Phase, cast: Cast, state: Told, rng: np.random.Generator) -> Floats:
    low, high = np.log(phase.amount)
    drawn = np.exp(rng.uniform(low, high, len(cast.hero)))
    if phase.unit == INCOME:
        return np.asarray(drawn * world.people.income[cast.hero])
    if phase.unit == SAVINGS:
        return np.asarray(drawn * world.people.savings[cast.hero])
    if phase.unit == PREVIOUS:
        return np.asarray(drawn * state.previous)
    return np.asarray(drawn * state.total) if phase.unit == TOTAL else np.asarray(drawn)


def _play(
    world: World, crews: Crews, plot: Plot, phase: Phase, cast: Cast, scene: Scene, rng: np.random.Generator
) -> Moves:
    """The moves of a phase, complete but for step numbers and reports."""
    count, of = len(scene.of), scene.of
    moves = blank(count)
    moves["time"] = scene.time
    moves["kind"] = _KINDS[np.minimum(np.searchsorted(np.cumsum(phase.via), rng.random(count), side="right"), 4)]
    moves["amount"] = minor(scene.yuan, rng)
    moves["story"] = cast.number[of]
    if plot.crime != NONE and phase.payer != LENDER:
        moves["label"], moves["story_kind"], moves["role"], moves["layer"] = 1, plot.crime, phase.role, 0
    moves["payer"] = _accounts(world, crews, phase.payer, cast, scene, rng)
    moves["payee"] = _accounts(world, crews, phase.payee, cast, scene, rng)
    moves["memo"] = np.where(rng.random(count) < 0.35, phase.memo, NONE)
    moves["channel"] = MOBILE
    _goods(world, crews, plot, cast, of, moves, rng)
    by_crew = phase.payer == FRONT or plot.stolen
    if by_crew:
        dress_crew(world, crews, moves, cast.crew[of], cast.slot[of], rng, foreign=plot.stolen)
    elif phase.payer != LENDER:
        dress_owner(world, moves, np.arange(count), rng)
    _circumstances(phase, moves, rng)
    return moves


def _accounts(world: World, crews: Crews, party: int, cast: Cast, scene: Scene, rng: np.random.Generator) -> Ints:
    of, time, people = scene.of, scene.time, world.config.people
    if party == FRONT:
        return crews.account(cast.crew[of], cast.slot[of], time)
    if party == LENDER:
        return cast.lender[of]
    if party == CROWD:
        person = (cast.hero[of] + rng.integers(1, people, len(of))) % people
    else:
        person = (cast.hero if party == HERO else cast.stranger)[of]
    return np.where(cast.bank[of], person, world.wallet(person, time))


def _goods(
    world: World, crews: Crews, plot: Plot, cast: Cast, of: Ints, moves: Moves, rng: np.random.Generator
) -> None:
    """Payments that are no transfers go to a shop: the crew's, any, or the exchange; top-ups to the payer's own wallet."""
    count = len(moves)
    kind = moves["kind"]
    shop = kind != TRANSFER
    moves["payee"][shop] = NONE
    anywhere = rng.integers(0, world.config.merchants - 1, count)
    stays = (plot.crime != NONE) & (not plot.stolen) & (rng.random(count) < 0.85)
    merchant = np.where(stays, cast.shop[of], anywhere)
    merchant = np.where(kind == CRYPTO, world.exchange, merchant)
    sold = (kind == CARD) | (kind == QR) | (kind == CRYPTO)
    moves["merchant"] = np.where(sold, merchant, NONE)
    moves["terminal"] = np.where(sold, rng.integers(0, 3, count), NONE)
    person = world.accounts.holder[moves["payer"]]
    card = (kind == CARD) & (person >= 0)
    moves["payer"][card] = person[card]
    top = (kind == TOPUP) & (person >= 0)
    moves["payee"][top] = world.wallet(person, moves["time"])[top]
    moves["payer"][top] = person[top]
    moves["channel"] = np.where(card & (rng.random(count) < 0.6), WEB, moves["channel"])


def _circumstances(phase: Phase, moves: Moves, rng: np.random.Generator) -> None:
    count = len(moves)
    online = moves["device"] != NONE
    moves["screen"] = online & ((moves["screen"] > 0) | (rng.random(count) < phase.screen))
    moves["call"] = online & ((moves["call"] > 0) | (rng.random(count) < phase.call))
    found = online & (rng.random(count) < phase.found)
    moves["finding"] = np.where(found & (moves["finding"] == NONE), phase.finding, moves["finding"])


def minor(yuan: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    """Amounts as people write them: often round, large ones rounder. Minor units, at least 1."""
    step = np.where(yuan >= 20_000, 1_000.0, np.where(yuan >= 2_000, 100.0, np.where(yuan >= 100, 10.0, 1.0)))
    draw = rng.random(len(yuan))
    step = np.where(draw < 0.55, step, np.where(draw < 0.8, 1.0, 0.01))
    rounded = np.maximum(np.rint(yuan / step) * step, np.where(yuan < 1, 0.01, 1.0))
    made: Ints = np.maximum(np.rint(rounded * 100), 1).astype(np.int64)
    return made


def _run(crews: Crews, phase: Phase, cast: Cast, scene: Scene, moves: Moves, rng: np.random.Generator) -> Moves:
    """The money of a phase on its way through the crew's accounts."""
    arrived = np.flatnonzero(moves["kind"] == TRANSFER)
    of = scene.of[arrived]
    last = np.full(len(cast.hero), NONE)
    last[of] = arrived  # in order: the last one stays
    # A front that gathers holds what came to it; what came to its forerunner is lost from sight.
    gathered = moves["payee"][arrived] == moves["payee"][last[of]] if phase.run == SUM else arrived == arrived
    arrived, of = arrived[gathered], of[gathered]
    to = last[of] if phase.run == SUM else arrived
    chain = moves["story"][to].astype(np.int64) * CHAINS_A_STORY + (moves["time"][to] // SECOND) % CHAINS_A_STORY
    moves["chain"][arrived] = chain
    amounts = np.zeros(len(moves), np.int64)
    np.add.at(amounts, to, moves["amount"][arrived])
    ends = np.unique(to)
    story = scene.of[ends]
    return run_money(crews, moves[ends], amounts[ends], cast.crew[story], cast.slot[story], rng)


def _saved_once(moves: Moves) -> None:
    """Whoever is paid again in a story was saved before the first time."""
    at = np.flatnonzero(moves["payee_added"] != NONE)
    order = at[np.lexsort((moves["payee_added"][at], moves["payee"][at], moves["payer"][at], moves["story"][at]))]
    tie = moves[["story", "payer", "payee"]][order]
    first = np.ones(len(order), np.bool_)
    first[1:] = tie[1:] != tie[:-1]
    begins = np.flatnonzero(first)
    moves["payee_added"][order] = moves["payee_added"][order[begins]][np.cumsum(first) - 1]


def _numbered(moves: Moves) -> Moves:
    """In order of story and time, each with its step and how many the story has."""
    moves = moves[np.lexsort((moves["time"], moves["story"]))]
    _, first, counts = np.unique(moves["story"], return_index=True, return_counts=True)
    moves["step"] = np.arange(len(moves)) - np.repeat(first, counts) + 1
    moves["steps"] = np.repeat(counts, counts)
    return moves
