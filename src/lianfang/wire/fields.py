"""The catalogue of a payment's fields: path, type, whether it may be null, and which subject it names.

Read off the structs, so that the expression language, the features and the mapping files can never drift from the wire.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import inspect

from lianfang.wire.listing import SubjectKind
from lianfang.wire.payment import Payment

FieldType = Literal["text", "int", "float", "bool", "time"]

SUBJECTS: Final[dict[str, SubjectKind]] = {
    "payer.account": "account",
    "payer.phone": "phone",
    "payer.id_document": "id_document",
    "payee.account": "account",
    "payee.phone": "phone",
    "payee.id_document": "id_document",
    "card": "card",
    "device.id": "device",
    "network.ip": "ip",
    "network.wifi": "wifi",
    "network.cell": "cell",
    "merchant.id": "merchant",
}
"""Paths whose value is a subject that lists and tags may be about."""

SIDES: Final[dict[str, Literal["payer", "payee"]]] = {
    path: "payee" if path.startswith(("payee.", "merchant.")) else "payer" for path in SUBJECTS
}
"""Whose subject it is: a card, a device and a network are the payer's, a merchant is who is paid."""


class Field(NamedTuple):
    """One scalar field. `choices` are the only values a closed text field takes, else empty."""

    path: str
    type: FieldType
    nullable: bool
    choices: tuple[str, ...] = ()


@cache
def catalogue() -> dict[str, Field]:
    """Every scalar field of `Payment` by path, in wire order. Not here: `surroundings` and `attributes`."""
    found: dict[str, Field] = {}
    _walk(Payment, "", found)
    del found["schema"]
    return found


def _walk(struct: type[msgspec.Struct], prefix: str, found: dict[str, Field]) -> None:
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        path = prefix + field.name
        kind, nullable = _unwrap(field.type)
        if isinstance(kind, inspect.StructType):
            _walk(kind.cls, path + ".", found)
        elif (scalar := _scalar(kind)) is not None:
            choices = tuple(map(str, kind.values)) if isinstance(kind, inspect.LiteralType) else ()
            found[path] = Field(path, scalar, nullable, choices)


def _unwrap(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    if isinstance(kind, inspect.UnionType):
        rest = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return (rest[0], True) if len(rest) == 1 else (kind, False)
    return kind, False


def _scalar(kind: inspect.Type) -> FieldType | None:
    table: tuple[tuple[type[inspect.Type], FieldType], ...] = (
        (inspect.StrType, "text"),
        (inspect.LiteralType, "text"),
        (inspect.BoolType, "bool"),
        (inspect.IntType, "int"),
        (inspect.FloatType, "float"),
        (inspect.DateTimeType, "time"),
    )
    return next((name for cls, name in table if isinstance(kind, cls)), None)
