"""How many years the lake keeps its days: the default, or as long as the laws ask that an installation says bind it."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta

from lianfang.kernel.errors import InputError
from lianfang.wire import build
from lianfang.wire.payment import Id, Part, Text
from lianfang.wire.rule import Law

FILE: Final = Path(__file__).parent / "retention.toml"
YEARS_MAX: Final = 100
Years = Annotated[int, Meta(ge=1, le=YEARS_MAX)]


class Keeping(Part, frozen=True, kw_only=True):
    """A law that asks to keep what the lake holds."""

    name: Id
    years: Years
    since: date
    """The day from which this entry stands here."""
    valid_from: date
    valid_until: date | None = None
    zh: Text
    en: Text
    source: Text
    law: Law


class Retention(Part, frozen=True, kw_only=True):
    """The file."""

    schema: Literal["retention/1"]
    default_years: Years
    laws: tuple[Keeping, ...] = ()


class Kept(NamedTuple):
    """The years, and the law that asks for them; None: the default, or what the installation chose beyond the law."""

    years: int
    law: Keeping | None


@cache
def retention() -> Retention:
    """The shipped file."""
    document: dict[str, Any] = tomllib.loads(FILE.read_text("utf-8"))
    return build(Retention, document)


def kept(names: str, today: date, years: int | None = None) -> Kept:
    """How long to keep. `names`: the laws that bind, separated by `:`; `years`: the installation's own wish.

    Raises `InputError` for a law that the file does not know or that is out of force, and for a wish below the law.
    """
    laws = {one.name: one for one in retention().laws}
    binding = []
    for name in filter(None, names.split(":")):
        if name not in laws:
            raise InputError(f"no law {name!r} in the retention file; there are {', '.join(sorted(laws))}", "lake_law")
        one = laws[name]
        if today < one.valid_from or (one.valid_until is not None and today >= one.valid_until):
            raise InputError(f"{name} ({one.law.en}) is not in force on {today}", "lake_law")
        binding.append(one)
    longest = max(binding, key=lambda one: one.years, default=None)
    if years is not None and longest is not None and years < longest.years:
        raise InputError(f"{longest.law.en} asks for {longest.years} years; {years} are too few", "--years")
    wish = years if years is not None else 0 if longest else retention().default_years
    return Kept(wish, None) if longest is None or wish > longest.years else Kept(longest.years, longest)
