"""How the columns of somebody's table become payments: the mapping file (docs/reference/mapping.md).

The struct is closed and its errors name the file, the key, and what would have been right. Which columns really exist
is checked where the table is opened.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, field

from lianfang.infra.history.times import UTC_NAMES
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import seconds_of
from lianfang.wire import build, catalogue
from lianfang.wire.payment import Part

MAPPING_BYTES_MAX: Final = 1 << 18
VALUES_MAX: Final = 10_000
"""Entries of one translation table."""

REQUIRED: Final = ("id", "time", "kind", "amount", "currency")
"""What every payment has: a mapping without one of them is refused."""

Scalar = str | bool | int | float
Column = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
_ATTRIBUTE: Final = re.compile(rf"attributes\.[^:]{{1,{limits.ID_LENGTH_MAX}}}")
SURROUNDINGS: Final = "surroundings"


class Source(Part, kw_only=True, frozen=True):
    """Where one field of the payment comes from: a column, or the same constant for every row."""

    column: Column | None = None
    constant: Scalar | None = None
    prefix: Annotated[str, Meta(max_length=limits.ID_LENGTH_MAX)] = ""
    """Put before a text value, to keep two kinds of number apart."""
    scale: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    """Multiplies numbers, rounded half to even: 100 turns yuan into fen. Without it a fraction is refused."""
    timezone: str | None = None
    """IANA name of the zone that times without a zone are in. Without it such times are refused."""
    unit: Literal["s", "ms", "us", "ns"] | None = None
    """What whole numbers count since 1970-01-01T00:00:00Z, where a time is stored as a number."""
    values: Annotated[dict[str, Scalar], Meta(max_length=VALUES_MAX)] = field(default_factory=dict)
    """Translates the column's values, written as text. A value that is not in the table makes the row bad."""


class LabelSource(Part, kw_only=True, frozen=True):
    """Where the truth is. Null is unknown; without `genuine`, every other value is genuine."""

    column: Column
    fraud: tuple[Scalar, ...]
    genuine: tuple[Scalar, ...] = ()
    kind: Column | None = None
    """Column with the scam or scheme; becomes `extra["label_kind"]`."""
    known_at: Column | None = None
    """Column with the time the label became known; null is never."""
    known_after: str | None = None
    """`7d`: every label became known that long after its payment."""
    timezone: str | None = None
    unit: Literal["s", "ms", "us", "ns"] | None = None


class Mapping(Part, kw_only=True, frozen=True):
    """One mapping file. `payment` goes by field path; attributes are written `attributes.<key>`."""

    schema: Literal["mapping/1"] = "mapping/1"
    layout: Literal["mapped", "native"] = "mapped"
    """`native`: a field that `payment` does not name is in the column of its own path, where there is one."""
    payment: dict[str, Source] = field(default_factory=dict)
    label: LabelSource | None = None
    evaluate: dict[str, Column] = field(default_factory=dict)
    """Columns carried along for the evaluation, under these names: `customer`, `scenario`."""


def native_mapping() -> Mapping:
    """The layout `lianfang simulate` writes: columns named by path, truth in `label`, `label_kind` and `known_at`."""
    return Mapping(
        layout="native",
        label=LabelSource(column="label", fraud=(1,), kind="label_kind", known_at="known_at"),
        evaluate={"customer": "payer.account"},
    )


def read_mapping(path: Path) -> Mapping:
    """A mapping file (TOML). Raises `InputError` naming the file and the key."""
    try:
        raw = path.read_bytes()
    except OSError as why:
        raise InputError(f"cannot read the mapping file: {why.strerror}", str(path)) from why
    if len(raw) > MAPPING_BYTES_MAX:
        raise InputError(f"a mapping file has at most {MAPPING_BYTES_MAX} bytes", str(path))
    try:
        document = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"not TOML: {why}", str(path)) from why
    try:
        return mapping_of(document)
    except InputError as why:
        raise InputError(why.what, f"{path}: {why.where}" if why.where else str(path)) from why


def mapping_of(document: dict[str, Any]) -> Mapping:
    """A mapping from parsed TOML. `payer.account` may be one quoted key or nested tables."""
    payment = document.get("payment")
    if isinstance(payment, dict):
        document = document | {"payment": dict(_leaves(payment, ""))}
    mapping = build(Mapping, document)
    for path, source in mapping.payment.items():
        _check_source(path, source)
    if mapping.layout == "mapped":
        for path in REQUIRED:
            if path not in mapping.payment:
                raise InputError(f"every payment needs {path!r}: give it a column or a constant", f"payment.{path}")
    if mapping.label is not None:
        _check_label(mapping.label)
    return mapping


def _leaves(table: dict[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        path = prefix + key
        nested = isinstance(value, dict) and any(isinstance(inner, dict) for k, inner in value.items() if k != "values")
        if nested:
            yield from _leaves(value, path + ".")
        else:
            yield path, value


def _check_source(path: str, source: Source) -> None:
    where = f"payment.{path}"
    known = catalogue()
    if path not in known and path != SURROUNDINGS and not _ATTRIBUTE.fullmatch(path):
        raise InputError(f"a payment has no field {path!r}{did_you_mean(path, known)}", where)
    if (source.column is None) == (source.constant is None):
        raise InputError("needs either `column` or `constant`, and not both", where)
    if source.constant is not None and path == SURROUNDINGS:
        raise InputError("findings come from a column", where)
    if source.timezone is not None:
        check_timezone(source.timezone, where + ".timezone")


def _check_label(label: LabelSource) -> None:
    if not label.fraud:
        raise InputError("name at least one value that means fraud", "label.fraud")
    if label.known_at is not None and label.known_after is not None:
        raise InputError("give `known_at` or `known_after`, not both", "label")
    if label.known_after is not None:
        seconds_of(label.known_after)
    if label.timezone is not None:
        check_timezone(label.timezone, "label.timezone")


def check_timezone(name: str, where: str) -> None:
    """Raises `InputError` unless `name` is a zone of the IANA database on this machine."""
    if name in UTC_NAMES:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as why:
        raise InputError(f"{name!r} is not a time zone we know: write UTC, Asia/Shanghai, ...", where) from why


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where nothing is near. Case is forgiven."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
