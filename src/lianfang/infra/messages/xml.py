"""Third-party XML to a checked tree, once, at the door. What could be used for an attack is refused before it is parsed.

Refuses: too many bytes or elements, deep nesting, document types (and with them every entity but the five of XML itself),
encodings we do not know, XML other than 1.0, namespaces that are no message we read, and what its XSD does not allow.
Comments and processing instructions are dropped as if they had not been there; CDATA is text like any other.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from lxml import etree

from lianfang.infra.messages.schema import schema_of
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.wire.iso20022 import MESSAGES, Message

XML_BYTES_MAX: Final = limits.BODY_BYTES_MAX
"""One message, unless the caller says otherwise."""
XML_ELEMENTS_PER_BYTE: Final = 1 / 16
"""So many elements for its size has no message: `<Cd>X</Cd>` with the tag around it takes more."""
XML_ELEMENTS_MIN: Final = 1_024
"""... but so many any may have."""
XML_DEPTH_MAX: Final = 32
"""Elements in each other. The deepest of the messages read has 14, envelopes add a few."""

_DECLARATION: Final = re.compile(rb"^\s*<\?xml\s([^>]{0,200}?)\?>")
_ATTRIBUTE: Final = re.compile(r"""(version|encoding)\s*=\s*["']([^"']{0,40})["']""")
_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "iso-8859-1": "iso-8859-1",
}
"""What a declaration may say; GB 18030 reads the older Chinese encodings too."""
_PARSER: Final = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    load_dtd=False,
    dtd_validation=False,
    no_network=True,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    recover=False,
)
_too_deep: Final = etree.XPath("boolean(" + "/*" * (XML_DEPTH_MAX + 1) + ")")
_BY_NAMESPACE: Final = {known: message for message in MESSAGES for known in message.known}


class Parsed(NamedTuple):
    """A message whose form is right: which it is, its namespace, the element below `Document`, what it was read from."""

    message: Message
    namespace: str
    root: Any
    notes: tuple[str, ...]
    """What was normalised or left aside on the way, as sentences."""


def parse(raw: bytes, *, bytes_max: int = XML_BYTES_MAX) -> Parsed:
    """A message from bytes. Raises `InputError` saying what and where (line and column, or element), never anything else."""
    if len(raw) > bytes_max:
        raise TooLargeError(f"an XML message has at most {bytes_max:,} bytes, not {len(raw):,}")
    text, notes = _as_utf8(raw)
    _refuse_tricks(text)
    try:
        root = etree.fromstring(text, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as why:
        raise _syntax_error(why) from why
    if _too_deep(root):
        raise TooLargeError(f"nested deeper than {XML_DEPTH_MAX} elements")
    document, wrapped = _document(root)
    if wrapped:
        notes = (*notes, f"the envelope {wrapped} around the Document was left aside")
    space, _, _ = document.tag[1:].partition("}")
    message = _BY_NAMESPACE.get(space) if document.tag[0] == "{" else None
    if message is None:
        raise UnknownMessageError(_unknown(space if document.tag[0] == "{" else ""), f"line {document.sourceline}")
    schema = schema_of(message.name, space)
    if not schema.validate(document):
        raise _schema_error(schema)
    return Parsed(message, space, document[0], notes)


def _as_utf8(raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The same text in UTF-8. The declaration, the byte order mark and the bytes must agree."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decoded(raw, "utf-16").removeprefix("\ufeff").encode(), ("UTF-16 was read",)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    declared = _DECLARATION.match(raw)
    said = dict(_ATTRIBUTE.findall(declared[1].decode("ascii", "replace"))) if declared else {}
    if said.get("version", "1.0") != "1.0":
        raise InputError(f"XML {said['version']} is not read, only XML 1.0", "line 1")
    name = said.get("encoding", "utf-8").lower()
    codec = _ENCODINGS.get(name)
    if codec is None or codec.startswith("utf-16"):
        known = ", ".join(sorted({e.upper() for e in _ENCODINGS}))
        raise InputError(f"the encoding {said['encoding']!r} is not read; these are: {known}", "line 1")
    text = _decoded(raw, codec)
    if codec in ("utf-8", "ascii"):
        return raw, ()
    return text.encode(), (f"{name.upper()} was read",)


def _decoded(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as why:
        hint = "; if it is another encoding, the XML declaration must name it" if codec == "utf-8" else ""
        raise InputError(f"the text is not valid {codec.upper()}{hint}", f"byte {why.start}") from why


def _refuse_tricks(text: bytes) -> None:
    """What no message needs and every attack on parsers does."""
    at = text.find(b"<!DOCTYPE")
    if at >= 0 or (at := text.find(b"<!ENTITY")) >= 0:
        line = text.count(b"\n", 0, at) + 1
        raise InputError(
            "a document type or entity is refused: messages have none (ISO 20022-4), and none is resolved",
            f"line {line}",
        )
    most = max(XML_ELEMENTS_MIN, int(len(text) * XML_ELEMENTS_PER_BYTE))
    if text.count(b"<") > 2 * most:
        raise TooLargeError(f"more than {most:,} elements in {len(text):,} bytes")


def _document(root: Any) -> tuple[Any, str]:
    """The `Document`, and the name of what is around it. Raises `InputError` for none or more than one."""
    if etree.QName(root).localname == "Document":
        return root, ""
    found = [e for e in root.iter("{*}Document") if e.tag[0] == "{"]
    if len(found) != 1:
        what = f"{len(found)} Documents in <{etree.QName(root).localname}>; one message is read, with one Document"
        raise UnknownMessageError(what, f"line {root.sourceline}")
    return found[0], etree.QName(root).localname


class UnknownMessageError(InputError):
    """XML that is no message we read."""

    code = "unknown-message"


def _unknown(space: str) -> str:
    known = "; ".join(f"{m.name}.001.{m.versions[0]} to {m.versions[-1]}" for m in MESSAGES)
    return f"{space!r} is not the namespace of a message that is read. These are: {known}"


def _syntax_error(why: Exception) -> InputError:
    line, column = getattr(why, "position", (0, 0))
    sentence = str(getattr(why, "msg", why)).partition(", line ")[0]
    if "xcessive depth" in sentence:
        return TooLargeError(f"nested deeper than {XML_DEPTH_MAX} elements", f"line {line}, column {column}")
    return InputError(f"this is not well-formed XML: {sentence}", f"line {line}, column {column}")


_SPACE_IN_TEXT: Final = re.compile(r"\{urn:[^}]*\}")
_FACET: Final = re.compile(r"\[facet '(\w+)'\]")
_FACETS: Final = {
    "pattern": "the value has not the form of its type",
    "maxLength": "the value is too long",
    "minLength": "the value is empty",
    "totalDigits": "the number has too many digits",
    "fractionDigits": "the number has too many decimals",
    "minInclusive": "the number is too small",
}
_ABOUT_STRUCTURE: Final = (
    "This element is not expected",
    "Missing child",
    "The attribute",
    "Character content",
    "Element content",
)
"""Complaints that name elements and no values. Of the others a sentence of ours is told: a refusal never repeats what may be
somebody's name or account."""
_ELEMENT_IN_TEXT: Final = re.compile(r"^Element '(?P<element>[^']+)'(?:, attribute '(?P<attribute>[^']+)')?: ?")


def _schema_error(schema: Any) -> InputError:
    """The first complaint, in short: what, at which line, on which element."""
    first = schema.error_log[0]
    sentence = _SPACE_IN_TEXT.sub("", first.message)
    named = _ELEMENT_IN_TEXT.match(sentence)
    where = f"line {first.line}"
    if named:
        where += f", {named['element']}" + (f"/@{named['attribute']}" if named["attribute"] else "")
        sentence = sentence[named.end() :]
    facet = _FACET.match(sentence)
    if facet:
        sentence = _FACETS.get(facet[1], "the value is not one of its type")
    elif not sentence.startswith(_ABOUT_STRUCTURE):
        sentence = "the value is not one of its type"
    return InputError(sentence.strip()[: limits.TEXT_LENGTH_MAX], where)
