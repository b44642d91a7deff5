"""One catalogue, both languages complete, and no page that speaks past it."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import lianfang.console
from lianfang.console.words import LANGS, catalogue, chosen

TEMPLATES = sorted((Path(lianfang.console.__file__).parent / "templates").rglob("*.html"))
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("key", catalogue())
def test_both_texts_are_there_and_name_the_same_values(key: str) -> None:
    texts = catalogue()[key]
    named = [{name for _, name, _, _ in string.Formatter().parse(texts[lang]) if name} for lang in LANGS]
    assert named[0] == named[1]
    assert all(texts[lang].strip() for lang in LANGS)
    assert not HAN.search(texts["en"]) or key.startswith("style.sample"), "English is not Chinese"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_asks_only_for_words_that_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    asked = set(re.findall(r"say\('([^']+)'(?:\)|,)", text))
    assert not sorted(key for key in asked if key not in catalogue())
    begun = set(re.findall(r"say\('([^']+\.[^']*)' ~", text))
    assert not sorted(start for start in begun if not any(key.startswith(start) for key in catalogue()))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_says_nothing_of_its_own(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->", " ", path.read_text("utf-8"), flags=re.DOTALL)
    bare = re.sub(r"<(script|code|pre|kbd)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
    said = [word for word in re.findall(r"[A-Za-z\u4e00-\u9fff]{3,}", bare) if word not in {"Esc", "OIDC"}]
    assert not said


def test_a_language_is_chosen_before_it_is_guessed_and_is_chinese_at_last() -> None:
    assert chosen("en", "zh-CN") == "en"
    assert chosen("xx", "en-GB,en;q=0.9") == "en"
    assert chosen(None, "fr,de;q=0.5") == "zh"
