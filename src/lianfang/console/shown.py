"""How values look to people: money with its minor units, instants in the node's zone, counts, masked identifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from lianfang.console.words import Lang, sayer
from lianfang.kernel.instant import DAY, HOUR, MINUTE, SECOND, instant, moment
from lianfang.kernel.money import major_text

MASK: Final = "•"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_SPANS: Final = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))


def money(minor: int | None, currency: str = "CNY") -> str:
    """`1234567, CNY` as `12,345.67 CNY`."""
    if minor is None:
        return "–"
    return f"{major_text(minor, currency)} {currency}"


def count(n: float | None) -> str:
    """With thousands' commas."""
    if n is None:
        return "–"
    return f"{n:,}" if isinstance(n, int) else f"{n:,.1f}"


def percent(share: float | None, digits: int = 1) -> str:
    """`0.123` as `12.3 %`."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"


def size(n: int) -> str:
    """Bytes in the largest fitting unit of 1000: `1234567` as `1.2 MB`."""
    value = float(n)
    for unit in _UNITS[:-1]:
        if value < 1_000:
            return f"{value:.1f} {unit}" if unit != "B" else f"{n} B"
        value /= 1_000
    return f"{value:,.1f} {_UNITS[-1]}"


def when(at: int | None, zone: ZoneInfo) -> str:
    """Microseconds UTC as local time to the second."""
    return "–" if at is None else moment(at).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def clock(at: int | None, zone: ZoneInfo) -> str:
    """The time of day alone."""
    return "–" if at is None else moment(at).astimezone(zone).strftime("%H:%M:%S")


def iso(at: int | None) -> str:
    """For `<time datetime>`."""
    return "" if at is None else moment(at).isoformat().replace("+00:00", "Z")


def masked(value: str | None) -> str:
    """An identifier of which only the ends are seen: enough to tell two apart, too little to use."""
    if not value:
        return "–"
    if len(value) <= 4:
        return MASK * len(value)
    keep = 2 if len(value) < 8 else 3
    return value[:keep] + MASK * min(len(value) - keep - 2, 4) + value[-2:]


def as_json(value: Any) -> str:
    """For a data island: nothing in it can end the script element or begin a comment."""
    text = msgspec.json.encode(value).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def filters(lang: Lang, zone: ZoneInfo) -> dict[str, Callable[..., Any]]:
    """For templates."""
    say = sayer(lang)

    def span(us: int | None) -> str:
        if us is None:
            return "–"
        for unit, size in _SPANS:
            if us >= 2 * size or unit == "s":
                return say(f"span.{unit}", n=max(us, 0) // size)
        return ""

    return {
        "money": money, "count": count, "percent": percent, "size": size, "iso": iso, "span": span, "masked": masked,
        "as_json": as_json,
        "micros": lambda at: None if at is None else int(instant(at)),
        "when": lambda at: when(at, zone), "clock": lambda at: clock(at, zone),
    }  # fmt: skip


def functions(lang: Lang) -> dict[str, Any]:
    """Names every template has."""
    other: Lang = "en" if lang == "zh" else "zh"
    return {"other": other, "html_lang": "zh-CN" if lang == "zh" else "en"}
