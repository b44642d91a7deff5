"""Reads a feature's declaration: `sum(amount) of payments where kind == "qr" by payer.account over 24h including this`.

Refuses what it cannot count exactly as docs/reference/features.md says, with the place of the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

from lianfang.engines.expr import Environment, check
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import seconds_of
from lianfang.wire import SUBJECTS, Feature, catalogue

Aggregate = Literal["count", "sum", "mean", "max", "distinct", "first", "last"]
Source = Literal["payments", "frauds"]
KEY_PATHS: Final = (*SUBJECTS, "merchant.terminal")
"""What a feature may be keyed by: the subjects, and the terminal of a merchant."""

_BODY: Final = re.compile(
    r"""^\s*(?:(?P<agg>count|sum|mean|max|distinct)\s*(?:\(\s*(?P<value>[\w.]+)\s*\))?\s+of\s+(?P<source>payments|frauds)
        |seconds\s+since\s+(?P<since>first|last)\s+(?P<event>payment|fraud))
        (?:\s+where\s+(?P<where>.+?))?
        \s+by\s+(?P<keys>[\w.]+(?:\s*,\s*[\w.]+)*)
        \s+over\s+(?P<window>\w+)
        (?P<including>\s+including\s+this)?\s*$""",
    re.VERBOSE | re.DOTALL,
)
_RATIO: Final = re.compile(r"^\s*ratio\s+of\s+(?P<top>\w+)\s+to\s+(?P<bottom>\w+)\s*$")


class FeatureError(InputError):
    """A declaration that cannot be counted: which feature, and what is wrong with it."""

    code = "invalid-feature"


@dataclass(frozen=True)
class Windowed:
    """One aggregate over one window of one key. `window_s` in seconds; `where` is "" for all payments."""

    name: str
    aggregate: Aggregate
    value: str
    where: str
    keys: tuple[str, ...]
    window_s: int
    including: bool
    source: Source = "payments"
    """What is counted: payments as they arrive, or payments as they become known to be fraud."""

    @property
    def exact(self) -> bool:
        """Whether the window's edges are exact; longer ones are rounded to buckets."""
        return self.window_s <= limits.WINDOW_EXACT_MAX_S


@dataclass(frozen=True)
class Ratio:
    """One feature over another; null where the lower one is 0 or null."""

    name: str
    top: str
    bottom: str


Declared = Windowed | Ratio


def declare(features: Sequence[Feature]) -> tuple[Declared, ...]:
    """All declarations of a rule set, in order. Raises `FeatureError` for the first that is wrong."""
    names = [f.name for f in features]
    for name in names:
        if names.count(name) > 1:
            raise FeatureError(f"the feature {name} is declared twice", name)
        if name in catalogue() or name == "score":
            raise FeatureError(f"{name} is already the name of a payment's field", name)
    windowed = {f.name for f in features if not _RATIO.match(f.define)}
    return tuple(_declare(f, windowed) for f in features)


def _declare(feature: Feature, windowed: set[str]) -> Declared:
    if ratio := _RATIO.match(feature.define):
        for part in (ratio["top"], ratio["bottom"]):
            if part not in windowed:
                raise FeatureError(f"{part!r} is not a counted feature{_hint(part, windowed)}", feature.name)
        return Ratio(feature.name, ratio["top"], ratio["bottom"])
    found = _BODY.match(feature.define)
    if not found:
        raise FeatureError(
            f"cannot read {feature.define!r}: write `count of payments by payer.account over 24h`, "
            '`sum(amount) of payments where kind == "qr" by payee.account over 7d`, '
            "`seconds since last payment by device.id over 30d`, `count of frauds by merchant.terminal over 30d` "
            "or `ratio of a to b`",
            feature.name,
        )
    aggregate: Aggregate = found["since"] or found["agg"]  # type: ignore[assignment]  # the pattern has no others
    source: Source = "frauds" if "fraud" in (found["source"] or found["event"]) else "payments"
    if source == "frauds" and (aggregate in ("distinct", "first") or found["including"]):
        what = "`including this`" if found["including"] else aggregate
        raise FeatureError(
            f"{what} does not go with frauds: count, sum, mean, max and `since last fraud` do", feature.name
        )
    return Windowed(
        name=feature.name,
        aggregate=aggregate,
        value=_value(feature, aggregate, found["value"] or ""),
        where=_where(feature, (found["where"] or "").strip()),
        keys=_keys(feature, found["keys"]),
        window_s=_window(feature, found["window"]),
        including=bool(found["including"]),
        source=source,
    )


def _value(feature: Feature, aggregate: Aggregate, value: str) -> str:
    if aggregate in ("count", "first", "last"):
        if value:
            raise FeatureError(f"{aggregate} takes no field", feature.name)
        return ""
    field = catalogue().get(value)
    if field is None:
        raise FeatureError(f"{value!r} is not a field of a payment{_hint(value, catalogue())}", feature.name)
    want = "text" if aggregate == "distinct" else "int"
    if field.type != want:
        raise FeatureError(f"{aggregate} needs a field of type {want}; {value} is {field.type}", feature.name)
    return value


def _where(feature: Feature, where: str) -> str:
    if where:
        try:
            checked = check(where, Environment())
        except InputError as why:
            raise FeatureError(f"in `where`: {why}", feature.name) from why
        if checked.type != "bool":
            raise FeatureError("`where` must be a condition", feature.name)
    return where


def _keys(feature: Feature, text: str) -> tuple[str, ...]:
    keys = tuple(k.strip() for k in text.split(","))
    if len(keys) > 2 or len(set(keys)) != len(keys):
        raise FeatureError("a feature is keyed by one subject or by a pair of two", feature.name)
    for key in keys:
        if key not in KEY_PATHS:
            raise FeatureError(f"{key!r} cannot be a key{_hint(key, KEY_PATHS)}", feature.name)
    return keys


def _window(feature: Feature, text: str) -> int:
    seconds = seconds_of(text)
    if not limits.WINDOW_MIN_S <= seconds <= limits.WINDOW_MAX_S:
        raise FeatureError("a window is at least 1m and at most 90d long", feature.name)
    if seconds > limits.WINDOW_EXACT_MAX_S and seconds % 3_600:
        raise FeatureError(
            "a window over 24h is a whole number of hours, because it is counted in buckets", feature.name
        )
    return seconds


def _hint(word: str, known: object) -> str:
    close = get_close_matches(word, list(known), n=1)  # type: ignore[call-overload]
    return f"; did you mean {close[0]}?" if close else ""
