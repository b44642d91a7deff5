"""Decisions as JSON. What a decision says besides its id, time and number repeats: it is encoded once and filled in.

A filled-in answer has the same bytes as an encoded one (a test compares them), in a fifth of the time.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from lianfang.kernel.instant import moment
from lianfang.services.decide.challenge import NO_CHALLENGES, Challenges
from lianfang.wire import Action, Decision, Reason, TagMet, Versions, write

FORMS_MAX: Final = 8_192
"""Different answers kept encoded."""
_encode_text: Final = msgspec.json.Encoder().encode
_SECOND: Final = 1_000_000
_START: Final = b'{"payment_id":""'
_TIME: Final = b',"decided_at":"1970-01-01T00:00:00Z","seq":0'
_ALLOW: Final = b',"action":"allow"'
_Key = tuple[int, Action, int, tuple[str, ...]]


class Answers:
    """Writes decisions under one set of versions."""

    def __init__(self, versions: Versions, challenges: Challenges = NO_CHALLENGES) -> None:
        self._versions = versions
        self._challenges = challenges
        self._end = b',"versions":' + write(versions) + b"}"
        self._second: int | None = None
        self._stamp = b""
        self._forms: dict[_Key, tuple[tuple[Reason, ...], bytes]] = {}

    def allow(self, payment_id: str, now: int, seq: int) -> bytes:
        """`allow`, no reason, no score. `now` in microseconds."""
        return self._filled(payment_id, _ALLOW, now, seq)

    def scored(self, payment_id: str, now: int, seq: int, score: float, challenger: float) -> bytes:
        """`allow`, no reason, and what the models say; NaN: nothing."""
        said = _ALLOW if score != score else b'%b,"score":%b' % (_ALLOW, _encode_text(score))
        if challenger == challenger:
            said += b',"challenger_score":' + _encode_text(challenger)
        return self._filled(payment_id, said, now, seq)

    def _filled(self, payment_id: str, said: bytes, now: int, seq: int) -> bytes:
        second, us = divmod(now, _SECOND)
        if second != self._second:
            self._second = second
            self._stamp = moment(second * _SECOND).isoformat()[:19].encode()
        fraction = b".%06dZ" % us if us else b"Z"
        return b'{"payment_id":%b%b,"decided_at":"%b%b","seq":%d%b' % (
            _encode_text(payment_id),
            said,
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
        tags: tuple[TagMet, ...] = (),
    ) -> bytes:
        """Any decision. It is unsure if one of the reasons is the system's.

        Without a score or tags, the same tuple of reasons gives the same answer: that is remembered by the tuple itself.
        """
        if score == score or challenger == challenger or tags:
            return self._encoded(payment_id, now, seq, action, reasons, score, points, shadow, challenger, tags)
        key = (id(reasons), action, points, shadow)
        held, said = self._forms.get(key) or ((), b"")
        if held is not reasons or not said:
            said = self._said(action, reasons, points, shadow)
            if len(self._forms) >= FORMS_MAX:
                self._forms.clear()
            self._forms[key] = (reasons, said)  # holds the tuple, so that no other can take its id
        return self._filled(payment_id, said, now, seq)

    def _said(self, action: Action, reasons: tuple[Reason, ...], points: int, shadow: tuple[str, ...]) -> bytes:
        """What stands between the payment's id and the time."""
        whole = self._encoded("", 0, 0, action, reasons, math.nan, points, shadow, math.nan)
        return whole.removeprefix(_START).removesuffix(_TIME + self._end)

    def _encoded(
        self,
        payment_id: str,
        now: int,
        seq: int,
        action: Action,
        reasons: tuple[Reason, ...],
        score: float,
        points: int,
        shadow: tuple[str, ...],
        challenger: float,
        tags: tuple[TagMet, ...] = (),
    ) -> bytes:
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
                tags=tags,
                challenge=self._challenges.of(action, reasons),
                decided_at=moment(now),
                seq=seq,
                versions=self._versions,
            )
        )
