"""The one catalogue of everything a page says, in Chinese and English: `words/*.toml`, a key and both texts.

A text may name values in braces, `{n}`. A page that asks for a key that is not there fails its test, never a person's day:
in production the key itself is shown.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from lianfang.kernel.errors import EvidenceError

ERRORS: Final = "errors.toml"
"""Beside the catalogue and of another shape: sentences that are raised (`sentences`)."""
Lang = Literal["zh", "en"]
LANGS: Final[tuple[Lang, ...]] = ("zh", "en")
Say = Callable[..., str]
"""`say(key, **values)`: the text of a key in one language."""


@cache
def catalogue() -> Mapping[str, Mapping[Lang, str]]:
    """Every key with both its texts. Raises `EvidenceError` for a key that lacks one, or stands twice."""
    found: dict[str, Mapping[Lang, str]] = {}
    for file in sorted(files("lianfang.console").joinpath("words").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml") and file.name != ERRORS:
            for key, texts in _flat(tomllib.loads(file.read_text("utf-8")), ""):
                if set(texts) != set(LANGS) or key in found:
                    raise EvidenceError(f"words/{file.name}: {key} needs zh and en, once")
                found[key] = texts
    return found


def _flat(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Mapping[Lang, str]]]:
    flat: list[tuple[str, Mapping[Lang, str]]] = []
    for name, value in table.items():
        if not isinstance(value, Mapping):
            raise EvidenceError(f"words: {prefix}{name} must be a table of zh and en")
        if all(isinstance(one, str) for one in value.values()):
            flat.append((prefix + name, value))
        else:
            flat.extend(_flat(value, f"{prefix}{name}."))
    return flat


def sayer(lang: Lang) -> Say:
    """How a page speaks."""
    known = catalogue()

    def say(key: str, **values: Any) -> str:
        texts = known.get(key)
        if texts is None:
            return key
        return texts[lang].format(**values) if values else texts[lang]

    return say


def chosen(cookie: str | None, accepts: str) -> Lang:
    """The language of a page: as chosen before, else as the browser asks, else Chinese."""
    for lang in LANGS:
        if cookie == lang:
            return lang
    for part in accepts.lower().split(","):
        tag = part.partition(";")[0].strip()
        for lang in LANGS:
            if tag == lang or tag.startswith(lang + "-"):
                return lang
    return "zh"
