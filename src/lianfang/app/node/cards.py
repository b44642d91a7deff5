"""ISO 8583 at the decider: each frame is decoded, decided by the same door as HTTP, and answered when it is durable."""

from __future__ import annotations

from collections.abc import Callable

from lianfang.infra.messages import (
    CLOSE,
    CardMessage,
    CardPayment,
    FrameSlot,
    payment_of,
    read_iso8583,
    refusal_code,
    response,
    reversal_of,
)
from lianfang.infra.messages.iso8583 import AUTHORISATIONS, NETWORK, NOT_SUPPORTED, REVERSALS
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.kernel.instant import moment
from lianfang.services.decide import Door


class CardDesk:
    """Handler of the decider's frame server. `wall` gives microseconds UTC, `ticks` monotonic nanoseconds."""

    def __init__(self, door: Door, wall: Callable[[], int], ticks: Callable[[], int]) -> None:
        self._door = door
        self._wall = wall
        self._ticks = ticks

    def handle(self, frame: bytes, slot: FrameSlot) -> bytes | None:
        """The response at once where nothing has to be recorded, else None and later. What is no ISO 8583 ends the talk."""
        try:
            asked = read_iso8583(frame)
        except InputError:
            self._door.refused["bad-iso8583"] += 1
            return CLOSE
        if not asked.answered_by:
            self._door.refused["bad-iso8583"] += 1
            return CLOSE
        try:
            return self._act(asked, slot)
        except LianfangError as why:
            self._door.refused[why.code] += 1
            return response(asked, refusal_code(why))

    def _act(self, asked: CardMessage, slot: FrameSlot) -> bytes | None:
        if asked.kind in NETWORK:
            return response(asked, "00")
        now = moment(self._wall())
        if asked.kind in REVERSALS:
            self._door.learn(
                (reversal_of(asked, now),), slot, response(asked, "00"), lambda why: response(asked, refusal_code(why))
            )
        elif asked.kind in AUTHORISATIONS:
            payment, _ = payment_of(asked, now)
            self._door.ask(
                CardPayment(asked, payment),
                slot,
                self._ticks(),
                lambda body: body,
                lambda why: response(asked, refusal_code(why)),
            )
        else:
            return response(asked, NOT_SUPPORTED)
        return None
