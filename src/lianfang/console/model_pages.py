"""Models: in force and in shadow, what their papers say, how they score now, whether what they read has drifted."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from lianfang.console.draft_pages import sandboxed
from lianfang.console.installation import Console
from lianfang.console.page import language, page
from lianfang.console.reach import done, reading, writing
from lianfang.console.signed import act, signed
from lianfang.console.words import Lang, sayer
from lianfang.infra.asgi import AnyRequest
from lianfang.infra.models import ModelFolder, read_model
from lianfang.kernel.errors import DependencyError, InputError
from lianfang.services.decide import drafting
from lianfang.services.decide.drafts import Change
from lianfang.services.decide.models import Role, drop_model, find_model, fit, known_models, put_model
from lianfang.services.decide.publisher import Publisher
from lianfang.wire import REPORT

CARD: Final[dict[Lang, str]] = {"zh": "card.zh-CN.md", "en": "card.md"}
INPUTS_SHOWN: Final = 200
_BUCKET: Final = re.compile(r"^lianfang_score_bucket\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(le|role)="([^"]*)"')
ROLES: Final[dict[str, Role]] = {"model": "model", "challenger": "challenger"}


class _Watched(msgspec.Struct, frozen=True):
    """What is shown of the newest report of drift."""

    made_at: int
    features_drifted: int
    rules_drifted: int


@get("/console/models", include_in_schema=False)
async def models(request: AnyRequest, done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request)
    held = await reading(request, known_models)
    return page(
        request, "models.html", session, held=held, done=done, scores=await _scores(request),
        watched=await asyncio.to_thread(_watched, request.app.state.console), two_people=request.app.state.two_people,
    )  # fmt: skip


@get("/console/models/scores", include_in_schema=False)
async def model_scores(request: AnyRequest) -> Response[bytes]:
    """The histogram as it is now: the part asks for itself anew."""
    session = await signed(request)
    return page(request, "parts/scores.html", session, scores=await _scores(request))


async def _scores(request: AnyRequest) -> dict[str, Any] | None:
    """Scores by twentieth, of the model in force and of the one in shadow; None while the decider does not answer."""
    console: Console = request.app.state.console
    try:
        said = await asyncio.to_thread(console.ask_decider, "GET", "/metrics")
    except DependencyError:
        return None
    say = sayer(language(request))
    return score_chart(said.body.decode("utf-8", "replace"), {role: say(f"models.{role}") for role in ROLES})


def score_chart(metrics: str, labels: dict[str, str]) -> dict[str, Any]:
    """From Prometheus text, whose buckets add up, to a chart of shares."""
    found: dict[str, list[tuple[float, float]]] = {}
    for said, count in _BUCKET.findall(metrics):
        named = dict(_LABEL.findall(said))
        edge, role = named.get("le", ""), named.get("role", "")
        if role not in labels or not edge:
            continue
        found.setdefault(role, []).append((math.inf if edge == "+Inf" else float(edge), float(count)))
    series, x = [], []
    for role, cumulative in sorted(found.items(), reverse=True):
        cumulative.sort()
        counts = [now - before for (_, now), (_, before) in zip(cumulative, [(0.0, 0.0), *cumulative], strict=False)]
        total = sum(counts)
        if not total:
            continue
        x = [f"{min(edge, 1.0):g}" for edge, _ in cumulative]
        name = "accent" if role == "model" else "shadow"
        series.append(
            {
                "name": name,
                "label": f"{labels[role]} ({int(total):,})",
                "data": [round(100 * n / total, 2) for n in counts],
            }
        )
    return {"x": x, "series": series, "ymin": 0}  # fmt: skip


def _watched(console: Console) -> _Watched | None:
    raw = console.newest_watch()
    try:
        return None if raw is None else msgspec.json.decode(raw, type=_Watched)
    except msgspec.MsgspecError:
        return None


@get("/console/models/{version:str}", include_in_schema=False)
async def model(request: AnyRequest, version: FromPath[str]) -> Response[bytes]:
    session = await signed(request)
    held, folder = await _folder(request, version)
    lang = language(request)
    raw = folder.files.get(CARD[lang]) or folder.files.get(CARD["en"]) or b""
    return page(
        request, "model.html", session, one=held, manifest=folder.manifest, card=raw.decode("utf-8", "replace"),
        has_report=REPORT in folder.files, inputs=folder.manifest.inputs[:INPUTS_SHOWN],
        two_people=request.app.state.two_people,
    )  # fmt: skip


@get("/console/models/{version:str}/report", include_in_schema=False)
async def model_report(request: AnyRequest, version: FromPath[str]) -> Response[bytes]:
    """The report of its training, as a page that can do nothing."""
    await signed(request)
    _, folder = await _folder(request, version)
    return sandboxed(folder.files.get(REPORT))


async def _folder(request: AnyRequest, version: str) -> tuple[Any, ModelFolder]:
    store: Path = request.app.state.publisher.models

    def ask(connection: Any) -> tuple[Any, ModelFolder]:
        try:
            found = find_model(connection, version)
        except InputError as why:
            raise drafting.NoDraftError(why.what, "path") from why
        held = next(one for one in known_models(connection) if one.manifest.version == found.version)
        return held, read_model(store / found.version)

    return await reading(request, ask)


@post("/console/models/draft", include_in_schema=False)
async def model_draft(request: AnyRequest) -> Any:
    """A draft of scoring by this model: shadow first, then live."""
    who = await act(request, "draft")
    publisher: Publisher = request.app.state.publisher
    change = Change(model=who.form.get("version"))
    made = await writing(
        request, lambda c: drafting.make(publisher, c, change, by=who.by, at=who.at, reason=who.reason)
    )
    return done(f"/console/drafts/{made.id}", "made")


@post("/console/models/role", include_in_schema=False)
async def model_role(request: AnyRequest) -> Any:
    """At once: score by this model, or in shadow, or by none. Refused where two people are asked for."""
    who = await act(request, "draft")
    publisher: Publisher = request.app.state.publisher
    role = ROLES.get(who.form.get("role"))
    if role is None:
        raise InputError("the role is `model` or `challenger`", "role")
    version = who.form.get("version")

    def change(connection: Any) -> None:
        drafting.refuse_beside_drafts(connection, request.app.state.two_people)
        if not version:
            drop_model(connection, role, by=who.by, at=who.at, reason=who.reason)
            return
        folder = read_model(publisher.models / find_model(connection, version).version)
        fit(folder, publisher.ruleset)
        put_model(connection, publisher.models, folder, role, by=who.by, at=who.at, reason=who.reason)

    await writing(request, change, publish=True)
    return done("/console/models", "loaded" if version else "unloaded")


ROUTES: Final = (models, model_scores, model, model_report, model_draft, model_role)
