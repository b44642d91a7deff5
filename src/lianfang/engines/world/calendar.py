"""What day it is: weekends and the feasts that change how people pay.

Lunar new year's days are facts of the calendar (GB/T 33661-2017 computes them); the others are dates. How strongly a feast
changes behaviour is ours, plausible and not measured.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

SPRING_FESTIVAL: Final = {
    2024: date(2024, 2, 10),
    2025: date(2025, 1, 29),
    2026: date(2026, 2, 17),
    2027: date(2027, 2, 6),
    2028: date(2028, 1, 26),
    2029: date(2029, 2, 13),
    2030: date(2030, 2, 3),
    2031: date(2031, 1, 23),
    2032: date(2032, 2, 11),
}
"""First day of the first lunar month. Outside these years the world has no Spring Festival."""
_SATURDAY: Final = 5


class Today(NamedTuple):
    """How a day differs. Factors multiply; shares are of transfers or of people."""

    free: bool
    """Hours of a weekend."""
    activity: float
    red_packets: float
    """Share of transfers that are red packets."""
    shopping: float
    """Factor on online purchases and their amounts."""
    travelling: float
    """Share of people who are in another city."""
    payroll_late: bool
    """Offices are closed: salaries wait."""


ORDINARY: Final = Today(False, 0.95, 0.07, 1.0, 0.04, False)
WEEKEND: Final = Today(True, 1.12, 0.08, 1.0, 0.06, False)
NEW_YEARS_EVE: Final = Today(True, 1.5, 0.72, 0.7, 0.3, True)
FESTIVAL: Final = Today(True, 1.05, 0.42, 0.8, 0.28, True)
HOLIDAY: Final = Today(True, 1.2, 0.1, 1.1, 0.22, True)
SALE: Final = Today(False, 1.45, 0.06, 1.7, 0.04, False)


def today(day: date) -> Today:
    """The kind of day a date is."""
    new_year = SPRING_FESTIVAL.get(day.year)
    if new_year is not None:
        if day == new_year - timedelta(days=1):
            return NEW_YEARS_EVE
        if new_year <= day < new_year + timedelta(days=7):
            return FESTIVAL
    if (day.month, day.day) in {(11, 11), (6, 18), (12, 12)}:  # the platforms' sales
        return SALE
    if (day.month == 10 and day.day <= 7) or (day.month == 5 and day.day <= 5) or (day.month, day.day) == (1, 1):
        return HOLIDAY
    return WEEKEND if day.weekday() >= _SATURDAY else ORDINARY
