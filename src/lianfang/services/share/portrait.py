"""The portrait of a subject: who said what of it, when, how sure, and how much of that is left by now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lianfang.kernel.instant import DAY, instant
from lianfang.services.share.opening import Disputed
from lianfang.services.share.store import Contested
from lianfang.wire import Tag


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One tag of a subject, and what became of it. Times in microseconds UTC."""

    place: int
    tag: Tag
    confidence_now: float
    """Its confidence, halved with every half-life since the subject was last seen; 0 where the tag does not stand."""
    stands: bool
    pending: bool
    withdrawn: str
    disputed: tuple[str, ...]
    agreed: tuple[str, ...]
    seen: tuple[str, ...]
    appeal: str
    ours: bool


class Portrait(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a node may say of a subject by what it could open."""

    kind: str
    held: bool
    """Whether the subject is held here: if not, nothing of it can be opened."""
    epochs: tuple[str, ...]
    """Epochs of which its token is here; tags sealed in others are not seen."""
    vetoed: bool
    confidence: float
    """That somebody at least is right, if members err independently: 0 to 100."""
    lines: tuple[Line, ...]


class Seen(NamedTuple):
    """An opened tag at its place."""

    place: int
    tag: Tag


class View(NamedTuple):
    """From where it is looked at."""

    member: str
    confirmed: int
    half_life_days: int
    disputed: Disputed
    now: int


def portrait(
    kind: str,
    tags: Sequence[Seen],
    contested: Mapping[str, Contested],
    epochs: Sequence[str],
    vetoed: bool,
    view: View,
) -> Portrait:
    """Of a subject that is held, the newest tag first. `contested`: by tag id."""
    lines = [_line(one, contested.get(one.tag.id, Contested()), vetoed, view) for one in tags]
    lines.sort(key=lambda line: -line.place)
    return Portrait(
        kind=kind,
        held=True,
        epochs=tuple(sorted(epochs)),
        vetoed=vetoed,
        confidence=_together(lines),
        lines=tuple(lines),
    )


def _line(one: Seen, about: Contested, vetoed: bool, view: View) -> Line:
    tag = one.tag
    ignored = bool(about.disputed) and view.disputed == "ignore"
    stands = not (about.withdrawn or vetoed or ignored) and instant(tag.valid_until) > view.now
    age_days = max(view.now - instant(tag.last_seen), 0) / DAY
    left = tag.confidence * 0.5 ** (age_days / view.half_life_days)
    return Line(
        place=one.place,
        tag=tag,
        confidence_now=round(left, 1) if stands else 0.0,
        stands=stands,
        pending=one.place >= view.confirmed,
        withdrawn=about.withdrawn,
        disputed=about.disputed,
        agreed=about.agreed,
        seen=about.seen,
        appeal=about.appeal,
        ours=tag.contributor == view.member,
    )


def _together(lines: Sequence[Line]) -> float:
    """The surest line of each member, joined as independent witnesses."""
    surest: dict[str, float] = {}
    for line in lines:
        by = line.tag.contributor
        surest[by] = max(surest.get(by, 0.0), line.confidence_now)
    wrong = 1.0
    for confidence in surest.values():
        wrong *= 1 - confidence / 100
    return round(100 * (1 - wrong), 1)
