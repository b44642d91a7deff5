"""What to simulate. Everything else follows from these numbers and the seed."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.kernel.instant import DAY, HOUR
from lianfang.wire.payment import Part

PEOPLE_MAX: Final = 2_000_000
MERCHANTS_MAX: Final = 200_000
DAYS_MAX: Final = 3_650
LOCAL_OFFSET: Final = 8 * HOUR
"""The world lives at UTC+8."""
HORIZON_DAYS: Final = 21
"""No story lasts longer: a day depends on the stories begun on it and on so many days before it, and on nothing else."""

Scenario = Literal["default", "alliance-mini", "demo"]


class WorldConfig(Part, kw_only=True, frozen=True):
    """The defaults make about 36,000 payments a day, of which about 0.3 % belong to a crime (docs/reference/world.md)."""

    seed: int = 1
    people: Annotated[int, Meta(ge=50, le=PEOPLE_MAX)] = 20_000
    merchants: Annotated[int, Meta(ge=20, le=MERCHANTS_MAX)] = 1_500
    members: Annotated[int, Meta(ge=1, le=50)] = 4
    """Institutions: one platform, a payment institution for every four, the rest banks; one alone is a bank."""
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] = 7
    start: Annotated[int, Meta(ge=0)] = 1_772_380_800_000_000
    """Instant; days begin at local midnight before it. The default is 2026-03-02, a Monday."""
    payments_per_person: Annotated[float, Meta(gt=0, le=100)] = 1.75
    """A day, on average."""
    scams_per_day: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    """Stories of crime that begin on a day, on average; by default 0.8 a day for 1,000 people. One is 1 to 60 payments."""
    never_known: Annotated[float, Meta(ge=0, le=1)] = 0.3
    """Share of stories that nobody ever reports; each kind of crime has its own multiple of it."""
    wrong_kind: Annotated[float, Meta(ge=0, le=1)] = 0.04
    """Share of reported stories that are filed under another kind of crime."""
    false_reports: Annotated[float, Meta(ge=0, le=1)] = 0.00005
    """Share of genuine payments that somebody reports as fraud."""
    id_prefix: Annotated[str, Meta(min_length=1, max_length=24, pattern="^[!-~]*$")] = "p"
    """Begins every payment's id. A live stream needs a new one each run: an id is decided once."""

    @property
    def first_day(self) -> int:
        """Instant of local midnight of the first day."""
        return (self.start + LOCAL_OFFSET) // DAY * DAY - LOCAL_OFFSET

    @property
    def stories_per_day(self) -> float:
        """`scams_per_day`, or what follows from the number of people."""
        return self.people * 0.0008 if self.scams_per_day is None else self.scams_per_day


def demo_config(seed: int = 1, start: int = WorldConfig().start, id_prefix: str = "demo") -> WorldConfig:
    """A small world to look at: 2,000 people, about 3,600 payments a day, two a minute of its own time.

    Crime is some twenty times what the default world has (a few per cent of payments), so that a stream sped up to 30
    payments a second shows something suspicious every second or two. At that pace two minutes are a day: let it start weeks
    before now and its own clock will not overtake the node's.
    """
    return WorldConfig(
        seed=seed,
        people=2_000,
        merchants=200,
        members=4,
        days=365,
        start=start,
        scams_per_day=32.0,
        id_prefix=id_prefix,
    )


def scenario_config(name: Scenario, seed: int = 1) -> WorldConfig:
    """A ready world. `alliance-mini`: four members, 3,000 people, two weeks, stories across members; made in seconds."""
    if name == "demo":
        return msgspec.structs.replace(demo_config(seed), days=14)
    if name == "alliance-mini":
        return WorldConfig(seed=seed, people=3_000, merchants=300, members=4, days=14, scams_per_day=4.0)
    return WorldConfig(seed=seed)
