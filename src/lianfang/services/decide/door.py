"""The decider's door: HTTP in, durable answers out. Routes, keys, deadlines; the thinking is done by `decider`.

POST /v1/decisions        one payment or a list of them        scope decide
                          (JSON, or a message that a codec of the content type reads and answers)
GET  /v1/decisions/{id}   the answer given before               scope read
POST /v1/outcomes         what a payment turned out to be       scope outcomes
GET  /healthz /readyz /metrics                                  open
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import unquote

import msgspec
import numpy as np

from lianfang.engines.evaluate import Histogram
from lianfang.infra.http import Request, problem, response
from lianfang.kernel import limits
from lianfang.kernel.errors import DependencyError, InputError, LianfangError, TooLargeError
from lianfang.services.decide.decider import Decider
from lianfang.wire import Outcome, Payment, input_error, read_outcome, read_payment, write
from lianfang.wire.strict import refuse_ambiguous

DECISIONS: Final = b"/v1/decisions"
OUTCOMES: Final = b"/v1/outcomes"
_ONE: Final = b"/v1/decisions/"
_JSON: Final = b"application/json"
_ACKNOWLEDGED: Final = b'{"recorded":true}'
TAKEN_MAX: Final = 4_096
"""Latencies kept before they are put into the histogram together: one by one would cost 1 us a payment."""
_read_raws: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class DurableJournal(Protocol):
    """What the door needs of the journal: start a commit, and know how far it has come."""

    durable_seq: int

    def commit_soon(self) -> None: ...


class Authorize(Protocol):
    """Checks the `Authorization` header (None when absent) for a scope; `cost` counts against the key's rate.

    Raises `AccessError`.
    """

    def __call__(self, header: bytes | None, scope: str, cost: int) -> None: ...


class Flushes(Protocol):
    """A connection that sends what is ready."""

    def flush(self) -> None: ...


class Slot(Protocol):
    """Where an answer is put: one of an HTTP connection, or of any other that answers in order."""

    answer: bytes | None

    @property
    def connection(self) -> Flushes: ...


class Message(Protocol):
    """Payments that came in another form than our JSON, answered in theirs."""

    @property
    def payments(self) -> Sequence[Payment]: ...

    def answer(self, answers: Sequence[bytes]) -> bytes:
        """The answer's body, of a decision or refusal in JSON for each payment."""
        ...


class Report(Protocol):
    """Outcomes that came in another form than our JSON."""

    @property
    def outcomes(self) -> Sequence[Outcome]: ...

    def answer(self) -> bytes: ...


class Codecs(Protocol):
    """Reads what is posted with a content type other than JSON. Raises `InputError`. Answers have the same type."""

    def message(self, body: bytes) -> Message: ...

    def report(self, body: bytes) -> Report: ...


Refusal = Callable[[DependencyError], bytes]
Owed = tuple[int, Slot, bytes, int, int, Refusal]
"""An answer that leaves when a record is durable: its seq, slot, answer, asked at (ticks), payments in it, the answer if not."""


class Door:
    """Handler of the decider's HTTP server. `wall` gives microseconds UTC, `ticks` monotonic nanoseconds."""

    def __init__(
        self,
        decider: Decider,
        journal: DurableJournal,
        authorize: Authorize,
        *,
        wall: Callable[[], int],
        ticks: Callable[[], int],
        deadline_ms: int,
        waiting_max: int,
        pages: dict[bytes, Callable[[], tuple[int, bytes, bytes]]],
        codecs: Mapping[bytes, Codecs] | None = None,
    ) -> None:
        self.decider = decider
        self._latency = Histogram()
        self._took_ns: list[int] = []
        self.refused: Counter[str] = Counter()
        self._journal = journal
        self._authorize = authorize
        self._wall = wall
        self._ticks = ticks
        self._deadline_ns = deadline_ms * 1_000_000
        self._waiting_max = waiting_max
        self._pages = pages
        self._codecs = codecs or {}
        self._owed: deque[Owed] = deque()

    @property
    def latency(self) -> Histogram:
        """Microseconds from the read that made the request whole to the durable answer, of each payment."""
        if self._took_ns:
            self._latency.record_many(np.array(self._took_ns) / 1_000)
            self._took_ns.clear()
        return self._latency

    @property
    def waiting(self) -> int:
        """Answers not yet durable."""
        return len(self._owed)

    def handle(self, request: Request, slot: Slot) -> bytes | None:
        """Answers, or returns None and answers when durable. Raises our errors for the server to show."""
        target = request.target
        try:
            if target == DECISIONS:
                return self._decide(request, slot)
            if target == OUTCOMES:
                return self._outcome(request, slot)
            path = target.partition(b"?")[0]
            if path in self._pages:
                _only(request, b"GET", b"HEAD")
                status, body, kind = self._pages[path]()
                return response(status, body, kind)
            if path.startswith(_ONE):
                return self._show(request, slot, path[len(_ONE) :])
        except LianfangError as why:
            self.refused[why.code] += 1
            raise
        except _WrongMethodError as why:
            return problem(
                405,
                "wrong-method",
                f"{request.method.decode('latin-1')} is not for this path",
                headers=(("Allow", str(why)),),
            )
        return problem(404, "not-found", "there is nothing at this path; GET /openapi.json lists what there is")

    def _decide(self, request: Request, slot: Slot) -> bytes | None:
        if request.method != b"POST":
            _only(request, b"POST")
        since = self._since(request)
        try:
            body = _json(request)
        except UnsupportedBodyError:
            self._message(request, slot, since)
            return None
        if body[:1] == b"[" or body.lstrip()[:1] == b"[":
            return self._batch(request, slot, body, since)
        self._authorize(request.headers.get(b"authorization"), "decide", 1)
        self._room(1)
        payment = read_payment(body)
        late = self._ticks() - since > self._deadline_ns
        seq, answer = self.decider.decide(body, payment, self._wall(), late=late)
        self._owe(seq, slot, response(200, answer), since, 1)
        return None

    def _since(self, request: Request) -> int:
        """When its last bytes were read, in ticks: what was read with it may have had its turn before."""
        return round(request.arrived * 1e9) if request.arrived >= 0 else self._ticks()

    def _batch(self, request: Request, slot: Slot, body: bytes, since: int) -> bytes | None:
        """All are read before any is decided: a batch with a mistake in it decides nothing."""
        refuse_ambiguous(body)
        try:
            raws = [bytes(raw) for raw in _read_raws(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
            raise input_error(why) from why
        if len(raws) > limits.BATCH_PAYMENTS_MAX:
            raise TooLargeError(f"a batch has at most {limits.BATCH_PAYMENTS_MAX} payments, not {len(raws)}")
        self._authorize(request.headers.get(b"authorization"), "decide", max(len(raws), 1))
        self._room(len(raws))
        payments = []
        for i, raw in enumerate(raws):
            try:
                payments.append(read_payment(raw))
            except InputError as why:
                inside = why.where.removeprefix("$") if why.where.startswith("$") else f", {why.where}"
                raise type(why)(why.what, f"$[{i}]{inside}") from why
        answers, last = self._decide_all(raws, payments, since)
        whole = response(200, b"[" + b",".join(answers) + b"]")
        if not last:
            return whole
        self._owe(last, slot, whole, since, len(answers))
        return None

    def _foreign(self, request: Request) -> tuple[bytes, Codecs]:
        """The content type and what reads it."""
        kind = request.headers[b"content-type"].partition(b";")[0].strip().lower()
        if kind not in self._codecs:
            known = ", ".join(k.decode() for k in (_JSON, *self._codecs))
            raise UnsupportedBodyError(f"the body must be one of: {known}", "Content-Type")
        return kind, self._codecs[kind]

    def _message(self, request: Request, slot: Slot, since: int) -> None:
        kind, codecs = self._foreign(request)
        header = request.headers.get(b"authorization")
        self._authorize(header, "decide", 1)  # before it is read: reading it costs more than JSON
        message = codecs.message(request.body)
        if len(message.payments) > 1:
            self._authorize(header, "decide", len(message.payments) - 1)
        self.ask(message, slot, since, lambda body: response(200, body, kind), _refusal)

    def ask(self, message: Message, slot: Slot, since: int, wrap: Callable[[bytes], bytes], refusal: Refusal) -> None:
        """Decide a message's payments; `wrap` makes the slot's answer of the message's, `refusal` the one if all fails.

        A single payment that is refused raises; of several, each refusal is answered in its place.
        """
        payments = message.payments
        self._room(len(payments))
        raws = [write(payment) for payment in payments]
        if len(raws) == 1:
            late = self._ticks() - since > self._deadline_ns
            last, answer = self.decider.decide(raws[0], payments[0], self._wall(), late=late)
            answers = [answer]
        else:
            answers, last = self._decide_all(raws, payments, since)
        self._owe(last, slot, wrap(message.answer(answers)), since, len(answers), refusal)

    def _decide_all(self, raws: Sequence[bytes], payments: Sequence[Payment], since: int) -> tuple[list[bytes], int]:
        """The answers in order, and the last seq among them (0: none was decided)."""
        answers = []
        last = 0
        for raw, payment in zip(raws, payments, strict=True):
            try:
                seq, answer = self.decider.decide(
                    raw, payment, self._wall(), late=self._ticks() - since > self._deadline_ns
                )
            except InputError as why:  # ahead of the clock, or another payment under an old id: the others stand
                answers.append(msgspec.json.encode({"payment_id": payment.id, "refused": why.code, "detail": why.what}))
                self.refused[why.code] += 1
                continue
            last = max(last, seq)
            answers.append(answer)
        return answers, last

    def _outcome(self, request: Request, slot: Slot) -> bytes | None:
        _only(request, b"POST")
        self._authorize(request.headers.get(b"authorization"), "outcomes", 1)
        try:
            body = _json(request)
        except UnsupportedBodyError:
            kind, codecs = self._foreign(request)
            report = codecs.report(request.body)
            self.learn(report.outcomes, slot, response(202, report.answer(), kind), _refusal)
            return None
        outcome = read_outcome(body)
        self._room(1)
        seq = self.decider.learn(body, outcome, self._wall())
        self._owe(seq, slot, response(202, _ACKNOWLEDGED), self._ticks(), 0)
        return None

    def learn(self, outcomes: Sequence[Outcome], slot: Slot, answer: bytes, refusal: Refusal) -> None:
        """Record outcomes; the answer leaves when the last is durable."""
        self._room(1)
        seq = 0
        for outcome in outcomes:
            seq = self.decider.learn(write(outcome), outcome, self._wall())
        self._owe(seq, slot, answer, self._ticks(), 0, refusal)

    def _show(self, request: Request, slot: Slot, quoted: bytes) -> bytes | None:
        _only(request, b"GET", b"HEAD")
        self._authorize(request.headers.get(b"authorization"), "read", 1)
        payment_id = unquote(quoted.decode("latin-1"), errors="replace")
        if not 0 < len(payment_id) <= limits.ID_LENGTH_MAX:
            raise InputError(f"a payment's id has 1 to {limits.ID_LENGTH_MAX} characters", "path")
        found = self.decider.found(payment_id)
        if found is None:
            return problem(404, "not-found", "no decision with this id is among those this node remembers")
        seq, answer = found
        if seq <= self._journal.durable_seq:
            return response(200, answer)
        self._room(1)
        self._owe(seq, slot, response(200, answer), self._ticks(), 0)
        return None

    def _room(self, payments: int) -> None:
        if (
            len(self._owed) + payments > self._waiting_max + limits.BATCH_PAYMENTS_MAX
            or len(self._owed) >= self._waiting_max
        ):
            raise DependencyError(f"{len(self._owed)} answers are waiting to become durable; try again", "overloaded")

    def _owe(
        self, seq: int, slot: Slot, answer: bytes, since: int, payments: int, refusal: Refusal | None = None
    ) -> None:
        if seq <= self._journal.durable_seq:  # asked before and long durable
            slot.answer = answer
            return
        self._owed.append((seq, slot, answer, since, payments, refusal or _refusal))
        self._journal.commit_soon()

    def on_durable(self, up_to: int) -> None:
        """Records up to `up_to` survive anything now: their answers may leave. In the order of arrival."""
        owed = self._owed
        now = self._ticks()
        took = self._took_ns
        touched: dict[Any, None] = {}
        while owed and owed[0][0] <= up_to:
            _, slot, answer, since, payments, _ = owed.popleft()
            slot.answer = answer
            touched[slot.connection] = None
            if payments:
                took.append(now - since)
        for connection in touched:
            connection.flush()
        if len(took) >= TAKEN_MAX:
            _ = self.latency

    def on_failed(self, error: DependencyError, from_seq: int, up_to: int) -> None:
        """Nothing that waits can be promised. The decisions are kept: the same payment asked again gets the same answer."""
        touched: dict[Any, None] = {}
        for _, slot, _, _, _, refusal in self._owed:
            slot.answer = refusal(error)
            touched[slot.connection] = None
            self.refused[error.code] += 1
        self._owed.clear()
        for connection in touched:
            connection.flush()


def _refusal(error: DependencyError) -> bytes:
    return problem(503, error.code, str(error), headers=(("Retry-After", "1"),))


class _WrongMethodError(Exception):
    pass


def _only(request: Request, *methods: bytes) -> None:
    if request.method not in methods:
        raise _WrongMethodError(", ".join(m.decode() for m in methods))


def _json(request: Request) -> bytes:
    kind = request.headers.get(b"content-type", _JSON)
    if kind is not _JSON and kind.partition(b";")[0].strip().lower() != _JSON:
        raise UnsupportedBodyError("the body must be application/json", "Content-Type")
    return request.body


class UnsupportedBodyError(InputError):
    """A body that is not JSON."""

    code = "unsupported-media-type"
