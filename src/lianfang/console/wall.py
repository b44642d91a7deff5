"""The wall (监控大屏): one screen for a room that anybody may walk through. No personal data, no payment, no wording of a rule.

A script asks for the data every two seconds; that counts as use of the session, which still ends after its whole life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar import Response, get

from lianfang.console.installation import Console
from lianfang.console.page import language, page
from lianfang.console.shown import clock, filters, money
from lianfang.console.signed import signed
from lianfang.console.watched import Level, Panel, Signal, Wall
from lianfang.console.words import Lang, catalogue, sayer
from lianfang.engines.world.tables import CRIME_NAMES
from lianfang.infra.asgi import AnyRequest
from lianfang.services.overview import money_of, top
from lianfang.services.overview.rollup import Counts
from lianfang.wire import ACTIONS

TARGETS: Final = (("p50", 1.5), ("p99", 5.0), ("p99.9", 15.0))
"""Response times in milliseconds that a node is built for."""
STOPPED: Final = ("hold", "block")
ROWS: Final = 6
CURRENCIES: Final = 3
OTHER: Final = "other"


@get("/console/wall", include_in_schema=False)
async def wall(request: AnyRequest) -> Response[bytes]:
    session = await signed(request)
    return page(request, "wall.html", session, data=await _data(request), targets=TARGETS)


@get("/console/wall/data", include_in_schema=False)
async def wall_data(request: AnyRequest) -> Response[bytes]:
    await signed(request)
    content = msgspec.json.encode(await _data(request))
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _data(request: AnyRequest) -> dict[str, Any]:
    console: Console = request.app.state.console
    watched, lang = console.watched, language(request)
    panel, seen = await asyncio.to_thread(lambda: (watched.panel(), watched.wall()))
    latest = watched.stream.latest
    zone = console.zone
    return {
        "at": clock(panel.at, zone),
        "per_s": latest.per_s,
        **_today(panel, lang),
        "latency": _latency(panel),
        "chart": _chart(seen, lang, [clock(start, zone)[:5] for start in seen.slots.starts]),
        "signals": [_signal(one, lang, filters(lang, zone)["span"]) for one in seen.signals],
        "alarm": not panel.deciding or any(one.level == "bad" for one in seen.signals),
    }


def _today(panel: Panel, lang: Lang) -> dict[str, Any]:
    today = panel.today
    return {
        "decisions": today.decisions,
        "actions": {action: today.actions.get(action, 0) for action in ACTIONS},
        "stopped": [money(minor, c) for c, minor in money_of(today.amounts, STOPPED)[:CURRENCIES]],
        "challenged": [money(minor, c) for c, minor in money_of(today.amounts, ("challenge",))[:CURRENCIES]],
        "scams": scams(today.frauds, lang),
        "families": families(today.rules, lang),
    }


def scams(frauds: Counts, lang: Lang) -> list[tuple[str, int]]:
    """Reported scams by type. A type that is not in our table is counted as other: its text came from outside."""
    known: Counts = {}
    for kind, n in list(frauds.items()):
        name = kind.replace("-", "_")
        name = name if name in CRIME_NAMES else OTHER
        known[name] = known.get(name, 0) + n
    return [(_scam(name, lang), n) for name, n in top(known, ROWS)]


def _scam(name: str, lang: Lang) -> str:
    if name == OTHER:
        return sayer(lang)("wall.other")
    return CRIME_NAMES[name][0 if lang == "zh" else 1]


def families(rules: Counts, lang: Lang) -> list[tuple[str, int]]:
    """Reasons by the family of their rule (what its name begins with), in our own words only."""
    found: Counts = {}
    for name, n in list(rules.items()):
        family = name.split(".", 1)[0]
        key = f"family.{family}" if f"family.{family}" in catalogue() else "family.other"
        found[key] = found.get(key, 0) + n
    say = sayer(lang)
    return [(say(key), n) for key, n in top(found, ROWS)]


def _latency(panel: Panel) -> list[dict[str, Any]]:
    measured: Iterable[float | None] = (panel.latency.p50_ms, panel.latency.p99_ms, panel.latency.p999_ms)
    return [
        {"ms": ms, "good": ms is None or ms <= target, "share": 0.0 if ms is None else min(ms / target, 1.0)}
        for ms, (_, target) in zip(measured, TARGETS, strict=True)
    ]


def _chart(seen: Wall, lang: Lang, x: list[str]) -> dict[str, Any]:
    say = sayer(lang)
    series = [{"name": a, "label": say(f"action.{a}"), "data": seen.slots.actions[a]} for a in ACTIONS]
    return {"x": x, "series": series, "stack": True, "label": say("wall.chart")}


def _signal(one: Signal, lang: Lang, span: Any) -> dict[str, Any]:
    say, level = sayer(lang), one.level
    age = "" if one.age is None else say("wall.age", age=span(one.age))
    return {"part": one.part, "name": say(f"part.{one.part}"), "level": level, "said": _level(level, lang), "age": age}


def _level(level: Level, lang: Lang) -> str:
    return sayer(lang)(f"level.{level}")


ROUTES: Final = (wall, wall_data)
