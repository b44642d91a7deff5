"""The messages banks send: ISO 20022 and ISO 8583 to the alliance's own structs and back, with what was lost on the way."""

from lianfang.infra.messages.codecs import XmlCodecs
from lianfang.infra.messages.frames import CLOSE, FrameLimits, FrameServer, FrameSlot
from lianfang.infra.messages.iso8583 import (
    CardMessage,
    CardPayment,
    payment_of,
    read_iso8583,
    refusal_code,
    request_of,
    response,
    reversal_of,
)
from lianfang.infra.messages.lost import Lost
from lianfang.infra.messages.payments import Payments, read_payments_of, write_payments_as
from lianfang.infra.messages.recalls import read_recalls, write_recalls_as
from lianfang.infra.messages.status import Refused, read_status, write_decisions, write_status
from lianfang.infra.messages.xml import XML_BYTES_MAX, Parsed, UnknownMessageError, parse

__all__ = [
    "CLOSE",
    "XML_BYTES_MAX",
    "CardMessage",
    "CardPayment",
    "FrameLimits",
    "FrameServer",
    "FrameSlot",
    "Lost",
    "Parsed",
    "Payments",
    "Refused",
    "UnknownMessageError",
    "XmlCodecs",
    "parse",
    "payment_of",
    "read_iso8583",
    "read_payments_of",
    "read_recalls",
    "read_status",
    "refusal_code",
    "request_of",
    "response",
    "reversal_of",
    "write_decisions",
    "write_payments_as",
    "write_recalls_as",
    "write_status",
]
