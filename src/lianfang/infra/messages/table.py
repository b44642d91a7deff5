"""The engine between a message's tree and our names, driven by the rows of `wire.iso20022`.

Reading walks the tree once beside a tree of the known paths: what is on it is found, what is not is listed as lost.
Values of the levels around a transaction (header, payment information) hold for each transaction inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

from lianfang.infra.messages.forms import READ, WRITE, clean, joined, lines_of, money_parts
from lianfang.infra.messages.schema import order_of
from lianfang.infra.messages.xml import Parsed
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.wire import iso20022
from lianfang.wire.iso20022 import NOT_PROVIDED, Message, Place

LOST_MAX: Final = 1_000
"""Different paths that are listed as lost, at most."""
_REPEATED: Final = frozenset(
    {
        "CdtTrfTxInf",
        "PmtInf",
        "TxInfAndSts",
        "Undrlyg",
        "TxInf",
        "CxlDtls",
        "Rpt",
        "Stmt",
        "Ntfctn",
        "Ntry",
        "NtryDtls",
        "TxDtls",
    }
)
"""Levels: elements that stand several times with transactions inside, or are one."""

LINES_MAX: Final = 64
"""Lines of text and reasons of one transaction, at most."""


class Found(NamedTuple):
    """A value that was read: the text (or list of reasons), the `Ccy`, and the line it stands at."""

    value: Any
    currency: str
    line: int


Values = dict[str, list[Found]]
"""Path to what stands there, in order."""


class Transaction(NamedTuple):
    """One transaction's values by path, its level's path, and its number in the message, from 1."""

    values: Values
    path: str
    number: int


class _Node:
    """A known path: what may stand below, and whether its text is read."""

    __slots__ = ("children", "level", "path", "reasons", "taken")

    def __init__(self, path: str) -> None:
        self.path = path
        self.children: dict[str, _Node] = {}
        self.taken = False
        self.reasons = False
        self.level = path.rpartition("/")[2] in _REPEATED


@cache
def _tree(message: Message, namespace: str) -> _Node:
    root = _Node("")
    places = [place for row in message.rows for place in row.places]
    counts = [Place(path, "ReadText") for path in COUNTS.get(message.name, ())]
    for place in (*places, *counts):
        node = root
        path = ""
        for step in place.path.split("/"):
            path = f"{path}/{step}" if path else step
            node = node.children.setdefault(f"{{{namespace}}}{step}", _Node(path))
        node.taken = True
        node.reasons = place.form == "Reasons"
    return root


COUNTS: Final = {
    "pacs.008": ("GrpHdr/MsgId", "GrpHdr/NbOfTxs", "GrpHdr/CtrlSum", "GrpHdr/TtlIntrBkSttlmAmt"),
    "pain.001": ("GrpHdr/MsgId", "GrpHdr/NbOfTxs", "GrpHdr/CtrlSum", "PmtInf/PmtInfId"),
    "camt.056": ("Undrlyg/TxInf/CxlId",),
}
"""Read for the checks of a message as a whole and for its answer; not part of any payment."""


class Reading:
    """One message being read: its transactions, and the paths of what has no place with us."""

    def __init__(self, parsed: Parsed, transactions_max: int) -> None:
        self.lost: dict[str, int] = {}
        self._message = parsed.message
        self._namespace = parsed.namespace
        self._root = parsed.root
        self._max = transactions_max
        self._number = 0
        self.header: Values = {}
        """What stood outside of any transaction by the end."""

    def transactions(self) -> Iterator[Transaction]:
        """Each transaction in order. Raises `TooLargeError` for too many."""
        yield from self._level(self._root, _tree(self._message, self._namespace), self.header, "")

    def _level(self, element: Any, node: _Node, values: Values, path: str) -> Iterator[Transaction]:
        before = self._number
        inner: list[tuple[Any, _Node]] = []
        self._walk(element, node, values, inner)
        handed = _without_sums(values) if len(inner) > 1 else values
        for child, sub in inner:
            yield from self._level(child, sub, dict(handed), sub.path)
        is_one = path == self._message.transaction or (path.endswith("/Ntry") and self._number == before)
        if is_one:
            self._number += 1
            if self._number > self._max:
                raise TooLargeError(f"a message has at most {self._max:,} transactions here")
            yield Transaction(values, path, self._number)

    def _walk(self, element: Any, node: _Node, values: Values, inner: list[tuple[Any, _Node]]) -> None:
        children = node.children
        for child in element:
            sub = children.get(child.tag)
            if sub is None:
                self._lose(f"{node.path}/{child.tag.rpartition('}')[2]}")
            elif sub.level:
                inner.append((child, sub))
            elif sub.reasons:
                self._keep(sub.path, Found(_reason(child), "", child.sourceline), values)
            else:
                if sub.taken and child.text and (text := child.text.strip()):
                    self._take(sub.path, child, text, values)
                if sub.children:
                    self._walk(child, sub, values, inner)

    def _take(self, path: str, element: Any, text: str, values: Values) -> None:
        if path.endswith("/Ustrd"):
            text = element.text
        self._keep(path, Found(text, element.get("Ccy", ""), element.sourceline), values)

    def _keep(self, path: str, found: Found, values: Values) -> None:
        """Beside those that stand at the same path already. A path belongs to one level, so none is shared."""
        held = values.setdefault(path, [])
        if len(held) < LINES_MAX:
            held.append(found)
        else:
            self._lose(f"{path}[{LINES_MAX + 1}]")

    def _lose(self, path: str) -> None:
        path = path.removeprefix("/")
        if path in self.lost or len(self.lost) < LOST_MAX:
            self.lost[path] = self.lost.get(path, 0) + 1


def _without_sums(values: Values) -> Values:
    """An entry's amount is the sum of the payments in it: where there are several it is nobody's own."""
    return {path: found for path, found in values.items() if not path.endswith("/Ntry/Amt")}


def _reason(element: Any) -> tuple[str, tuple[str, ...]]:
    """`Rsn/Cd` or `Rsn/Prtry`, and the lines of `AddtlInf`."""
    code = ""
    lines: list[str] = []
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name == "Rsn" and len(child) and child[0].text:
            code = clean(child[0].text.strip())
        elif name == "AddtlInf" and child.text and len(lines) < LINES_MAX:
            lines.append(clean(child.text))
    return code, tuple(lines)


class Read(NamedTuple):
    """Our values of one transaction by our names, and which row's place gave each."""

    ours: dict[str, Any]
    at: dict[str, str]


def ours_of(message: Message, one: Transaction, lost: dict[str, int]) -> Read:
    """The rows' values. `amount` is (number, currency). Raises `InputError` with the element's path and line."""
    ours: dict[str, Any] = {}
    at: dict[str, str] = {}
    used: set[str] = set()
    values = one.values
    for row in message.rows:
        for place in row.places:
            found = values.get(place.path)
            if found is None or place.path in used:
                continue
            value = _value(place, found, one)
            if value is None:
                continue
            used.add(place.path)
            ours[row.ours] = value
            at[row.ours] = place.path
            if len(found) > 1 and place.form not in ("Lines140", "Reasons"):
                lost[f"{place.path}[2]"] = lost.get(f"{place.path}[2]", 0) + 1
            break
    taken_apart = COUNTS.get(message.name, ())
    for path in values:
        if path not in used and path not in taken_apart and values[path][0].value != NOT_PROVIDED:
            lost[path] = lost.get(path, 0) + 1
    return Read(ours, at)


def _value(place: Place, found: list[Found], one: Transaction) -> Any:
    first = found[0]
    try:
        if place.form == "Reasons":
            return [f.value for f in found[:LINES_MAX]]
        if place.form == "Amount":
            return first.value, first.currency
        if place.form == "Money":
            return f"{first.value} {first.currency}"
        if place.form == "Lines140":
            return clean(joined([f.value for f in found[:LINES_MAX]])) or None
        text = clean(first.value)
        if text == NOT_PROVIDED:
            return None
        read = READ.get(place.form)
        return read(text) if read else text
    except InputError as why:
        raise InputError(why.what, where_of(place.path, one)) from why


def where_of(path: str, one: Transaction) -> str:
    """`CdtTrfTxInf[2]/CdtrAcct/Id/IBAN, line 41`."""
    line = one.values[path][0].line if path in one.values else 0
    inside = path.startswith(one.path + "/")
    name = f"{one.path}[{one.number}]{path[len(one.path) :]}" if inside else path
    return f"{name}, line {line}" if line else name


# writing


class Out(NamedTuple):
    """One transaction to write: whole elements by path."""

    elements: dict[str, str]
    lost: list[str]
    """Our names whose value has no place in this message."""


def element(path: str, text: str, currency: str = "") -> str:
    """`<Nm>text</Nm>` of a path; the text is escaped here and nowhere else."""
    name = path.rpartition("/")[2]
    with_currency = f' Ccy="{currency}"' if currency else ""
    return f"<{name}{with_currency}>{escape(text)}</{name}>"


@cache
def _places(message: Message) -> dict[str, tuple[Place, ...]]:
    return {row.ours: row.places for row in message.rows}


def elements_of(message: Message, ours: Mapping[str, Any]) -> Out:
    """Our values as elements by path. What no place takes is listed."""
    elements: dict[str, str] = {}
    lost = []
    rows = _places(message)
    for name, value in ours.items():
        if value is None:
            continue
        for place in rows.get(name, ()):
            made = None if place.path in elements else _made(place, value)
            if made is not None:
                elements[place.path] = made
                break
        else:
            lost.append(name)
    return Out(elements, lost)


def _made(place: Place, value: Any) -> str | None:
    """The element, or the elements of a repeated one, or None where the value does not fit."""
    form, path = place.form, place.path
    if form == "Amount":
        return element(path, *value)
    if form == "Money":
        parts = money_parts(value) if isinstance(value, str) else None
        return element(path, *parts) if parts else None
    if form == "Lines140":
        return "".join(element(path, line) for line in lines_of(value)) or None
    if form == "Reasons":
        return "".join(_reason_element(path.rpartition("/")[2], code, lines) for code, lines in value)
    text = WRITE[form](value)
    return None if text is None else element(path, text)


def _reason_element(name: str, code: str, lines: Sequence[str]) -> str:
    tag = "Cd" if len(code) <= 4 and code.isalnum() and code.isascii() else "Prtry"
    said = "".join(element("AddtlInf", line) for line in lines)
    return f"<{name}><Rsn>{element(tag, code)}</Rsn>{said}</{name}>"


def write(message: Message, header: Mapping[str, str], transactions: Sequence[Mapping[str, str]]) -> bytes:
    """A whole message from elements by path. `header` holds what stands outside of the transactions."""
    top = message.transaction.partition("/")[0]
    place = order_of(message.name, top)
    before = {path: made for path, made in header.items() if order_of(message.name, path) < place}
    after = {path: made for path, made in header.items() if path not in before}
    body = "".join(
        (_nested(message, before), *(_nested(message, one) for one in transactions), _nested(message, after))
    )
    space = iso20022.namespace(message.name, message.written)
    name = message.element
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{space}"><{name}>{body}</{name}></Document>\n'
    ).encode()


def _nested(message: Message, elements: Mapping[str, str]) -> str:
    """Elements inside of those their paths name, in the message's order."""
    name = message.name
    made: list[str] = []
    inside: list[str] = []
    for path in sorted(elements, key=lambda p: order_of(name, p)):
        outer = path.split("/")[:-1]
        same = 0
        while same < len(inside) and same < len(outer) and inside[same] == outer[same]:
            same += 1
        made += [f"</{inside.pop()}>" for _ in range(len(inside) - same)]
        for step in outer[same:]:
            made.append(f"<{step}>")
            inside.append(step)
        made.append(elements[path])
    made += [f"</{inside.pop()}>" for _ in range(len(inside))]
    return "".join(made)
