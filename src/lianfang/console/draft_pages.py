"""Drafts: how far each is, what it changes, what a backtest says of it, and every step with who took it and why."""

from __future__ import annotations

import asyncio
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from lianfang.console.installation import BacktestJob, Console
from lianfang.console.page import language, page
from lianfang.console.reach import done, reading, writing
from lianfang.console.shown_backtest import shown_backtest
from lianfang.console.signed import Act, act, signed
from lianfang.console.words import sayer
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.infra.sql import changes
from lianfang.kernel.errors import ConflictError, EvidenceError, InputError
from lianfang.services.decide import drafting, drafts_store, store
from lianfang.services.decide.drafts import BACKTEST_BYTES_MAX, Change, Draft, Stage
from lianfang.services.decide.models import find_model, known_models
from lianfang.services.decide.publisher import Publisher
from lianfang.wire import Rule, RuleSet

DRAFTS_SHOWN: Final = 100
CHANGES_SHOWN: Final = 50
STEPS: Final = ("draft", "backtest", "approved", "shadow", "share", "live")
SANDBOX: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
"""A report is a page of its own: it may look as it likes, and do nothing."""
_SHOWN: Final = ("id", "zh", "en", "when", "action", "points", "code", "lane", "mode", "owner", "source", "challenge")


class Line(NamedTuple):
    """One line of two texts side by side; `differs`: it is not in both."""

    old: str
    new: str
    differs: bool


@get("/console/drafts", include_in_schema=False)
async def drafts(request: AnyRequest) -> Response[bytes]:
    session = await signed(request)
    found = await reading(request, lambda c: drafts_store.all_drafts(c, limit=DRAFTS_SHOWN))
    open_ones = [one for one in found if one.state in ("draft", "approved", "shadow", "share")]
    return page(request, "drafts.html", session, open_ones=open_ones, ended=[d for d in found if d not in open_ones])


@get("/console/drafts/{number:int}", include_in_schema=False)
async def draft(request: AnyRequest, number: FromPath[int], done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    console: Console = request.app.state.console
    found = await reading(request, lambda c: _whole(request, c, number))
    one: Draft = found["one"]
    run = await asyncio.to_thread(console.backtests.of, number)
    figures = await asyncio.to_thread(_figures, console, one)
    shown = shown_backtest(figures) if figures else None
    return page(
        request, "draft.html", session, done=done, run=run, steps=_steps(one), mine=one.made_by == session.person.by,
        backtest=shown, attached=one.backtest is not None,
        weeks_series=_weeks_series(request, shown),
        report=await asyncio.to_thread(console.backtests.file, number, "report.html") is not None, **found,
    )  # fmt: skip


def _weeks_series(request: AnyRequest, shown: dict[str, Any] | None) -> list[dict[str, Any]]:
    say, names = sayer(language(request)), {"set": "backtest.draft", "current": "backtest.current"}
    series = shown["weeks"]["series"] if shown else []
    return [{"name": one["name"], "label": say(names[one["name"]]), "data": one["data"]} for one in series]


def _figures(console: Console, one: Draft) -> dict[str, Any] | None:
    """What is attached; else what was run and not yet attached."""
    raw = bytes(one.backtest) if one.backtest is not None else console.backtests.file(one.id, "figures.json")
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _whole(request: AnyRequest, connection: Any, number: int) -> dict[str, Any]:
    publisher: Publisher = request.app.state.publisher
    one = drafting.found(connection, number)
    return {
        "one": one,
        "rules": [_compared(rule, _before(publisher, connection, one, rule.id)) for rule in one.change.rules],
        "removed": [(rule_id, _before(publisher, connection, one, rule_id)) for rule_id in one.change.remove],
        "parameters": _parameters(publisher, one),
        "changes": changes(connection, what=str(number), act="draft", limit=CHANGES_SHOWN),
    }


def _before(publisher: Publisher, connection: Any, one: Draft, rule_id: str) -> Rule | None:
    """What was in force before the draft took effect, or is in force while it has not."""
    if one.before is not None:
        return one.before.rules.get(rule_id)
    stored = store.one_rule(connection, rule_id)
    return stored.rule if stored else None


def _compared(new: Rule, old: Rule | None) -> dict[str, Any]:
    return {"new": new, "old": old, "lines": side_by_side(text_of(old) if old else "", text_of(new))}


def text_of(rule: Rule) -> str:
    """A rule as lines that people compare."""
    said = msgspec.to_builtins(rule)
    lines = [f"{name}: {said[name]}" for name in _SHOWN if name != "when" and name in said]
    lines += ["when:", *("  " + line for line in rule.when.strip().splitlines())]
    lines += [f"example {i}: {msgspec.json.encode(one).decode()}" for i, one in enumerate(said.get("examples", ()), 1)]
    return "\n".join(lines)


def side_by_side(old: str, new: str) -> list[Line]:
    """Two texts line by line, what differs beside each other."""
    a, b = old.splitlines(), new.splitlines()
    found: list[Line] = []
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for i in range(max(a1 - a0, b1 - b0)):
            left = a[a0 + i] if a0 + i < a1 else ""
            right = b[b0 + i] if b0 + i < b1 else ""
            found.append(Line(left, right, kind != "equal"))
    return found


def _parameters(publisher: Publisher, one: Draft) -> list[dict[str, Any]]:
    now = {p.name: p for p in publisher.ruleset.parameters}
    before = one.before.parameters if one.before is not None else {}
    return [
        {
            "name": name,
            "new": value,
            "old": (before.get(name) if before.get(name) is not None else None)
            or (now[name].value if name in now and one.before is None else None),
            "parameter": now.get(name),
        }
        for name, value in one.change.parameters.items()
    ]


def _steps(one: Draft) -> list[tuple[str, str]]:
    """(step, how it stands): done, now, or nothing."""
    at = {"draft": 1 if one.backtest is not None else 0, "approved": 2, "shadow": 3, "share": 4, "live": 5}.get(
        one.state
    )
    if at is None:
        return [(name, "") for name in STEPS]
    passed = {"backtest"} if one.backtest is None else set()
    return [
        (name, "now" if i == at else "done" if i < at and name not in passed and (name != "share" or one.share) else "")
        for i, name in enumerate(STEPS)
    ]


@post("/console/drafts/{number:int}/backtest", include_in_schema=False)
async def draft_backtest(request: AnyRequest, number: FromPath[int]) -> Any:
    """Begin a backtest on this node's lake."""
    who = await act(request, "draft", reasoned=False)
    console: Console = request.app.state.console
    job = await reading(request, lambda c: _job(request, c, number, who))
    await asyncio.to_thread(console.backtests.start, job)
    return done(f"/console/drafts/{number}", "begun")


def _job(request: AnyRequest, connection: Any, number: int, who: Act) -> BacktestJob:
    publisher: Publisher = request.app.state.publisher
    one = drafting.found(connection, number)
    proposed = drafting.as_it_would_be(publisher, connection, one.change)
    current: RuleSet | None = drafting.as_it_would_be(publisher, connection, Change())
    model = find_model(connection, one.change.model).version if one.change.model else ""
    return BacktestJob(number, proposed, None if model else current, model or _scoring(connection), who.by, who.at)


def _scoring(connection: Any) -> str:
    """The model in force scores both sides."""
    held = known_models(connection)
    return next((one.manifest.version for one in held if one.role == "model"), "")


@get("/console/drafts/{number:int}/running", include_in_schema=False)
async def draft_running(request: AnyRequest, number: FromPath[int]) -> Response[bytes]:
    """How far its backtest is: the part that asks again by itself while it runs."""
    session = await signed(request)
    run = await asyncio.to_thread(request.app.state.console.backtests.of, number)
    headers = {"HX-Refresh": "true"} if run is None or run.state != "running" else {}
    return page(request, "parts/running.html", session, run=run, number=number, headers=headers)


@post("/console/drafts/{number:int}/attach", include_in_schema=False)
async def draft_attach(request: AnyRequest, number: FromPath[int]) -> Any:
    """Attach what was run here to the draft."""
    who = await act(request, "draft")
    console: Console = request.app.state.console
    raw = await asyncio.to_thread(console.backtests.file, number, "figures.json")
    if raw is None:
        raise ConflictError("there is no backtest of this draft to attach: run one first", "path")
    if len(raw) > BACKTEST_BYTES_MAX:
        raise EvidenceError("the backtest's figures are too long to be attached")
    publisher: Publisher = request.app.state.publisher
    await writing(
        request,
        lambda c: drafting.attach_backtest(publisher, c, number, raw, by=who.by, at=who.at, reason=who.reason),
    )
    return done(f"/console/drafts/{number}", "attached")


@get("/console/drafts/{number:int}/report", include_in_schema=False)
async def draft_report(request: AnyRequest, number: FromPath[int]) -> Response[bytes]:
    """The whole report as a page that can do nothing."""
    await signed(request)
    raw = await asyncio.to_thread(request.app.state.console.backtests.file, number, "report.html")
    return sandboxed(raw)


def sandboxed(raw: bytes | None) -> Response[bytes]:
    """A made page, under a policy of its own. Raises `NotFoundError` where there is none."""
    if raw is None:
        raise NotFoundError("there is no such report", "path")
    headers = {"Content-Security-Policy": SANDBOX, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(raw, media_type="text/html; charset=utf-8", headers=headers)


@post("/console/drafts/{number:int}/approve", include_in_schema=False)
async def draft_approve(request: AnyRequest, number: FromPath[int]) -> Any:
    who = await act(request, "approve")
    publisher: Publisher = request.app.state.publisher
    without = who.form.get("without")
    await writing(
        request,
        lambda c: drafting.approve(
            publisher, c, number, by=who.by, at=who.at, reason=who.reason, without=without
        ),
        publish=True,
    )  # fmt: skip
    return done(f"/console/drafts/{number}", "approved")


@post("/console/drafts/{number:int}/stage", include_in_schema=False)
async def draft_stage(request: AnyRequest, number: FromPath[int]) -> Any:
    """Shadow, a share of the traffic, live."""
    who = await act(request, "draft")
    publisher: Publisher = request.app.state.publisher
    stages: dict[str, Stage] = {"shadow": "shadow", "share": "share", "live": "live"}
    stage = stages.get(who.form.get("stage"))
    if stage is None:
        raise InputError("a draft goes to shadow, to a share of the traffic, or live", "stage")
    share = _share(who.form.get("share")) if stage == "share" else None
    await writing(
        request,
        lambda c: drafting.go(publisher, c, number, stage, share, by=who.by, at=who.at, reason=who.reason),
        publish=True,
    )
    return done(f"/console/drafts/{number}", stage)


def _share(text: str) -> float:
    try:
        return float(text.rstrip("% ")) / 100
    except ValueError as why:
        raise InputError("the share of the traffic is a percentage between 0 and 100", "share") from why


@post("/console/drafts/{number:int}/rollback", include_in_schema=False)
async def draft_roll_back(request: AnyRequest, number: FromPath[int]) -> Any:
    who = await act(request, "draft")
    publisher: Publisher = request.app.state.publisher
    await writing(
        request,
        lambda c: drafting.roll_back(publisher, c, number, by=who.by, at=who.at, reason=who.reason),
        publish=True,
    )
    return done(f"/console/drafts/{number}", "rolled_back")


@post("/console/drafts/{number:int}/withdraw", include_in_schema=False)
async def draft_withdraw(request: AnyRequest, number: FromPath[int]) -> Any:
    who = await act(request, "draft")
    publisher: Publisher = request.app.state.publisher
    await writing(request, lambda c: drafting.withdraw(publisher, c, number, by=who.by, at=who.at, reason=who.reason))
    return done(f"/console/drafts/{number}", "withdrawn")


ROUTES: Final = (
    drafts, draft, draft_backtest, draft_running, draft_attach, draft_report, draft_approve, draft_stage, draft_roll_back,
    draft_withdraw,
)  # fmt: skip
