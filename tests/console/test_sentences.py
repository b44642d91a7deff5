"""Every sentence that is raised and may reach a page has its Chinese; none is kept that nobody raises."""

from __future__ import annotations

import csv
import io
import re
import string
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.console.sentences import DEPTH_MAX, FOREIGN, TEXT_MAX, WORDS, Sentence, sentence, sentences, told
from lianfang.engines.expr import Environment, ExpressionError, check
from lianfang.kernel.errors import InputError
from lianfang.wire import read_list_entry, read_outcome, read_rule
from tests.console.raised import HOLE, NEVER_ON_A_PAGE, SOURCE, Raised, raised

FILLED = re.compile(r"⟦\d+⟧")
HAN = re.compile(r"[\u4e00-\u9fff]")
RELAYED = {
    "console/found.py", "console/model_pages.py", "console/rule_editor.py", "console/rule_form.py", "engines/expr/check.py",
    "engines/expr/parse.py", "engines/rules/compile.py", "engines/rules/parameters.py", "engines/rules/reading.py",
    "services/decide/assemble.py", "services/decide/publisher.py", "wire/codec.py", "app/listfiles.py",
    "app/node/backtesting.py", "app/node/decider.py", "app/node/following.py",
    "app/node/alliance.py", "app/learn/sides.py", "infra/tlog/store.py",
}  # fmt: skip
"""Modules that raise again what another said, another of ours or a library: what they relay is known where it is said first."""


@cache
def _raised() -> tuple[Raised, ...]:
    return raised()


def test_what_is_raised_is_found_in_the_source() -> None:
    found = {one.pattern for one in _raised()}
    assert f"unknown name `{HOLE}`; did you mean `{HOLE}`?" in found
    assert "the old password is wrong" in found
    assert f"`{HOLE}` is never {HOLE}; it is one of {HOLE}" in found
    assert len(found) > 300


def test_only_these_modules_relay_a_sentence_that_is_not_their_own() -> None:
    relaying = {one.place.partition(":")[0] for one in _raised() if one.pattern == HOLE}
    assert sorted(relaying - RELAYED) == []
    assert sorted(RELAYED - relaying) == []


def test_every_sentence_that_may_reach_a_page_has_its_chinese() -> None:
    lacking = []
    for one in _raised():
        if one.pattern in (HOLE, ""):
            continue
        found = told(one.sample())
        unknown = [text for text in found.unknown if not FILLED.fullmatch(text) and FILLED.sub("", text)]
        if unknown or not found.took:
            lacking.append(f"{one.place}: {one.pattern.replace(HOLE, '{}')} ({', '.join(unknown)})")
    assert not lacking, "give these a Chinese sentence in console/words/errors.toml:\n" + "\n".join(lacking)


def test_a_sentence_keeps_every_value_it_was_raised_with() -> None:
    for one in _raised():
        sample = one.sample()
        assert sorted(set(FILLED.findall(sample))) == sorted(set(FILLED.findall(told(sample).text))), one


def test_no_sentence_is_kept_that_nobody_raises() -> None:
    took = {entry.pattern for one in _raised() if one.pattern != HOLE for entry in told(one.sample()).took}
    orphans = [s.pattern for s in sentences() if s.section not in (FOREIGN, WORDS) and s.pattern not in took]
    assert orphans == ["sign in first"], "nobody raises these"


def test_a_module_that_never_reaches_a_page_is_there() -> None:
    for out in NEVER_ON_A_PAGE:
        assert list(SOURCE.rglob(f"*{out}")) if "/" not in out else (SOURCE / out).exists(), out


@pytest.mark.parametrize("one", sentences(), ids=lambda one: one.pattern[:60])
def test_an_entry_is_english_and_chinese_of_the_same_values(one: Sentence) -> None:
    zh = "".join(literal for literal, _, _ in one.zh)
    assert not HAN.search(one.pattern)
    assert HAN.search(zh) or one.section == WORDS or any(said for _, _, said in one.zh)
    assert not re.search(r"[\u4e00-\u9fff][,;:!?]|[,;!?][\u4e00-\u9fff]", zh), "Chinese text has full-width marks"
    filled = string.Formatter().vformat(one.pattern, (), {name: f"⟦{n}⟧" for n, name in enumerate(one.names)})
    assert one.values(filled) == {name: f"⟦{n}⟧" for n, name in enumerate(one.names)}


def test_english_is_left_as_it_is_and_so_is_what_nobody_knows() -> None:
    assert sentence("en", "the old password is wrong") == "the old password is wrong"
    assert sentence("zh", "the old password is wrong") == "现在的口令不正确"
    assert sentence("zh", "a sentence of tomorrow") == "a sentence of tomorrow"
    assert sentence("zh", "purpose") == "purpose", "a word alone is no sentence"
    assert sentence("zh", "") == ""


def test_a_place_at_the_end_and_a_cause_within_are_said_too() -> None:
    assert sentence("zh", "this entry ends before it begins - at `$[0]`") == "这个条目的到期早于开始（位置 `$[0]`）"
    whole = "rule `a.b`: its example 2 (x) cannot run: unknown list `mule`; did you mean `mules`? - at `lists.payee`"
    assert sentence("zh", whole) == (
        "规则 `a.b`：第 2 个示例（x）无法运行：未知名单 `mule`；是否想写 `mules`？（位置 `lists.payee`）"
    )


def test_sentences_in_a_row_are_said_one_by_one_where_each_is_known() -> None:
    torn = "DAMAGED segment 3: 20 damaged byte(s) at offset 5; no record lost; kept a copy in damaged/"
    assert sentence("zh", f"{torn}; journal recovered: 4 segment(s), last seq 9") == (
        "损坏：日志段 3：偏移 5 处有 20 字节损坏；没有丢失记录；副本在 damaged/；日志已恢复：4 段，最后为第 9 条"
    )
    lost = "segment 3: 20 damaged byte(s) at offset 5; 2 record(s) lost, seq 7 to 8; see `lianfang journal verify`"
    assert sentence("zh", lost) == (
        "日志段 3：偏移 5 处有 20 字节损坏；丢失 2 条记录，第 7 至 8 条；请看 `lianfang journal verify`"
    )
    assert sentence("zh", "no record lost; and more") == "no record lost; and more"


def test_the_last_words_of_a_process_are_said_too() -> None:
    text = "lianfang: the lake has no decisions yet; `lianfang lake build` takes them from the journal - at `/lake`"
    assert sentence("zh", text) == ("lianfang：数据湖中还没有判定；`lianfang lake build` 会从日志取入（位置 `/lake`）")


def test_what_the_decider_refuses_is_chinese_within_the_page_s_own_sentence() -> None:
    text = (
        "the decider refused outcome 1 of 1: the journal in /var/j cannot be written: No space left on device; "
        "free space on its disk"
    )
    assert sentence("zh", text) == (
        "判定进程拒绝了第 1 条结果（共 1 条）：无法写入 /var/j 中的日志：No space left on device；请清理其磁盘空间"
    )


def test_lines_with_their_files_before_them_are_said_one_by_one() -> None:
    text = "bank.toml, line 3: unknown name `amuont`\n    amuont > 1\n    ^^^^^^"
    assert sentence("zh", text) == "bank.toml, line 3：未知名称 `amuont`\n    amuont > 1\n    ^^^^^^"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amuont > 1", "未知名称 `amuont`；是否想写 `amount`？"),
        ("amount = 1", "`=` 不是比较；请写 `==`"),
        ('amount > "a"', "整数不能与文本比较"),
        ("amount >", "条件没有写完"),
        ('kind == "card', "引号没有结束"),
        ("(amount > 1", "引号或括号没有结束"),
        ("amount > 1)", "多出一个 `)`"),
        ("amount ＞ 1", "不能用字符“＞”（U+FF1E）：请改用半角符号"),
        ("amount > 01", "整数不能以 0 开头"),
        ("amount > 1x", "数字写法有误"),
        ("amount [", "条件没有写完"),
        ("amount > > 1", "写法有误"),
        ("kind", "条件须为真或假，而所写的是文本；请与某个值比较"),
        ("hour()", "`hour` 需要 1 至 2 个参数，这里有 0 个"),
        ("flag(amount)", "附加属性的键在这里须为固定值"),
        ("amount[0] > 1", "不属于规则语言：用 [ ] 取下标"),
        ('kind == "crad"', "`kind` 不会是 'crad'；是否想写 `card`？"),
    ],
)
def test_the_rule_editor_speaks_chinese(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as why:
        check(text, Environment())
    assert sentence("zh", why.value.what) == said


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (read_outcome, b"{"), (read_outcome, b"{]"), (read_outcome, b"[]"), (read_outcome, b"{}"),
        (read_outcome, b'{"payment_id": "a", "label": "bad"}'), (read_outcome, b'{"payment_id": ""}'),
        (read_outcome, b'{"payment_id": "a", "label": "fraud", "known_at": "today"}'),
        (read_outcome, b'{"payment_id": "a", "label": "fraud", "known_at": "2026-01-01T00:00:00"}'),
        (read_outcome, b'{"payment_id": "\xff"}'), (read_list_entry, b'{"wrong": 1}'),
        (read_list_entry, b'{"subject": "shoe"}'), (read_list_entry, b'{"list": "A B"}'),
        (read_rule, b'{"id": "a", "points": -100000}'), (read_rule, b'{"id": "%s"}' % (b"a" * 200)),
    ],
)  # fmt: skip
def test_what_the_readers_of_json_say_is_chinese(read: Any, raw: bytes) -> None:
    with pytest.raises(InputError) as why:
        read(raw)
    found = told(why.value.what)
    assert found.took, why.value.what
    assert not found.unknown


@pytest.mark.parametrize("text", ['a,"b', 'a,"b"c', "a\n" + "x" * 200_000])
def test_what_the_reader_of_csv_says_is_chinese(text: str) -> None:
    with pytest.raises(csv.Error) as why:
        list(csv.reader(io.StringIO(text), strict=True))
    assert told(str(why.value)).took, why.value


@given(st.text(alphabet="`{}; did you mean?abc", max_size=300))
def test_no_text_breaks_it_and_english_never_changes(text: str) -> None:
    assert sentence("en", text) == text
    assert isinstance(sentence("zh", text), str)


def test_a_text_made_to_be_hard_is_only_long() -> None:
    nest = "rule `x`: " * (DEPTH_MAX + 3) + "the old password is wrong"
    assert sentence("zh", nest).startswith("规则 `x`：规则 `x`：")
    assert sentence("zh", "`" * TEXT_MAX) == "`" * TEXT_MAX
    long = "unknown name `" + "a` is never " * TEXT_MAX + "`"
    assert sentence("zh", long) == long


def test_a_value_that_reads_like_a_sentence_stays_a_value() -> None:
    assert sentence("zh", "unknown name `the old password is wrong`") == "未知名称 `the old password is wrong`"
