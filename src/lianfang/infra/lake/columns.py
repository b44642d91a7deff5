"""What a row of the lake holds: the payment in the columns of the native layout, the answer, what was counted.

A payment's field is a column by its path (`payer.account`), so that a part is a history by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from lianfang.infra.journal import Record
from lianfang.wire import Decision, FieldType, Outcome, Payment, catalogue

INSTANT: Final[pa.DataType] = pa.timestamp("us", tz="UTC")
_TYPES: Final[dict[FieldType, pa.DataType]] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "time": INSTANT,
}
PATHS: Final = tuple(catalogue())
"""The payment's own columns, in the order of the wire."""
_FINDINGS: Final[pa.DataType] = pa.list_(
    pa.struct([("code", pa.string()), ("severity", pa.string()), ("source", pa.string())])
)
_ANSWER: Final[list[tuple[str, pa.DataType]]] = [
    ("surroundings", _FINDINGS),
    ("attributes", pa.map_(pa.string(), pa.string())),
    ("action", pa.string()),
    ("reasons", pa.list_(pa.string())),
    ("hits", pa.list_(pa.string())),
    ("score", pa.float64()),
    ("points", pa.int64()),
    ("unsure", pa.bool_()),
    ("shadow", pa.list_(pa.string())),
    ("challenger_score", pa.float64()),
    ("detail", pa.string()),
    ("rules_version", pa.string()),
    ("lists_version", pa.string()),
    ("features_version", pa.string()),
    ("model_version", pa.string()),
    ("challenger_version", pa.string()),
    ("features", pa.list_(pa.float64())),
]
"""`reasons`: codes, heaviest first; `hits`: which rule, list or part of the node said each; `detail`: reasons and challenge
whole, as JSON, null where there are none; `attributes`: values as JSON; `features`: in the order of their version's names."""
DECISIONS: Final = pa.schema(
    [
        ("seq", pa.int64()),
        ("decided_at", INSTANT),
        *((path, _TYPES[field.type]) for path, field in catalogue().items()),
        *_ANSWER,
    ]
)
OUTCOMES: Final = pa.schema(
    [
        ("seq", pa.int64()),
        ("arrived_at", INSTANT),
        ("payment_id", pa.string()),
        ("label", pa.string()),
        ("known_at", INSTANT),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("note", pa.string()),
    ]
)

_fields: Final = attrgetter(*PATHS)
# What stands in a journal was checked at the door before: the plain decoders are enough, and three times as fast.
_read_payment: Final = msgspec.json.Decoder(Payment).decode
_read_decision: Final = msgspec.json.Decoder(Decision).decode
_read_outcome: Final = msgspec.json.Decoder(Outcome).decode
_encode: Final = msgspec.json.Encoder().encode


class Answered(NamedTuple):
    """One decision, read."""

    seq: int
    at: int
    payment: Payment
    decision: Decision
    features: bytes


class Told(NamedTuple):
    """One outcome, read."""

    seq: int
    at: int
    outcome: Outcome


def read_answered(record: Record) -> Answered:
    """A decision's record. Raises `ValueError` for one that cannot be read."""
    payment, decision = record.parts[0], record.parts[1]
    features = record.parts[2] if len(record.parts) > 2 else b""
    if len(features) % 8:
        raise ValueError("its features are no whole numbers of 8 bytes")
    return Answered(record.seq, record.at, _read_payment(payment), _read_decision(decision), features)


def read_told(record: Record) -> Told:
    """An outcome's record. Raises `ValueError` for one that cannot be read."""
    return Told(record.seq, record.at, _read_outcome(record.parts[0]))


def decisions_table(rows: Sequence[Answered]) -> Any:
    """Rows as a table of `DECISIONS`."""
    decisions = [row.decision for row in rows]
    columns: list[Any] = [
        [row.seq for row in rows],
        [row.at for row in rows],
        *zip(*(_fields(row.payment) for row in rows), strict=True),
        [[_finding(one) for one in row.payment.surroundings] or None for row in rows],
        [[(k, _encode(v).decode()) for k, v in row.payment.attributes.items()] or None for row in rows],
        [one.action for one in decisions],
        [[reason.code for reason in one.reasons] for one in decisions],
        [[reason.name for reason in one.reasons] for one in decisions],
        [one.score for one in decisions],
        [one.points for one in decisions],
        [one.unsure for one in decisions],
        [list(one.shadow) for one in decisions],
        [one.challenger_score for one in decisions],
        [_detail(one) for one in decisions],
        *zip(*(_versions(one) for one in decisions), strict=True),
    ]
    arrays = [_array(column, field.type) for column, field in zip(columns, DECISIONS, strict=False)]
    return pa.Table.from_arrays([*arrays, _lists([row.features for row in rows])], schema=DECISIONS)


def outcomes_table(rows: Sequence[Told]) -> Any:
    """Rows as a table of `OUTCOMES`."""
    columns = zip(
        *((seq, at, one.payment_id, one.label, one.known_at, one.source, one.kind, one.note) for seq, at, one in rows),
        strict=True,
    )
    arrays = [_array(column, field.type) for column, field in zip(columns, OUTCOMES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=OUTCOMES)


def _array(values: Sequence[Any], kind: pa.DataType) -> Any:
    if kind == INSTANT and values and type(values[0]) is int:
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


def _finding(one: Any) -> dict[str, Any]:
    return {"code": one.code, "severity": one.severity, "source": one.source}


def _detail(one: Decision) -> str | None:
    if not one.reasons and one.challenge is None:
        return None
    return _encode({"reasons": one.reasons, "challenge": one.challenge}).decode()


def _versions(one: Decision) -> tuple[str | None, ...]:
    said = one.versions
    return said.rules, said.lists, said.features, said.model, said.challenger


def _lists(raw: Sequence[bytes]) -> Any:
    """Little-endian float64 of each row as lists; NaN is null, and so is a row without any."""
    values = np.frombuffer(b"".join(raw), "<f8").astype(np.float64)
    lengths = np.array([len(one) // 8 for one in raw], np.int32)
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int32)]).astype(np.int32)
    empty = np.append(lengths == 0, False)
    return pa.ListArray.from_arrays(pa.array(ends, mask=empty), pa.array(values, mask=np.isnan(values)))
