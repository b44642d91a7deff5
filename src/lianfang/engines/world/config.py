"""What to simulate. Everything else follows from these numbers and the seed."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from lianfang.kernel.instant import DAY, HOUR
from lianfang.wire.payment import Part

PEOPLE_MAX: Final = 2_000_000
MERCHANTS_MAX: Final = 200_000
DAYS_MAX: Final = 3_650
LOCAL_OFFSET: Final = 8 * HOUR
"""The world lives at UTC+8."""


class WorldConfig(Part, kw_only=True, frozen=True):
    """The defaults make about 36,000 payments a day, of which about 0.2 % belong to a scam."""

    seed: int = 1
    people: Annotated[int, Meta(ge=50, le=PEOPLE_MAX)] = 20_000
    merchants: Annotated[int, Meta(ge=20, le=MERCHANTS_MAX)] = 1_500
    members: Annotated[int, Meta(ge=1, le=50)] = 4
    """Institutions that keep the accounts."""
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] = 7
    start: Annotated[int, Meta(ge=0)] = 1_772_380_800_000_000
    """Instant; days begin at local midnight before it. The default is 2026-03-02, a Monday."""
    payments_per_person: Annotated[float, Meta(gt=0, le=100)] = 1.75
    """A day, on average."""
    scams_per_day: Annotated[float, Meta(ge=0, le=100_000)] = 4.0
    """Stories that begin on a day, on average. One story is 3 to 60 payments, mules' included, over hours or days."""
    never_known: Annotated[float, Meta(ge=0, le=1)] = 0.15
    """Share of stories that nobody ever reports."""
    id_prefix: Annotated[str, Meta(min_length=1, max_length=24)] = "p"
    """Begins every payment's id. A live stream needs a new one each run: an id is decided once."""

    @property
    def first_day(self) -> int:
        """Instant of local midnight of the first day."""
        return (self.start + LOCAL_OFFSET) // DAY * DAY - LOCAL_OFFSET


def demo_config(seed: int = 1, start: int = WorldConfig().start, id_prefix: str = "demo") -> WorldConfig:
    """A small world to look at: 2,000 people, about 3,600 payments a day, two a minute of its own time.

    Crime is some twenty times what the default world has (about 5 % of payments), so that a stream sped up to 30 payments
    a second shows something suspicious every second or two. At that pace two minutes are a day: let it start weeks
    before now and its own clock will not overtake the node's.
    """
    return WorldConfig(
        seed=seed,
        people=2_000,
        merchants=200,
        members=4,
        days=365,
        start=start,
        scams_per_day=14.0,
        id_prefix=id_prefix,
    )
