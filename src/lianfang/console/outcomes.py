"""Outcomes: what payments turned out to be, who said so and how late; one label by hand, or a file of them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, get_args

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromQuery

from lianfang.console.found import address, asking
from lianfang.console.installation import AskDecider, Console
from lianfang.console.knowing import outcome_of, tell, tell_outcome
from lianfang.console.page import page
from lianfang.console.reach import done, writing
from lianfang.console.signed import Act, Form, act, signed
from lianfang.infra.asgi import AnyRequest
from lianfang.infra.finding import Finder, FoundRow, Query, Records
from lianfang.infra.sql import record
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.kernel.instant import Instant, instant
from lianfang.services.cases.imports import COLUMNS, IMPORT_CHARACTERS_MAX, IMPORT_ROWS_MAX, Sheet, read_sheet
from lianfang.services.identity.people_store import Session
from lianfang.wire import Outcome
from lianfang.wire.outcome import Label

SHOWN: Final = 50
AT_ONCE: Final = 8
"""Outcomes of a file told to the decider side by side: each waits for the disk."""
LABELS: Final[tuple[Label, ...]] = get_args(Label)


class Line(NamedTuple):
    """One outcome of the list. `late_us`: from the payment's decision to when it was known; None: no decision found."""

    seq: int
    outcome: Outcome
    row: FoundRow
    address: str
    late_us: int | None


class Read(NamedTuple):
    """A file that was read, and not applied yet."""

    sheet: Sheet
    text: str


@get("/console/outcomes", include_in_schema=False)
async def outcomes(request: AnyRequest, label: FromQuery[str] = "", done: FromQuery[str] = "") -> Response[bytes]:
    session = await signed(request, "label")
    return await _show(request, session, label, said=done)


@post("/console/outcomes", include_in_schema=False, status_code=200)
async def outcomes_add(request: AnyRequest) -> Any:
    """One payment by its id. Refused for a payment that is not on record: a slip of the pen must not be kept for ever."""
    who = await act(request, "label")
    payment_id, label = who.form.get("payment_id"), who.form.get("label")
    kind, note = who.form.get("kind"), who.form.get("note")
    outcome_of(payment_id, label, who.at, who.by, kind, note)
    if await asking(request, lambda finder, _: finder.decision_of(payment_id)) is None:
        raise InputError("no decision of this payment is on record here", "payment_id")
    await tell_outcome(request, who, payment_id, label, kind, note)
    await writing(request, lambda c: _record(c, who, "payment.label", payment_id, {"label": label, "kind": kind}))
    return done_at("labelled")


@post("/console/outcomes/check", include_in_schema=False, status_code=200)
async def outcomes_check(request: AnyRequest) -> Response[bytes]:
    """A file, read and judged line by line; nothing is recorded."""
    who = await act(request, "label", reasoned=False)
    text = await _uploaded(who.form)
    sheet = await _sheet(request, who, text)
    return await _show(request, who.session, "", read=Read(sheet, text))


@post("/console/outcomes/apply", include_in_schema=False, status_code=200)
async def outcomes_apply(request: AnyRequest) -> Any:
    """The good lines of a file that was checked. Checked again: what was sent is not trusted to be what was shown."""
    who = await act(request, "label")
    sheet = await _sheet(request, who, who.form.get("text", IMPORT_CHARACTERS_MAX))
    if not sheet.good:
        raise InputError("no line of this file is good", "file")
    console: Console = request.app.state.console
    taken = await asyncio.to_thread(_tell_all, console.ask_decider, sheet.good)
    detail = {"taken": taken, "lines": len(sheet.good), "refused": len(sheet.refused)}
    await writing(request, lambda c: _record(c, who, "outcomes.import", "file", detail))
    return done_at("imported" if taken == len(sheet.good) else "partly")


def done_at(said: str) -> Any:
    """Back to the list."""
    return done("/console/outcomes", said)


def _tell_all(ask: AskDecider, good: list[Outcome]) -> int:
    """How many the decider took; one it refuses does not stop the others."""

    def one(outcome: Outcome) -> int:
        try:
            return tell(ask, [outcome])
        except LianfangError:
            return 0

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(one, good))


async def _uploaded(form: Form) -> str:
    sent = form.raw("file")
    if not isinstance(sent, UploadFile):
        raise InputError("choose a file", "file")
    try:
        return (await sent.read()).decode("utf-8-sig")
    except UnicodeDecodeError as why:
        raise InputError("the file is not UTF-8: save it as CSV UTF-8", f"byte {why.start}") from why


async def _sheet(request: AnyRequest, who: Act, text: str) -> Sheet:
    console: Console = request.app.state.console

    def make(payment_id: str, label: str, at: int, kind: str, note: str) -> Outcome:
        return outcome_of(payment_id, label, at, who.by, kind, note)

    def read(finder: Finder, _: Records) -> Sheet:
        return read_sheet(text, console.zone, Instant(who.at), make, lambda one: finder.decision_of(one) is not None)

    return await asking(request, read)


def _lines(finder: Finder, records: Records, labels: tuple[Label, ...]) -> list[Line]:
    """The newest outcomes; each label is a list of its own in the index."""
    rows = [row for label in labels for row in finder.find(Query(label=label, limit=SHOWN)).rows]
    rows = sorted(rows, key=lambda row: -row.seq)[:SHOWN]
    told = {one.seq: one for one in records.told([row.seq for row in rows])}
    decided = records.by_seq([row.decision_seq for row in rows if row.decision_seq], outcomes=False)
    made = []
    for row in rows:
        if (one := told.get(row.seq)) is None:
            continue
        decision = decided.get(row.decision_seq or 0)
        late = None if decision is None else int(instant(one.outcome.known_at)) - decision.at
        where = address(one.outcome.payment_id, row.decision_seq) if row.decision_seq else ""
        made.append(Line(row.seq, one.outcome, row, where, late))
    return made


async def _show(
    request: AnyRequest, session: Session, label: str, *, said: str = "", read: Read | None = None
) -> Response[bytes]:
    chosen = tuple(one for one in LABELS if one == label) or LABELS
    lines = await asking(request, lambda finder, records: _lines(finder, records, chosen))
    return page(
        request, "outcomes.html", session, lines=lines, labels=LABELS, chosen=label, done=said, read=read,
        columns=",".join(COLUMNS), rows_most=IMPORT_ROWS_MAX,
    )  # fmt: skip


def _record(connection: Any, who: Act, name: str, what: str, detail: dict[str, Any]) -> None:
    record(connection, who=who.by, act=name, what=what, reason=who.reason, at=who.at, detail=detail)


ROUTES: Final = (outcomes, outcomes_add, outcomes_check, outcomes_apply)
"""Registered whole."""
