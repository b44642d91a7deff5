"""What the program says when it refuses, in the language of the page: `words/errors.toml`, matched without regular expressions.

Sentences are raised in English, far below any page. A pattern here is a row of literals with values between them, so finding
each literal after the one before is enough: time grows with the text and never explodes, whatever is in it. A text that no
pattern fits stays as it is.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Callable, Mapping
from functools import cache, partial
from heapq import merge
from importlib.resources import files
from itertools import chain
from typing import Any, Final, NamedTuple

from lianfang.console.words import ERRORS, Lang
from lianfang.kernel.errors import EvidenceError

TEXT_MAX: Final = 4_000
"""A longer text is shown as it is: no sentence of ours is so long."""
DEPTH_MAX: Final = 4
"""Sentences within sentences, so deep."""
PARTS_MAX: Final = 16
"""Sentences in a row with `; ` between them, so many."""
SAID: Final = "said"
"""The mark of a value that is itself a sentence."""
WORDS: Final = "word"
"""The section of what stands only within sentences."""
FOREIGN: Final = "foreign"
"""The section of what libraries say; their values may be left out."""
_KEY: Final = 4
"""Sentences are looked up by their first characters."""


class Sentence(NamedTuple):
    """One entry. `literals` stand around the values `names`; `zh` is (literal, value's name or None, whether it is said)."""

    section: str
    pattern: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    zh: tuple[tuple[str, str | None, bool], ...]

    @property
    def weight(self) -> int:
        """Of several that fit, the one that says more itself is meant."""
        return sum(map(len, self.literals))

    def values(self, text: str) -> dict[str, str] | None:
        """What stands in the place of each name; None where the text is another sentence."""
        first, last = self.literals[0], self.literals[-1]
        if len(self.literals) == 1:
            return {} if text == first else None
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return None
        found, at = [], len(first)
        for literal in self.literals[1:-1]:
            there = text.find(literal, at, end)
            if there < 0:
                return None
            found.append(text[at:there])
            at = there + len(literal)
        return dict(zip(self.names, [*found, text[at:end]], strict=True))


@cache
def sentences() -> tuple[Sentence, ...]:
    """The whole catalogue. Raises `EvidenceError` for an entry whose values differ from its sentence's."""
    file = files("lianfang.console").joinpath("words", ERRORS)
    tables: Mapping[str, Mapping[str, str]] = tomllib.loads(file.read_text("utf-8"))
    return tuple(_entry(section, en, zh) for section, table in tables.items() for en, zh in table.items())


def _entry(section: str, en: str, zh: str) -> Sentence:
    parts = list(string.Formatter().parse(en))
    names = tuple(name for _, name, _, _ in parts if name is not None)
    literals = [literal for literal, _, _, _ in parts]
    if parts[-1][1] is not None:
        literals.append("")
    said = tuple((literal, name, mark == SAID) for literal, name, mark, _ in string.Formatter().parse(zh))
    used = {name for _, name, _ in said if name is not None}
    if len(set(names)) != len(names) or not used <= set(names) or (used != set(names) and section != FOREIGN):
        raise EvidenceError(f"words/{ERRORS}: {en!r} and its Chinese need the same values, each once in English")
    return Sentence(section, en, tuple(literals), names, said)


class _Index:
    """Sentences by their first characters, those that say most first."""

    def __init__(self, known: tuple[Sentence, ...]) -> None:
        begun: dict[str, list[Sentence]] = {}
        for one in sorted(known, key=lambda one: -one.weight):
            key = one.literals[0][:_KEY]
            begun.setdefault(key if len(key) == _KEY or len(one.literals) == 1 else "", []).append(one)
        self._any = tuple(begun.get("", ()))
        self._near = {
            key: tuple(merge(some, self._any, key=lambda one: -one.weight)) for key, some in begun.items() if key
        }

    def find(self, text: str) -> tuple[Sentence, dict[str, str]] | None:
        """The sentence that a text is, and its values."""
        for one in self._near.get(text[:_KEY], self._any):
            values = one.values(text)
            if values is not None:
                return one, values
        return None


@cache
def _index(within: bool) -> _Index:
    return _Index(tuple(one for one in sentences() if within or one.section != WORDS))


class Told(NamedTuple):
    """A text in Chinese; the entries that it took, and what within it no entry has."""

    text: str
    took: tuple[Sentence, ...]
    unknown: tuple[str, ...]


def told(text: str, depth: int = 0) -> Told:
    """One sentence with all within it, or several a line each."""
    if not text or len(text) > TEXT_MAX or depth > DEPTH_MAX:
        return Told(text, (), (text,) if text else ())
    if "\n" in text and depth == 0:
        lines = [told(line, 1) for line in text.split("\n")]
        took, unknown = chain(*(one.took for one in lines)), chain(*(one.unknown for one in lines))
        return Told("\n".join(one.text for one in lines), tuple(took), tuple(unknown))
    what, at, where = text.rpartition(" - at `")
    if at and where.endswith("`"):  # as errors add it to their sentence
        inner = told(what, depth)
        if inner.took:
            return Told(f"{inner.text}（位置 `{where[:-1]}`）", inner.took, inner.unknown)
    if (row := _row(text, depth)) is not None:
        return row
    found = _index(depth > 0).find(text)
    return _placed(text, depth) if found is None else _filled(*found, depth)


def _row(text: str, depth: int) -> Told | None:
    """Several sentences, `; ` between them; None unless every one of them is known to the last word."""
    parts = text.split("; ", PARTS_MAX)
    if not 1 < len(parts) <= PARTS_MAX:
        return None
    found = []
    for one in parts:
        entry = _index(True).find(one)
        if entry is None or (said := _filled(*entry, depth + 1)).unknown:
            return None
        found.append(said)
    return Told("；".join(one.text for one in found), tuple(chain(*(one.took for one in found))), ())


def _placed(text: str, depth: int) -> Told:
    """A sentence with its place before it: `file, line 3: `."""
    place, colon, what = text.partition(": ")
    if colon and _index(depth > 0).find(what) is not None:
        inner = told(what, depth + 1)
        return Told(f"{place}：{inner.text}", inner.took, inner.unknown)
    return Told(text, (), (text,))


def _filled(one: Sentence, values: Mapping[str, str], depth: int) -> Told:
    made: list[str] = []
    took, unknown = [one], list[str]()
    for literal, name, said in one.zh:
        made.append(literal)
        if name is None:
            continue
        if not said:
            made.append(values[name])
            continue
        inner = told(values[name], depth + 1)
        made.append(inner.text)
        took += inner.took
        unknown += inner.unknown
    return Told("".join(made), tuple(took), tuple(unknown))


def sentence(lang: Lang, text: Any) -> str:
    """A sentence of the program, in the language of a page."""
    return str(text) if lang == "en" else told(str(text)).text


def teller(lang: Lang) -> Callable[[Any], str]:
    """`sentence` for templates of one language."""
    return partial(sentence, lang)
