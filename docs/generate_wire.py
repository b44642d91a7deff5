"""The reference page of the data standard, read off the structs, the limits and the ISO 20022 table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import inspect

from lianfang.kernel import limits
from lianfang.wire import SUBJECTS
from lianfang.wire.payment import Part
from lianfang.wire.schema import MESSAGES

_INTRO: Final = """\
# The data standard

Every message of the alliance, as the code has it. The same as JSON Schema: [schema.json](schema.json), or
`lianfang schema`. Messages are JSON in UTF-8; what is null may be left out, and is left out when we write.

## The promise about versions

A message names its version in `schema` (`payment/1`). A published version never changes: no field is added, renamed,
narrowed or widened in it. A new need makes a new version beside the old one, and a node reads every version that was
ever published. Until 1.0 of the software the versions here are being tried, and the changelog names each change.

A field that a version does not have is refused with the path of the object it stands in, and never dropped: two members
must not see two payments in the same bytes.

## What is refused

| what | limit | answer |
| --- | --- | --- |
"""
_REFUSED: Final = (
    ("a body larger than", f"{limits.BODY_BYTES_MAX:,} bytes", "413"),
    ("one payment larger than", f"{limits.PAYMENT_BYTES_MAX:,} bytes", "413"),
    ("a batch of more payments than", f"{limits.BATCH_PAYMENTS_MAX:,}", "413"),
    ("objects and lists nested deeper than", f"{limits.JSON_DEPTH_MAX}", "413"),
    ("more keys in one object than", f"{limits.JSON_KEYS_MAX}", "413"),
    ("a key twice in one object, or written with an escape", "", "400"),
    ("NaN, Infinity, a number no 64 bits hold, a fraction where a whole number is asked for", "", "400"),
    ("text that is not UTF-8, half of a surrogate pair, control characters (U+0000 to U+001F)", "", "400"),
    ("a time without its zone", "", "400"),
    ("a payment ahead of the node's clock by more than", f"{limits.CLOCK_SKEW_MAX_S} s", "400"),
)
_AFTER_REFUSED: Final = """
The answer says what is wrong and where (`$.payer.account`; `$[3].amount` in a batch). A rule's condition may hold line
breaks and tabs; nothing else may.
"""
_ISO: Final = """\
## ISO 20022 and ISO 8583

Our payer and payee are ISO's debtor and creditor; cards, QR codes and wallets have them too, so they have plain names
here. Which element or data element is which field: [the messages of banks](messages.md).
"""


def wire_reference() -> str:
    """docs/reference/wire.md."""
    parts = [_INTRO + _rows(_REFUSED) + _AFTER_REFUSED]
    parts += [_message(kind) for kind in MESSAGES]
    subjects = [(f"`{path}`", kind) for path, kind in SUBJECTS.items()]
    parts.append(
        "## Subjects\n\nFields whose value lists and shared tags may be about.\n\n"
        + table(("field", "kind of subject"), subjects)
    )
    parts.append(_ISO)
    return "\n".join(parts)


def _message(kind: type[msgspec.Struct]) -> str:
    version = msgspec.structs.fields(kind)[0]
    title = f"## {kind.__name__}" + (f" (`{version.default}`)" if version.name == "schema" else "")
    return f"{title}\n\n{_said(kind)}\n\n" + table(("field", "value", "must be given"), list(_fields(kind, "")))


def _fields(kind: type[msgspec.Struct], prefix: str) -> Iterable[tuple[str, str, str]]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        if field.name == "schema":
            continue
        inner = _struct(field.type)
        listed = isinstance(field.type, inspect.VarTupleType)
        path = prefix + field.name + ("[]" if listed else "")
        if inner is not None and inner.cls not in MESSAGES:
            yield from _fields(inner.cls, path + ".")
        else:
            yield f"`{path}`", _type(field.type), "yes" if field.required else ""


def _struct(kind: inspect.Type) -> inspect.StructType | None:
    if isinstance(kind, inspect.VarTupleType):
        kind = kind.item_type
    if isinstance(kind, inspect.UnionType):
        kind = next((t for t in kind.types if isinstance(t, inspect.StructType)), kind)
    return kind if isinstance(kind, inspect.StructType) and issubclass(kind.cls, Part) else None


def _type(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType():
            return " or ".join(dict.fromkeys(_type(t) for t in kind.types if not isinstance(t, inspect.NoneType)))
        case inspect.LiteralType() if len(kind.values) > 20:
            return f"one of {len(kind.values)} codes (ISO 4217)"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.StrType():
            return "text" + (f" like `{kind.pattern}`" if kind.pattern else _between(kind.min_length, kind.max_length))
        case inspect.IntType():
            return "whole number" + _between(kind.ge, kind.le)
        case inspect.FloatType():
            return "number" + _between(kind.ge if kind.gt is None else kind.gt, kind.le)
        case inspect.DateTimeType():
            return "time with its zone (RFC 3339)"
        case inspect.DateType():
            return "date (RFC 3339)"
        case inspect.BoolType():
            return "true or false"
        case inspect.NoneType():
            return "null"
        case inspect.VarTupleType() | inspect.ListType():
            inner = _struct(kind.item_type)
            of = f"`{inner.cls.__name__}`" if inner else _type(kind.item_type)
            return f"list of {of}{_at_most(kind.max_length)}"
        case inspect.DictType():
            return f"object of {_type(kind.value_type)}{_at_most(kind.max_length)}"
        case inspect.StructType():
            return f"`{kind.cls.__name__}`"
    return "anything"


def _between(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f", {low:,} or more"
    return f", {low if low is not None else 0:,} to {high:,}"


def _at_most(size: int | None) -> str:
    return "" if size is None else f", at most {size:,}"


def _said(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _rows([head, ["---"] * len(head)]) + _rows(rows)


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)
