"""The reference page of the messages banks send, from the tables that the converters run on."""

from __future__ import annotations

from typing import Final

from docs.generate_wire import table
from lianfang.infra.messages import frames, iso8583, xml
from lianfang.kernel import limits
from lianfang.wire import catalogue
from lianfang.wire.iso20022 import (
    ACTION_OF_STATUS,
    MESSAGES,
    REASON_OF_BLOCK,
    REASON_OF_REFUSAL,
    REASON_OTHERWISE,
    STATUS_OF_ACTION,
    Message,
)

_INTRO: Final = """\
# The messages of banks

Made from the tables that the converters run on. How to use them: [ISO messages](../how-to/iso-messages.md).

What a message holds that a payment has no field for goes to `attributes` where a rule may want it, under the names below;
what is in none of these tables is lost, and `lianfang convert` lists it by path. Nothing is lost in silence.

## ISO 20022: what is read and written

"""
_SCHEMAS: Final = """
A namespace that is not among these is refused, and the refusal lists them. A business application header and envelopes
around the `Document` are left aside; there must be exactly one `Document`.

Every message is validated by XSD. The schemas are our own (`lianfang/infra/messages/schemas`), in the message's official
namespace, with the names, the order and the types of the published message definitions for everything that is read or
written. An element that is not read is known at its place, so that it may stand there and nowhere else, but its content is
not checked; what one version of a message allows is allowed in all versions that are read. The official schemas are not
shipped: no small and well-kept package was found that carries those of all these messages.

## ISO 20022: statuses and reasons

A decision is answered as pacs.002:

"""
_STATUS_READ: Final = """
Our reason codes and sentences, in English and Chinese, stand in `StsRsnInf/AddtlInf`. `challenge` and `hold` are both
pending there; the JSON answer tells them apart. One `TxInfAndSts` a payment, in order; `GrpSts` is their common status, or
`PART`. A payment of several that was refused (not decided) has `RJCT` with a reason code of {refusal}, else `NARR`.

Read, a status is an action: {read}; one that begins with `AC` is `allow`, any other `hold`.

A recall (camt.056) is an outcome: label `disputed`, `kind` the reason code, `note` the lines of text, `source` who asks. It is
answered by camt.029 with `PDCR`: on record, pending. An answer that is read (camt.029) is an outcome with the status as `kind`.

"""
_ID: Final = """\
## ISO 20022: the id of a payment

The UETR, else `TxId`. Both are made to be unique (`TxId` within its instructing agent), so that the same transfer sent
again gets the same answer, and another one under the same id is refused as a conflict. Where a message has neither (most
pain.001, many statements) the id is made of its end-to-end reference and a hash over everything in the message that tells
this transfer from others, its place among them included: the same message again gives the same ids. Written, an id is the
UETR if it has that form, else the `TxId`; in pain.001, which has no `TxId`, any other id is lost and listed.

"""
_REFUSED_HEAD: Final = """\
## What is refused, what is normalised

"""
_REFUSED: Final = (
    ("more bytes than", f"{xml.XML_BYTES_MAX:,} at the door, 64 MiB in a file", "refused before parsing, 413"),
    ("document types, entities (inner, external, nested)", "", "refused before parsing"),
    (
        "more elements than",
        f"{xml.XML_ELEMENTS_MIN:,}, or one in {round(1 / xml.XML_ELEMENTS_PER_BYTE)} bytes",
        "refused before parsing, 413",
    ),
    ("elements nested deeper than", str(xml.XML_DEPTH_MAX), "refused, 413"),
    ("transactions in one message, more than", f"{limits.BATCH_PAYMENTS_MAX:,} at the door", "refused, 413"),
    ("not well-formed, cut short", "", "refused with line and column"),
    ("another namespace, another root, more than one `Document`", "", "refused, with those that are known"),
    ("what the XSD does not allow", "", "refused with line and element; the value is not repeated"),
    ("`NbOfTxs` or `CtrlSum` that is not so", "", "refused"),
    ("UTF-16, GB 18030, GBK, GB 2312, ISO 8859-1 that the declaration names", "", "normalised to UTF-8"),
    ("any other encoding, bytes that are not the encoding said", "", "refused"),
    ("XML 1.1", "", "refused"),
    ("comments, processing instructions, CDATA", "", "normalised: as if they had not been there, and plain text"),
    ("control characters (U+0000 to U+001F, U+007F to U+009F)", "", "refused; tab and line break become a space"),
    ("characters that turn the reading direction (U+202A to U+202E, U+2066 to U+2069)", "", "refused"),
    ("more decimals than the currency has (0, 2 or 3)", "", "refused; zeros after them are none"),
    ("an IBAN with wrong check digits or length", "", "refused"),
    ("a card number with a wrong check digit", "", "refused (response code 14)"),
    ("an ISO 8583 message longer than", f"{iso8583.MESSAGE_BYTES_MAX:,} bytes", "connection closed"),
    ("a frame not whole after", f"{frames.FrameLimits.partial_s:g} s", "connection closed"),
    ("a connection idle for", f"{frames.FrameLimits.idle_s:g} s", "connection closed"),
)
_CARDS: Final = """
## ISO 8583

Version 1987, ASCII, bitmaps in hexadecimal digits; over TCP each message after its length in two bytes, big-endian.
0100 and 0200 (0101 and 0201 are the same again) are decided, 0400 and 0420 recorded as the outcome `disputed`, kind
`reversal`, 0800 answered. What is not ISO 8583 closes the connection.

"""
_CARD_ID: Final = """
The id of a payment is `8583-`, the year and DE 7, DE 11, DE 32 and DE 33: what DE 90 of a reversal repeats. A request sent
again with the same is the same payment and gets the same answer. PINs (DE 52), tracks (DE 35, 36, 45) and chip data (DE 55)
are not kept.

"""


def messages_reference() -> str:
    """docs/reference/messages.md."""
    read = [(f"{m.name}.001.{m.versions[0]} to {m.versions[-1]}", m.written or "", _gives(m)) for m in MESSAGES]
    parts = [_INTRO + table(("read", "written as version", "gives"), read) + _SCHEMAS]
    statuses = [
        (f"`{action}`", status, REASON_OF_BLOCK if action == "block" else REASON_OTHERWISE)
        for action, status in STATUS_OF_ACTION.items()
    ]
    parts[0] += table(("action", "`TxSts`", "`StsRsnInf/Rsn/Cd`"), statuses) + _status_text() + _ID
    parts += [_message(message) for message in MESSAGES]
    parts.append(_REFUSED_HEAD + table(("what", "limit", "answer"), _REFUSED))
    parts.append(_cards())
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _gives(message: Message) -> str:
    if message.name == "pacs.002":
        return "decisions"
    return "outcomes" if message.name in ("camt.056", "camt.029") else "payments"


def _status_text() -> str:
    read = ", ".join(f"`{status}` is `{action}`" for status, action in ACTION_OF_STATUS.items())
    refusal = ", ".join(f"`{code}` (`{ours}`)" for ours, code in REASON_OF_REFUSAL.items())
    return _STATUS_READ.format(read=read, refusal=refusal)


def _message(message: Message) -> str:
    rows = [
        (f"`{row.ours}`", "<br>".join(f"`{place.path}` {place.form}" for place in row.places), row.remark)
        for row in message.rows
    ]
    text = f"## {message.name}\n\nBelow `{message.element}`; a transaction is a `{message.transaction}`.\n\n"
    text += table(("ours", "elements, best first, and their form", "remark"), rows)
    if message.written and message.name in ("pacs.008", "pain.001"):
        kept = {row.ours for row in message.rows} | {"currency", "kind"}
        lost = [f"`{path}`" for path in catalogue() if path not in kept]
        fixed = ", ".join(f"`{path}` {text}" for path, text in message.fixed)
        text += f"\nWritten where nothing of ours says otherwise: {fixed}.\n"
        text += (
            f"\nOf a payment, {message.name} has no place for: {', '.join(lost)}, `surroundings`, other attributes.\n"
        )
        text += "`kind` is always `transfer`. A value that does not fit its form is lost too, and listed.\n"
    return text


def _cards() -> str:
    fields = [(f"DE {row.element}", f"`{row.ours}`", row.remark) for row in iso8583.FIELDS]
    kinds = [(code, f"`{kind}`") for code, kind in iso8583.KINDS.items()]
    codes = [(code, f"`{action}`: {text}") for action, (code, text) in iso8583.RESPONSES.items()]
    codes += list(iso8583.REFUSALS.items())
    return (
        _CARDS
        + table(("data element", "field of Payment", "remark"), fields)
        + _CARD_ID
        + table(("DE 3 begins with", "`kind`"), kinds)
        + "\nInquiries (30 to 39) are refused; any other code is `card`.\n\n"
        + table(("DE 39", "meaning"), codes)
    )
