"""Against counting through: nobody gets more tokens than its customers and its questions account for.

Two lanes. `bulk`: a member's own subjects, as many of each kind in an epoch as it declared, and a little more. `query`:
strangers met in payments and cases; a token bucket for the member and one for the person, and a question is paid for as
the miss it most likely is. What turns out to be a hit (a tag was opened) or to matter (a payment or case confirmed) gives
some of it back. The prices are those of Brazil's Pix directory (Manual operacional do DICT), which keeps out the same thing.

Pure: times are arguments, microseconds UTC; a clock that runs back refills nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from lianfang.kernel.errors import AccessError, InputError
from lianfang.kernel.instant import DAY

Lane = Literal["bulk", "query"]
Code = Literal["quota-dry", "misses", "bulk-over"]
SENTENCES: Final[dict[Code, tuple[str, str]]] = {
    "quota-dry": ("查询额度用尽，疑似批量试探", "ran out of quota: is somebody counting through?"),
    "misses": (
        "近期查询几乎都没有下文，疑似批量试探",
        "almost nothing it asked about lately led to anything: is somebody counting through?",
    ),
    "bulk-over": ("批量令牌超过申报数量", "asked for more bulk tokens than it declared"),
}
"""What an operator reads, in Chinese and English."""
RECENT: Final = 200
"""Over so many questions the share of those that led to nothing is judged."""


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices and sizes of buckets; `app/keyholder/metering.toml` says why."""

    price_hit: int = 1
    price_miss: int = 3
    price_miss_consumer: int = 20
    member_capacity: int = 4_500
    member_refill_per_day: int = 30_000
    member_refill_share: float = 0.05
    """Of the declared volume, a day, if that is more."""
    person_capacity: int = 900
    person_refill_per_day: int = 3_000
    bulk_margin: float = 0.05
    miss_share_alarm: float = 0.9


class Asked(NamedTuple):
    """One request for tokens."""

    member: str
    declared: int
    person: str
    """A salted hash that the member makes; the holder cannot know who it is."""
    kind: str
    purpose: str
    epoch: str
    lane: Lane
    tokens: int
    consumer: bool = False
    """Asked for a consumer-facing service, where a miss costs more."""


class Left(NamedTuple):
    """What may still be asked for in the lane, in tokens of it, and when a drained bucket is full again."""

    more: int
    full_at: int


class Alarm(NamedTuple):
    """Something an operator is to look at."""

    code: Code
    member: str
    zh: str
    en: str


class Level(msgspec.Struct):
    """A bucket's content at a moment."""

    amount: float
    at: int


class QuotaError(AccessError):
    """No more for now."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what, "quota", retry_after_s)


class Meter:
    """All buckets of a keyholder. `changed` holds the keys that a store has still to write; not thread-safe."""

    def __init__(self, rates: Rates, levels: dict[str, Level], used: dict[str, int], given: Iterable[str]) -> None:
        self.rates = rates
        self.levels = levels
        self.used = used
        """By member, kind, purpose and epoch: tokens of the bulk lane."""
        self.given = set(given)
        """References that gave something back already."""
        self.changed: set[str] = set()
        self.alarms: list[Alarm] = []
        self._recent: dict[str, deque[bool]] = {}
        self._alarmed: dict[tuple[str, str], int] = {}

    def charge(self, asked: Asked, now: int) -> Left:
        """Take the price. Raises `QuotaError`, and then nothing was taken."""
        if asked.tokens < 1:
            raise InputError("at least one token is asked for", "elements")
        return self._bulk(asked, now) if asked.lane == "bulk" else self._query(asked, now)

    def _bulk(self, asked: Asked, now: int) -> Left:
        key = f"{asked.member}/{asked.kind}/{asked.purpose}/{asked.epoch}"
        most = int(asked.declared * (1 + self.rates.bulk_margin))
        used = self.used.get(key, 0)
        if used + asked.tokens > most:
            self._alarm("bulk-over", asked.member, now)
            raise QuotaError(
                f"{asked.member} declared {asked.declared:,} subjects, and {used:,} tokens of {asked.kind} were given in "
                f"{asked.epoch}: have the hub's operator change the number declared",
                DAY / 1e6,
            )
        self.used[key] = used + asked.tokens
        self.changed.add(key)
        return Left(most - used - asked.tokens, now)

    def _query(self, asked: Asked, now: int) -> Left:
        rates = self.rates
        each = rates.price_miss_consumer if asked.consumer else rates.price_miss
        price = asked.tokens * each
        buckets = {f"{asked.member}'s": self._member(asked, now), "this person's": self._person(asked, now)}
        for whose, (level, capacity, per_us) in buckets.items():
            if level.amount < price:
                self._alarm("quota-dry", asked.member, now)
                wait_s = (min(price, capacity) - level.amount) / per_us / 1e6
                what = f"{whose} quota is used up: {int(level.amount)} left, {price} needed; it fills again with time"
                raise QuotaError(what, max(wait_s, 1.0))
        for level, _, _ in buckets.values():
            level.amount -= price
        self.changed |= {f"m/{asked.member}", f"p/{asked.member}/{asked.person}"}
        self._count(asked, now)
        level, capacity, per_us = min(buckets.values(), key=lambda one: one[0].amount)
        return Left(int(level.amount // each), now + int((capacity - level.amount) / per_us))

    def opened(self, member: str, person: str, tags: Iterable[str], now: int) -> int:
        """The member opened these tags by tokens it asked for: the price of a miss becomes that of a hit, each tag once."""
        fresh = [tag for tag in dict.fromkeys(tags) if f"{member}/tag/{tag}" not in self.given]
        for tag in fresh:
            self._once(f"{member}/tag/{tag}")
            self._mattered(member)
        return self._give(member, person, (self.rates.price_miss - self.rates.price_hit) * len(fresh))

    def confirmed(self, member: str, person: str, references: Iterable[str]) -> int:
        """Payments or cases on subjects that were asked about are confirmed: 1 is given back for each reference, once."""
        fresh = [one for one in dict.fromkeys(references) if f"{member}/ref/{one}" not in self.given]
        for one in fresh:
            self._once(f"{member}/ref/{one}")
            self._mattered(member)
        return self._give(member, person, len(fresh))

    def _mattered(self, member: str) -> None:
        """One of the latest questions was no idle one."""
        recent = self._recent.get(member)
        if recent and False in recent:
            recent.remove(False)
            recent.append(True)

    def _once(self, key: str) -> None:
        self.given.add(key)
        self.changed.add(f"given:{key}")

    def _give(self, member: str, person: str, amount: int) -> int:
        rates = self.rates
        for key, capacity in ((f"m/{member}", rates.member_capacity), (f"p/{member}/{person}", rates.person_capacity)):
            if key in self.levels:
                self.levels[key].amount = min(self.levels[key].amount + amount, capacity)
                self.changed.add(key)
        return amount

    def _member(self, asked: Asked, now: int) -> tuple[Level, int, float]:
        rates = self.rates
        per_day = max(rates.member_refill_per_day, asked.declared * rates.member_refill_share)
        return self._level(f"m/{asked.member}", rates.member_capacity, per_day / DAY, now)

    def _person(self, asked: Asked, now: int) -> tuple[Level, int, float]:
        key = f"p/{asked.member}/{asked.person}"
        return self._level(key, self.rates.person_capacity, self.rates.person_refill_per_day / DAY, now)

    def _level(self, key: str, capacity: int, per_us: float, now: int) -> tuple[Level, int, float]:
        level = self.levels.setdefault(key, Level(float(capacity), now))
        passed = max(now - level.at, 0)
        level.amount = min(level.amount + passed * per_us, float(capacity))
        level.at = max(level.at, now)
        return level, capacity, per_us

    def _count(self, asked: Asked, now: int) -> None:
        recent = self._recent.setdefault(asked.member, deque(maxlen=RECENT))
        recent.extend([False] * min(asked.tokens, RECENT))
        if len(recent) == RECENT and recent.count(False) > self.rates.miss_share_alarm * RECENT:
            self._alarm("misses", asked.member, now)

    def _alarm(self, code: Code, member: str, now: int) -> None:
        """Once a day for each cause, not with every question."""
        if now - self._alarmed.get((code, member), -DAY) >= DAY:
            self._alarmed[code, member] = now
            self.alarms.append(Alarm(code, member, *SENTENCES[code]))
