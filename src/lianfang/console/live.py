"""Decisions as they come: a page, and the stream of server-sent events that keeps it moving.

However many are decided, a message has at most `TICK_ROWS` rows and says of how many they are a sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import Stream as Streamed

from lianfang.console.installation import Console
from lianfang.console.page import language, page
from lianfang.console.shown import clock, money
from lianfang.console.signed import signed, still_signed
from lianfang.console.watched import Panel, Watched
from lianfang.console.words import Lang, sayer
from lianfang.infra.asgi import AnyRequest
from lianfang.kernel.errors import DependencyError
from lianfang.services.overview import Glance, Tick, top
from lianfang.services.overview.stream import ROWS_KEPT
from lianfang.wire import ACTIONS, RuleSet

ROWS: Final = 30
"""Rows on the page."""
ROWS_SENT: Final = 200
"""Rows a page begins with, so that a filter finds something at once."""
STREAMS_MAX: Final = 100
"""Streams at once; one more is refused with 503, and its page says that it is stale."""
LOOK_S: Final = 0.2
"""How often a stream looks whether there is a new tick."""
SIGNED_S: Final = 30.0
"""How often it looks whether its person is still signed in."""
LIFE_S: Final = 3_600.0
"""After so long it ends, and the browser opens it anew."""
RETRY_MS: Final = 2_000
TOP: Final = 8
KINDS: Final = ("transfer", "card", "qr", "withdrawal", "topup", "crypto")
CHANNELS: Final = ("mobile", "web", "counter", "atm", "pos", "phone", "api", "none")
POLICY_NAMES: Final = frozenset({"points", "model", "decide"})
"""Reasons that the policy itself gives; the last one where it is unsure."""
TEXT_MAX: Final = 80
Choice = Annotated[str, QueryParameter(max_length=TEXT_MAX)]


class Row(NamedTuple):
    """One decision as the page shows it; sent as an array."""

    seq: int
    time: str
    id: str
    kind: str
    channel: str
    amount: str
    action: str
    reason: str
    more: int
    score: str
    unsure: bool


class Room:
    """How many streams there are."""

    def __init__(self, most: int) -> None:
        self.count, self._most = 0, most

    def check(self) -> None:
        """Raises `DependencyError` when there is no room for one more."""
        if self.count >= self._most:
            raise DependencyError(f"{self._most} streams are open, as many as there may be", "too-many-streams")


_room: Final = Room(STREAMS_MAX)


def row_of(one: Glance, lang: Lang, zone: ZoneInfo) -> Row:
    """A decision in a person's language."""
    first = one.reasons[0][2 if lang == "zh" else 3] if one.reasons else ""
    score = "" if one.score is None else f"{one.score:.3f}"
    return Row(
        one.seq, clock(one.at, zone), one.payment_id, one.kind, one.channel or "none", money(one.amount, one.currency),
        one.action, first, max(len(one.reasons) - 1, 0), score, one.unsure,
    )  # fmt: skip


class Wanted(NamedTuple):
    """What a page is narrowed to; empty: everything."""

    action: str = ""
    kind: str = ""
    channel: str = ""
    text: str = ""

    def has(self, row: Row) -> bool:
        """Whether a row is among what is wanted."""
        return (
            self.action in ("", row.action)
            and self.kind in ("", row.kind)
            and self.channel in ("", row.channel)
            and self.text.lower() in row.reason.lower()
        )


def name_of(name: str, ruleset: RuleSet, lang: Lang) -> str:
    """What a reason is called: a rule's sentence, the policy's, else its own name."""
    for rule in ruleset.rules:
        if rule.id == name:
            return rule.zh if lang == "zh" else rule.en
    return sayer(lang)(f"live.{name}") if name in POLICY_NAMES else name


def panel_of(panel: Panel, ruleset: RuleSet, lang: Lang) -> dict[str, Any]:
    """The figures of now, for a script."""
    say, today = sayer(lang), panel.today
    known = {rule.id for rule in ruleset.rules}
    return {
        "decisions": today.decisions,
        "unsure": today.unsure,
        "actions": {action: today.actions.get(action, 0) for action in ACTIONS},
        "reasons": [[name_of(name, ruleset, lang), n, name in known, name] for name, n in top(today.rules, TOP)],
        "channels": [[say(f"channel.{'none' if c == '(none)' else c}"), n] for c, n in top(today.channels, TOP)],
        "latency": [panel.latency.p50_ms, panel.latency.p99_ms, panel.latency.p999_ms],
        "latency_of": panel.latency.count,
        "window_s": panel.window_s,
        "deciding": panel.deciding,
        "behind": panel.behind,
    }


@get("/console/live", include_in_schema=False)
async def live(
    request: AnyRequest, action: Choice = "", kind: Choice = "", channel: Choice = "", text: Choice = ""
) -> Response[bytes]:
    session = await signed(request)
    console: Console = request.app.state.console
    watched, lang = console.watched, language(request)
    panel = await asyncio.to_thread(watched.panel)
    wanted = Wanted(action, kind, channel, text.strip())
    known = [row_of(one, lang, console.zone) for one in watched.stream.newest(ROWS_KEPT)]
    shown = [row for row in known if wanted.has(row)][:ROWS]
    return page(
        request, "live.html", session, wanted=wanted, shown=shown, missing=ROWS - len(shown), kinds=KINDS,
        channels=CHANNELS, actions=ACTIONS, figures=panel_of(panel, request.app.state.publisher.ruleset, lang),
        begin={
            "rows": known[:ROWS_SENT], "seconds": watched.stream.seconds_by_action(panel.at),
            "ends": clock(panel.at, console.zone),
        },
    )  # fmt: skip


@get("/console/live/stream", include_in_schema=False)
async def stream(request: AnyRequest) -> Streamed:
    await signed(request)
    _room.check()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Streamed(_messages(request), media_type="text/event-stream", headers=headers)


async def _messages(request: AnyRequest) -> AsyncIterator[bytes]:
    """Until the browser goes, the session ends, the desk stops, or `LIFE_S` have passed."""
    console: Console = request.app.state.console
    watched, lang = console.watched, language(request)
    loop = asyncio.get_running_loop()
    begun = asked = loop.time()
    last, second = watched.stream.latest.number, 0
    _room.count += 1
    try:
        yield f"retry: {RETRY_MS}\n\n".encode()
        while not watched.ending and loop.time() - begun < LIFE_S:
            if loop.time() - asked > SIGNED_S:
                asked = loop.time()
                if not await still_signed(request):
                    return
            tick = watched.stream.latest
            if tick.number == last:
                await asyncio.sleep(LOOK_S)
                continue
            last = tick.number
            whole = tick.at // 1_000_000 != second
            second = tick.at // 1_000_000
            panel = await asyncio.to_thread(watched.panel) if whole else None
            yield _message(tick, watched, panel, request.app.state.publisher.ruleset, lang, console.zone)
    finally:
        _room.count -= 1


def _message(tick: Tick, watched: Watched, panel: Panel | None, ruleset: RuleSet, lang: Lang, zone: ZoneInfo) -> bytes:
    """One event. Once a second with the figures, the line by second, and the texts of reasons."""
    told: dict[str, Any] = {
        "at": clock(tick.at, zone),
        "per_s": tick.per_s,
        "shown": tick.shown,
        "of": tick.of,
        "rows": [row_of(one, lang, zone) for one in tick.rows],
    }
    if panel is not None:
        told |= {"seconds": watched.stream.seconds_by_action(tick.at), "panel": panel_of(panel, ruleset, lang)}
    return b"data: " + msgspec.json.encode(told) + b"\n\n"


ROUTES: Final = (live, stream)
