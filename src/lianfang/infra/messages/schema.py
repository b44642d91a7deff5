"""The XSDs: compiled once a namespace, and read for the order in which a message's elements stand."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

from lxml import etree

from lianfang.wire.iso20022 import MESSAGES

_FOLDER: Final = files("lianfang.infra.messages") / "schemas"
_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
COMMON: Final = "common.xsd"
FILES: Final = {
    message.name: "camt.05x.xsd" if message.name in ("camt.052", "camt.053", "camt.054") else f"{message.name}.xsd"
    for message in MESSAGES
}
Order = tuple[int, ...]
"""Place of an element among its siblings, for each element down to it."""


class _Shipped(etree.Resolver):  # type: ignore[misc]  # lxml has no types
    """Gives the schema files of this package and nothing else: no schema is ever fetched."""

    def resolve(self, url: str, public_id: Any, context: Any) -> Any:
        name = url.rpartition("/")[2]
        return self.resolve_string((_FOLDER / name).read_bytes(), context, base_url=name)


@cache
def schema_of(name: str, namespace: str) -> Any:
    """The compiled schema of a message in one of its namespaces (`lxml.etree.XMLSchema`)."""
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    parser.resolvers.add(_Shipped())
    wrapper = (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{namespace}"'
        f' elementFormDefault="qualified"><xs:include schemaLocation="{FILES[name]}"/></xs:schema>'
    )
    return etree.XMLSchema(etree.fromstring(wrapper, parser, base_url="wrapper.xsd"))


@cache
def _types(file: str) -> dict[str, list[tuple[str, str]]]:
    """Type to its elements (name, type) in order, of a file and the common one."""
    found: dict[str, list[tuple[str, str]]] = {} if file == COMMON else dict(_types(COMMON))
    for kind in etree.fromstring((_FOLDER / file).read_bytes()).iterchildren(f"{_XS}complexType"):
        found[kind.get("name")] = [(e.get("name"), e.get("type")) for e in kind.iter(f"{_XS}element")]
    return found


@cache
def order_of(name: str, path: str) -> Order:
    """Where an element of a message stands, so that sorting paths by it gives the message's own order.

    Below what the schema leaves unread the order is not known, and 0. Raises `KeyError` for an element that is not there.
    """
    types = _types(FILES[name])
    element = next(m.element for m in MESSAGES if m.name == name)
    kind = dict(types["Document"])[element]
    order = []
    for step in path.split("/"):
        names = [n for n, _ in types.get(kind, [])]
        if not names:
            order.append(0)
            continue
        if step not in names:
            raise KeyError(f"{name} has no {path}")
        order.append(names.index(step))
        kind = dict(types[kind])[step]
    return tuple(order)
