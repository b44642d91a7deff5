"""The forms of a page as a browser would send them, and what of a page a browser would run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final, NamedTuple

TEXT_TYPES: Final = frozenset({"", "text", "search"})
_NAMED: Final = (
    (r"/lists/[^/]+", "/lists/{name}"), (r"/people/[^/]+", "/people/{name}"), (r"/keys/[^/]+", "/keys/{id}"),
    (r"/rules/[^/]+/remove", "/rules/{id}/remove"), (r"/search/q/[^/]+", "/search/q/{id}"), (r"/\d+", "/{n}"),
    (r"/queue/\{n\}/(release|snooze)", r"/queue/{n}/\1"),
)  # fmt: skip


class Form(NamedTuple):
    """`values`: everything it would send; `texts`: the names of its fields for free text."""

    action: str
    method: str
    values: dict[str, str]
    texts: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Its address without the names in it, and what it does there."""
        address = self.action.partition("?")[0]
        for pattern, name in _NAMED:
            address = re.sub(pattern, name, address)
        what = self.values.get("what") or self.values.get("stage")
        return f"{address} {what}" if what else address


class _Reader(HTMLParser):
    """Collects forms and everything that would run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.runs: list[str] = []
        self.seen: list[str] = []
        self._texts: list[str] = []
        self._open: Form | None = None
        self._area = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.seen += given.values()
        self.runs += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        self.runs += [f"<{tag} {v}>" for v in given.values() if v.strip().lower().startswith("javascript:")]
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.runs.append("<script>")
        if "-" in tag:
            self.runs.append(f"<{tag}>")
        if tag == "form":
            self._texts = []
            self._open = Form(given.get("action", ""), given.get("method", "get"), {}, ())
        elif self._open is not None:
            self._field(self._open, tag, given)

    def _field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and (self._select not in form.values or "selected" in given):
            form.values[self._select] = given.get("value", "")
        elif tag == "textarea" and name:
            self._area = name
            form.values[name] = ""
            if "hidden" not in given:
                self._texts.append(name)
        elif tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in given):
            form.values[name] = given.get("value", "")
            if kind in TEXT_TYPES:
                self._texts.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._open is not None:
            self.forms.append(self._open._replace(texts=tuple(self._texts)))
            self._open = None
        elif tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        self.seen.append(data)
        if self._area and self._open is not None:
            self._open.values[self._area] += data


class Read(NamedTuple):
    """A page. `runs`: elements and attributes that would run; `seen`: all texts and values, as a person sees them."""

    forms: tuple[Form, ...]
    runs: tuple[str, ...]
    seen: str


def read(html: str) -> Read:
    """As a browser takes it apart."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Read(tuple(reader.forms), tuple(reader.runs), "\n".join(reader.seen))
