"""A keyholder's HTTP: sessions, evaluations, what gives quota back. Errors are problem details; times are UTC microseconds.

Nothing leaves before the request stands in the access log and the meter's new state is durable (fail closed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import structlog
from litestar import Response, get, post

from lianfang.infra import accesslog
from lianfang.infra.asgi import AnyRequest, answer, body
from lianfang.infra.sql import Database
from lianfang.kernel import limits
from lianfang.kernel.errors import AccessError, InputError, LianfangError
from lianfang.services.keyholding import store
from lianfang.services.keyholding.metering import Asked, Left, Meter
from lianfang.services.keyholding.shares import Evaluated, Shares
from lianfang.wire import KeySet, MemberEntry, Reader, SessionRequest
from lianfang.wire.payment import Part
from lianfang.wire.tokens import ConfirmationRequest, EvaluationAnswer, EvaluationRequest

NONCE_BYTES: Final = 64
log = structlog.get_logger("keyholder")


class Gatekeeper(Protocol):
    """Whose door this is."""

    def open(self, request: SessionRequest, now: int) -> Any: ...
    def member(self, header: str | None, now: int) -> MemberEntry: ...


class Given(Part, frozen=True):
    """How much quota came back."""

    back: int


class KeysHeld(Part, frozen=True):
    """What this holder can answer for."""

    holder: str
    place: int
    epochs: tuple[str, ...]
    keys: tuple[KeySet, ...]


class Keyholder:
    """Everything the routes need. `decide` and `keep` run one at a time: the meter is one book."""

    def __init__(
        self,
        gate: Gatekeeper,
        shares: Shares,
        meter: Meter,
        database: Database,
        access_log: accesslog.Log,
        wall: Callable[[], int],
        random: Callable[[int], bytes],
        scalar: Callable[[bytes], bytes],
        threads: int,
    ) -> None:
        self.gate = gate
        self.shares = shares
        self.meter = meter
        self.database = database
        self.access_log = access_log
        self.wall = wall
        self.random = random
        self.scalar = scalar
        self.workers = ThreadPoolExecutor(threads, "evaluate")
        self.one_at_a_time = asyncio.Lock()
        self.answered = 0
        self.refused = 0

    async def evaluate(self, member: MemberEntry, asked: EvaluationRequest) -> EvaluationAnswer:
        """Charge, log, evaluate. Raises what each of them raises; a refusal is logged too."""
        now = self.wall()
        question = Asked(
            member=member.id,
            declared=member.declared,
            person=asked.person,
            kind=asked.kind,
            purpose=asked.purpose,
            epoch=asked.epoch,
            lane=asked.lane,
            tokens=len(asked.elements),
            consumer=asked.consumer,
        )
        try:
            left = await self._charged(question, asked.reference, now)
        except AccessError:
            self.refused += 1
            raise
        said: Evaluated = await asyncio.get_running_loop().run_in_executor(self.workers, self._evaluated, asked)
        self.answered += len(said.answers)
        return EvaluationAnswer(
            place=said.place, answers=tuple(said.answers), proof=said.proof, left=left.more, full_at=left.full_at
        )

    def _evaluated(self, asked: EvaluationRequest) -> Evaluated:
        nonce = self.scalar(self.random(NONCE_BYTES))
        return self.shares.evaluate(asked.kind, asked.purpose, asked.epoch, asked.elements, nonce)

    async def _charged(self, question: Asked, reference: str, now: int) -> Left:
        why: LianfangError | None = None
        left = Left(0, now)
        async with self.one_at_a_time:
            try:
                left = self.meter.charge(question, now)
            except AccessError as refusal:
                why = refusal
            detail = {**question._asdict(), "answer": why.code if why else "given"}
            one = accesslog.access("evaluate", detail, reference, now, self.random)
            await asyncio.to_thread(self._keep, one, now)
        await accesslog.publish(self.access_log, one)
        if why is not None:
            raise why
        return left

    async def give_back(self, member: MemberEntry, told: ConfirmationRequest) -> int:
        """Quota given back for what came of questions."""
        now = self.wall()
        async with self.one_at_a_time:
            back = self.meter.opened(member.id, told.person, told.opened, now)
            back += self.meter.confirmed(member.id, told.person, told.confirmed)
            await asyncio.to_thread(self._keep, None, now)
        return back

    def _keep(self, one: accesslog.Access | None, now: int) -> None:
        with self.database.writing() as connection:
            alarms = store.keep(connection, self.meter, now)
            if one is not None:
                accesslog.keep(connection, one)
        for alarm in alarms:
            log.error("alarm", code=alarm.code, member=alarm.member, why=alarm.en)

    def member(self, request: AnyRequest) -> MemberEntry:
        """Who asks. Raises `AccessError`."""
        return self.gate.member(request.headers.get("authorization"), self.wall())


_read_session: Final = Reader(SessionRequest)
_read_evaluation: Final = Reader(EvaluationRequest)
_read_confirmation: Final = Reader(ConfirmationRequest)


def _holder(request: AnyRequest) -> Keyholder:
    holder: Keyholder = request.app.state.keyholder
    return holder


@post("/v1/sessions", status_code=201, summary="Open a session by a signed request")
async def open_session(request: AnyRequest) -> Response[bytes]:
    holder = _holder(request)
    asked = await body(request, _read_session)
    return answer(holder.gate.open(asked, holder.wall()), 201)


@post("/v1/evaluations", status_code=200, summary="Evaluate blinded subjects, with a proof")
async def evaluations(request: AnyRequest) -> Response[bytes]:
    holder = _holder(request)
    member = holder.member(request)
    asked = await body(request, _read_evaluation)
    return answer(await holder.evaluate(member, asked))


@post("/v1/confirmations", status_code=200, summary="Say what came of questions: some quota is given back")
async def confirmations(request: AnyRequest) -> Response[bytes]:
    holder = _holder(request)
    member = holder.member(request)
    told = await body(request, _read_confirmation)
    if not told.opened and not told.confirmed:
        raise InputError("name the tags that were opened, or the references that were confirmed", "$")
    return answer(Given(await holder.give_back(member, told)))


@get("/v1/keys", summary="Epochs and public keys of this holder's shares")
async def keys(request: AnyRequest) -> Response[bytes]:
    _holder(request).member(request)
    held: KeysHeld = request.app.state.held
    return answer(held)


@get("/healthz", summary="Whether it runs")
async def healthz() -> Response[bytes]:
    return answer({"alive": True})


@get("/readyz", summary="Whether it can answer, and what needs attention")
async def readyz(request: AnyRequest) -> Response[bytes]:
    attention: dict[str, str] = request.app.state.attention()
    ready = not attention
    return answer({"ready": ready, "attention": attention}, 200 if ready else 503)


ROUTES: Final = (open_session, evaluations, confirmations, keys, healthz, readyz)
BODY_BYTES_MAX: Final = limits.BODY_BYTES_MAX
