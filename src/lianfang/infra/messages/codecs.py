"""XML at the HTTP doors: payments answered with pacs.002, recalls with camt.029. The shape that `services.decide` asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Final

import msgspec

from lianfang.infra.messages.payments import Payments, read_payments_of
from lianfang.infra.messages.recalls import PENDING, read_recalls, write_recalls_as
from lianfang.infra.messages.status import Refused, write_status
from lianfang.infra.messages.xml import parse
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import moment
from lianfang.wire import Decision, Outcome, Payment
from lianfang.wire.iso20022 import CAMT_029, CAMT_056

_DECISION: Final = msgspec.json.Decoder(Decision).decode
_REFUSED: Final = msgspec.json.Decoder(Refused).decode


class XmlMessage:
    """One pacs.008 or pain.001 that was posted."""

    def __init__(self, read: Payments, wall: Callable[[], int]) -> None:
        self._read = read
        self._wall = wall

    @property
    def payments(self) -> Sequence[Payment]:
        """One for each credit transfer, in order."""
        return self._read.payments

    def answer(self, answers: Sequence[bytes]) -> bytes:
        """pacs.002, of a decision or refusal in JSON for each payment."""
        return write_status(self._read, [_decided(raw) for raw in answers], moment(self._wall()))


def _decided(raw: bytes) -> Decision | Refused:
    try:
        return _DECISION(raw)
    except msgspec.ValidationError:
        return _REFUSED(raw)


class XmlReport:
    """One camt.056 that was posted."""

    def __init__(self, outcomes: Sequence[Outcome], wall: Callable[[], int]) -> None:
        self.outcomes = outcomes
        self._wall = wall

    def answer(self) -> bytes:
        """camt.029: each recall is on record and pending."""
        now = moment(self._wall())
        pending = [msgspec.structs.replace(o, kind=PENDING, note=None, known_at=now) for o in self.outcomes]
        return write_recalls_as(CAMT_029, pending)[0]


class XmlCodecs:
    """Reads XML bodies. `wall` gives microseconds UTC; times without an offset are in `zone`."""

    def __init__(self, wall: Callable[[], int], zone: tzinfo) -> None:
        self._wall = wall
        self._zone = zone

    def message(self, body: bytes) -> XmlMessage:
        """The payments of a pacs.008 or pain.001. Raises `InputError`."""
        read = read_payments_of(parse(body), zone=self._zone)
        if not read.payments:
            raise InputError("the message has no payment", "Document")
        return XmlMessage(read, self._wall)

    def report(self, body: bytes) -> XmlReport:
        """The recalls of a camt.056. Raises `InputError`."""
        parsed = parse(body)
        if parsed.message is not CAMT_056:
            raise InputError(f"a {parsed.message.name} is no recall; a camt.056 is", "Document")
        return XmlReport(read_recalls(parsed, zone=self._zone)[0], self._wall)
