"""Decisions as JSON. Almost all payments are allowed without a reason; theirs is filled into a form, the rest encoded.

Both give the same bytes (a test compares them), the form in a fifth of the time.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from lianfang.kernel.instant import moment
from lianfang.services.decide.challenge import NO_CHALLENGES, Challenges
from lianfang.wire import Action, Decision, Reason, Versions, write

_encode_text: Final = msgspec.json.Encoder().encode
_SECOND: Final = 1_000_000


class Answers:
    """Writes decisions under one set of versions."""

    def __init__(self, versions: Versions, challenges: Challenges = NO_CHALLENGES) -> None:
        self._versions = versions
        self._challenges = challenges
        self._end = b',"versions":' + write(versions) + b"}"
        self._second: int | None = None
        self._stamp = b""

    def allow(self, payment_id: str, now: int, seq: int) -> bytes:
        """`allow`, no reason, no score. `now` in microseconds."""
        return self._form(payment_id, now, seq, b"")

    def scored(self, payment_id: str, now: int, seq: int, score: float, challenger: float) -> bytes:
        """`allow`, no reason, and what the models say; NaN: nothing."""
        said = b"" if score != score else b',"score":' + _encode_text(score)
        return self._form(payment_id, now, seq, said, b"" if challenger != challenger else _challenger(challenger))

    def _form(self, payment_id: str, now: int, seq: int, score: bytes, challenger: bytes = b"") -> bytes:
        second, us = divmod(now, _SECOND)
        if second != self._second:
            self._second = second
            self._stamp = moment(second * _SECOND).isoformat()[:19].encode()
        fraction = b".%06dZ" % us if us else b"Z"
        head = _encode_text(payment_id)
        return b'{"payment_id":%b,"action":"allow"%b%b,"decided_at":"%b%b","seq":%d%b' % (
            head,
            score,
            challenger,
            self._stamp,
            fraction,
            seq,
            self._end,
        )

    def full(
        self,
        payment_id: str,
        now: int,
        seq: int,
        action: Action,
        reasons: tuple[Reason, ...],
        score: float,
        points: int,
        shadow: tuple[str, ...],
        challenger: float = math.nan,
    ) -> bytes:
        """Any decision. It is unsure if one of the reasons is the system's."""
        return write(
            Decision(
                payment_id=payment_id,
                action=action,
                reasons=reasons,
                score=None if math.isnan(score) else score,
                points=points,
                unsure=any(r.source == "system" for r in reasons),
                shadow=shadow,
                challenger_score=None if math.isnan(challenger) else challenger,
                challenge=self._challenges.of(action, reasons),
                decided_at=moment(now),
                seq=seq,
                versions=self._versions,
            )
        )


def _challenger(score: float) -> bytes:
    return b',"challenger_score":' + _encode_text(score)
