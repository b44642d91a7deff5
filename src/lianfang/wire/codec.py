"""Bytes to structs and back, once, at the door. Refusals say what and where (`$.payer.account`)."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from lianfang.kernel.errors import InputError
from lianfang.wire.decision import Decision
from lianfang.wire.listing import ListEntry
from lianfang.wire.model import Model
from lianfang.wire.outcome import Outcome
from lianfang.wire.payment import Payment
from lianfang.wire.rule import Rule, RuleSet
from lianfang.wire.sharing import Entry, Tag
from lianfang.wire.strict import refuse_ambiguous, refuse_control_characters

T = TypeVar("T")


class Reader(Generic[T]):
    """Reads one wire type from JSON. Raises `InputError`, never anything else, whatever the bytes.

    `allowed`: control characters that its texts may hold, such as the line breaks of a condition.
    """

    def __init__(self, kind: type[T], allowed: str = "") -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._allowed = allowed

    def __call__(self, raw: bytes) -> T:
        refuse_ambiguous(raw)
        try:
            value = self._decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
            raise input_error(why) from why
        refuse_control_characters(raw, value, self._allowed)
        return value


def input_error(why: Exception) -> InputError:
    """A decoder's complaint as ours: the sentence, and the path that msgspec puts at its end."""
    if isinstance(why, UnicodeDecodeError):
        return InputError("the text is not valid UTF-8", f"byte {why.start}")
    if isinstance(why, RecursionError):
        return InputError("nested too deeply")
    what, found, where = str(why).partition(" - at `")
    return InputError(what, where.rstrip("`") if found else "$")


def build(kind: type[T], value: Any) -> T:
    """A wire type from plain Python values (parsed TOML, YAML, a row). Raises `InputError`."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, RecursionError) as why:
        raise input_error(why) from why


_encode: Final = msgspec.json.Encoder().encode


def write(value: Any) -> bytes:
    """A wire struct as compact JSON, nulls left out."""
    return _encode(value)


read_payment: Final = Reader(Payment)
read_payments: Final = Reader(list[Payment])
read_decision: Final = Reader(Decision)
read_outcome: Final = Reader(Outcome)
read_list_entry: Final = Reader(ListEntry)
LAYOUT: Final = "\n\r\t"
"""What people lay text out with; a condition may have several lines."""
read_tag: Final = Reader(Tag)
read_entry: Final[Reader[Entry]] = Reader(Entry)  # type: ignore[arg-type]
read_rule: Final = Reader(Rule, LAYOUT)
read_ruleset: Final = Reader(RuleSet, LAYOUT)
read_manifest: Final = Reader(Model, LAYOUT)
