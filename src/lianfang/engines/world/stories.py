"""Scams as little stories: who is taken in, how the payments follow each other, where the money runs.

Each story writes its moves, the mules' included, into a script that knows their story, kind and label. The figures in
them (delays, amounts, shares) are plausible, not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lianfang.engines.world.moves import MOVE, NEVER, NONE, Moves
from lianfang.engines.world.people import CREW_ADDRESSES, MOBILE_POOL, World
from lianfang.engines.world.tables import (
    ATM,
    BIOMETRIC,
    BRUSHING,
    CARD,
    CARD_TESTING,
    CITIES,
    CRYPTO,
    DEPOSIT,
    ELECTRONICS,
    EMULATOR,
    FAKE_SERVICE,
    FAN_IN,
    FEE,
    GAMES,
    JEWELLERY,
    MOBILE,
    MULE,
    NEW_DEVICE,
    NO_AUTH,
    OTP,
    PASSWORD,
    PIN,
    POLICE,
    REBATE,
    RECHARGE,
    RETIRED,
    SCREEN_SHARE,
    SHARE_AND_CONTROL,
    TAKEOVER,
    TASK,
    TRANSFER,
    WEB,
    WITHDRAWAL,
)
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND

YUAN: Final = 100
_WITHDRAWAL_MOST: Final = 20_000 * YUAN
_CREW_MULES: Final = 9
"""Accounts of a crew at one time: six take the victims' money, three pass it on."""
_MULE_LIFE_DAYS: Final = 5
"""A crew's accounts are burnt and replaced this often."""


class Script:
    """The moves of one story. Mules and crew devices are those of the crew behind it."""

    def __init__(self, world: World, rng: np.random.Generator, day: int, number: int, kind: int) -> None:
        self.world = world
        self.rng = rng
        self.midnight = world.config.first_day + day * DAY
        self.number = number
        self.kind = kind
        crews = max(2, int(world.config.scams_per_day / 3))
        self._crew = int(rng.integers(crews))
        # A generator of the crew's own: all stories of a crew in the same days meet the same mules.
        sequence = np.random.SeedSequence([world.config.seed, 2, self._crew, day // _MULE_LIFE_DAYS])
        own = np.random.Generator(np.random.PCG64(sequence))
        self.mules = own.choice(world.config.people, _CREW_MULES, replace=False).tolist()
        self._rows: list[tuple[Any, ...]] = []

    def at(self, first_hour: float, last_hour: float) -> int:
        """An instant of the story's first day, local time."""
        return self.midnight + int(self.rng.uniform(first_hour, last_hour) * HOUR)

    def wait(self, least: int, most: int) -> int:
        """A delay (us)."""
        return int(self.rng.integers(least, most))

    def front_mule(self) -> int:
        """An account that takes money from victims."""
        return int(self.mules[self.rng.integers(_CREW_MULES - 3)])

    def victim(self, profile: int | None = None) -> int:
        """Somebody who is not one of the crew's mules, with the profile where it can be had."""
        for _ in range(40):
            person = int(self.rng.integers(self.world.config.people))
            if person not in self.mules and profile in {None, int(self.world.people.profile[person])}:
                return person
        return next(p for p in range(self.world.config.people) if p not in self.mules)

    def savings(self, person: int) -> int:
        """Minor units within reach."""
        return int(self.world.people.income[person] * self.rng.uniform(1.5, 7.0)) * YUAN

    def own(self, person: int) -> dict[str, int]:
        """The person's own device and home network."""
        return {
            "device": 2 * person,
            "ip": int(self.world.people.household[person]),
            "city": int(self.world.people.city[person]),
        }

    def foreign(self) -> dict[str, int]:
        """A device and an address of the crew, somewhere else."""
        device = 2 * self.world.config.people + int(self.rng.integers(self.world.crew_devices))
        ip = self.world.homes + MOBILE_POOL + int(self.rng.integers(CREW_ADDRESSES))
        city, vpn = int(self.rng.integers(len(CITIES))), int(self.rng.random() < 0.5)
        return {"device": device, "ip": ip, "city": city, "vpn": vpn}

    def add(self, time: int, kind: int, amount: int, payer: int, **fields: int) -> None:
        """One move of the story, fraud unless said otherwise; fields as in MOVE."""
        row = _QUIET | {"channel": MOBILE, "story_kind": self.kind, "story": self.number} | fields
        row |= {"time": time, "kind": kind, "amount": max(int(amount), 1), "payer": payer}
        if row["channel"] in {MOBILE, WEB} and row["started"] == NONE:
            row["started"] = time - self.wait(20 * SECOND, 10 * MINUTE)
        self._rows.append(tuple(row[name] for name in _NAMES))

    def finish(self, never_known: float) -> Moves:
        """The story's moves; all become known together, days after the last one, or never."""
        moves = np.array(self._rows, MOVE)
        delay = int(self.rng.lognormal(0.4, 0.9) * DAY) + HOUR
        reported = self.rng.random() >= never_known
        moves["known_at"] = moves["time"].max() + delay if reported else NEVER
        return moves


_NAMES: Final = MOVE.names or ()
_QUIET: Final = dict.fromkeys(_NAMES, NONE) | {"failed": 0, "screen": 0, "call": 0, "vpn": 0, "label": 1}


def _launder(script: Script, mule: int, amount: int, arrived: int) -> None:
    """Money at a mule: on to the second layer within hours, then out as cash or crypto."""
    leaves = arrived + script.wait(4 * MINUTE, 3 * HOUR)
    keep = script.rng.uniform(0.01, 0.06)
    parts = int(script.rng.integers(1, 3))
    for part in range(parts):
        second = int(script.mules[-1 - int(script.rng.integers(3))])
        share = int(amount * (1 - keep)) // parts
        moved = leaves + part * script.wait(MINUTE, 10 * MINUTE)
        device = script.own(mule) if script.rng.random() < 0.5 else script.foreign()
        script.add(
            moved,
            TRANSFER,
            share // YUAN * YUAN,
            mule,
            payee=second,
            payee_added=moved - script.wait(MINUTE, 3 * DAY),
            authentication=PASSWORD,
            story_kind=MULE,
            **device,
        )
        _cash_out(script, second, share, moved)


def _cash_out(script: Script, mule: int, amount: int, arrived: int) -> None:
    at = arrived + script.wait(5 * MINUTE, 2 * HOUR)
    if script.rng.random() < 0.45:
        script.add(
            at,
            CRYPTO,
            amount * 97 // 100 // YUAN * YUAN,
            mule,
            merchant=script.world.exchange,
            terminal=0,
            authentication=PASSWORD,
            story_kind=MULE,
            **script.foreign(),
        )
        return
    left = min(amount, 3 * _WITHDRAWAL_MOST) // (100 * YUAN) * (100 * YUAN)
    city = int(script.rng.integers(len(CITIES)))
    while left > 0:
        taken = min(left, _WITHDRAWAL_MOST)
        script.add(at, WITHDRAWAL, taken, mule, channel=ATM, authentication=PIN, story_kind=MULE, city=city)
        left -= taken
        at += script.wait(40 * SECOND, 6 * MINUTE)


def fake_customer_service(script: Script) -> None:
    """A caller "from the shop" has the victim share the screen, then move the savings to a "safe" new payee."""
    victim, mule = script.victim(), script.front_mule()
    at = script.at(9, 21)
    added, savings = at - script.wait(MINUTE, 8 * MINUTE), script.savings(victim)
    started = at - script.wait(15 * MINUTE, 50 * MINUTE)
    for share in sorted(script.rng.dirichlet([2.0] * int(script.rng.integers(2, 5))).tolist()):
        amount = int(savings * share * 0.85) // YUAN * YUAN
        script.add(
            at,
            TRANSFER,
            amount,
            victim,
            payee=mule,
            payee_added=added,
            started=started,
            screen=1,
            call=1,
            authentication=OTP,
            memo=DEPOSIT,
            finding=SHARE_AND_CONTROL if script.rng.random() < 0.7 else SCREEN_SHARE,
            **script.own(victim),
        )
        _launder(script, mule, amount, at)
        at += script.wait(2 * MINUTE, 12 * MINUTE)


def brushing_rebate(script: Script) -> None:
    """Small tasks with small rewards, then tasks that cost more and pay nothing: over one to three days."""
    victim, mule = script.victim(), script.front_mule()
    at, stake = script.at(10, 20), int(script.rng.integers(100, 400)) * YUAN
    limit = script.savings(victim)
    added = at - script.wait(2 * MINUTE, 30 * MINUTE)
    for step in range(int(script.rng.integers(4, 8))):
        common = script.own(victim) | {"authentication": BIOMETRIC, "memo": TASK}
        script.add(at, TRANSFER, stake, victim, payee=mule, payee_added=added, **common)
        if step < 2:
            back = at + script.wait(5 * MINUTE, 30 * MINUTE)
            script.add(back, TRANSFER, stake * 115 // 100, mule, payee=victim, memo=REBATE, **script.foreign())
        else:
            _launder(script, mule, stake, at)
        at += script.wait(20 * MINUTE, 9 * HOUR)
        stake = min(int(stake * script.rng.uniform(1.8, 4.0)) // YUAN * YUAN, limit)


def impersonated_police(script: Script) -> None:
    """Hours on the phone with "an officer"; everything goes to a "safe account", in large round sums."""
    victim = script.victim(RETIRED if script.rng.random() < 0.6 else None)
    at, left = script.at(9, 16), script.savings(victim) * 2
    for _ in range(int(script.rng.integers(2, 5))):
        mule = script.front_mule()
        amount = max(left * int(script.rng.integers(35, 65)) // 100 // (1_000 * YUAN), 1) * 1_000 * YUAN
        script.add(
            at,
            TRANSFER,
            amount,
            victim,
            payee=mule,
            payee_added=at - script.wait(MINUTE, 6 * MINUTE),
            call=1,
            screen=int(script.rng.random() < 0.35),
            authentication=OTP,
            memo=DEPOSIT,
            **script.own(victim),
        )
        _launder(script, mule, amount, at)
        left -= amount
        at += script.wait(10 * MINUTE, HOUR)


def account_takeover(script: Script) -> None:
    """A stranger's device, some wrong passwords, then the account is emptied within minutes."""
    victim, crew = script.victim(), script.foreign()
    at, savings = script.at(0, 24), script.savings(victim)
    since = at - script.wait(2 * MINUTE, 20 * MINUTE)
    for _ in range(int(script.rng.integers(2, 6))):
        mule = script.front_mule()
        amount = int(savings * script.rng.uniform(0.1, 0.4)) // YUAN * YUAN
        script.add(
            at,
            TRANSFER,
            amount,
            victim,
            payee=mule,
            payee_added=at - script.wait(20 * SECOND, 3 * MINUTE),
            started=since,
            device_since=since,
            failed=int(script.rng.integers(1, 6)),
            authentication=OTP if script.rng.random() < 0.6 else PASSWORD,
            finding=NEW_DEVICE,
            **crew,
        )
        _launder(script, mule, amount, at)
        at += script.wait(40 * SECOND, 4 * MINUTE)


def card_testing(script: Script) -> None:
    """Stolen cards tried with tiny sums at one online shop, seconds apart; the live ones then buy what resells."""
    shop, device = _shop(script, GAMES), script.foreign()
    at = script.at(0, 24)
    holders = [script.victim() for _ in range(int(script.rng.integers(6, 15)))]
    common = device | {"channel": WEB, "authentication": NO_AUTH, "terminal": 0, "finding": EMULATOR}
    for holder in holders:
        for _ in range(int(script.rng.integers(1, 4))):
            amount = int(script.rng.integers(1, 10 * YUAN))
            script.add(at, CARD, amount, holder, merchant=shop, device_since=at - MINUTE, **common)
            at += script.wait(2 * SECOND, 20 * SECOND)
    resale = [_shop(script, ELECTRONICS), _shop(script, JEWELLERY)]
    for holder in holders[: int(script.rng.integers(2, 5))]:
        at += script.wait(2 * MINUTE, 30 * MINUTE)
        amount = int(script.rng.integers(1_500, 9_000)) * YUAN
        shop = resale[int(script.rng.integers(2))]
        script.add(at, CARD, amount, holder, merchant=shop, device_since=at - HOUR, **common)


def fan_in(script: Script) -> None:
    """An illegal gambling site's account: small deposits from many people in an hour or two, then all of it out."""
    mule, at, total = script.front_mule(), script.at(12, 23), 0
    for _ in range(int(script.rng.integers(10, 26))):
        player, amount = script.victim(), int(script.rng.choice([100, 200, 300, 500, 1_000, 2_000])) * YUAN
        script.add(
            at,
            TRANSFER,
            amount,
            player,
            payee=mule,
            payee_added=at - script.wait(20 * SECOND, 5 * MINUTE),
            authentication=BIOMETRIC,
            memo=RECHARGE if script.rng.random() < 0.5 else FEE,
            **script.own(player),
        )
        total += amount
        at += script.wait(40 * SECOND, 8 * MINUTE)
    _launder(script, mule, total, at)


def _shop(script: Script, trade: int) -> int:
    """A shop of the trade, any shop where the world has none."""
    fitting = np.flatnonzero(script.world.merchant_trade == trade)
    return int(script.rng.choice(fitting)) if len(fitting) else int(script.rng.integers(script.world.exchange))


Story = Callable[[Script], None]
PLOTS: Final[tuple[tuple[int, float, Story], ...]] = (
    (FAKE_SERVICE, 0.24, fake_customer_service),
    (BRUSHING, 0.20, brushing_rebate),
    (POLICE, 0.13, impersonated_police),
    (TAKEOVER, 0.18, account_takeover),
    (CARD_TESTING, 0.13, card_testing),
    (FAN_IN, 0.12, fan_in),
)
"""Kind, share of all stories, plot. A new scam is a function and a line here."""


def begin_stories(world: World, day: int, first_number: int, rng: np.random.Generator) -> list[Moves]:
    """Stories that begin on a day, each with all its moves, this day's and later ones, numbers from `first_number`."""
    count = int(rng.poisson(world.config.scams_per_day))
    plots = rng.choice(len(PLOTS), count, p=[share for _, share, _ in PLOTS]).tolist()
    told = []
    for offset, plot in enumerate(plots):
        kind, _, story = PLOTS[plot]
        script = Script(world, rng, day, first_number + offset, kind)
        story(script)
        told.append(script.finish(world.config.never_known))
    return told
