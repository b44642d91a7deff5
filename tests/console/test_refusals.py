"""Refused acts on pages of both languages: the sentence itself is in the page's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest
from litestar.testing import TestClient

from lianfang.app.node.desk import Desk, desk_app
from lianfang.app.settings import Settings
from lianfang.console.page import LANG_COOKIE
from lianfang.console.words import LANGS, Lang
from tests.console.test_entrance import OURS, Client, form_secret, set_up

HAN: Final = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(Settings(data_dir=str(tmp_path_factory.mktemp("refusals")), decider_port=1))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[Client]:
    with TestClient(desk_app(desk, watch=False)) as made:
        made.headers.update(OURS)
        assert set_up(made, desk).status_code == 303
        yield made


def send(client: Client, lang: Lang, path: str, **form: Any) -> Any:
    client.cookies.set(LANG_COOKIE, lang)
    return client.post(path, data={"_csrf": form_secret(client), **form}, follow_redirects=False)


def shown(answer: Any) -> str:
    """What a person reads: text without tags."""
    return unescape(re.sub(r"<[^>]*>", " ", answer.text))


REFUSALS: Final[tuple[tuple[str, dict[str, str], str, str], ...]] = (
    (
        "/console/people", {"name": "chen", "roles": "viewer", "reason": "x"},
        "已有人使用名称 chen", "somebody is called chen already",
    ),
    (
        "/console/people", {"name": "li", "roles": "king", "reason": "x"},
        "人员至少有一个角色", "a person has one or more of the roles",
    ),
    ("/console/people", {"name": "li", "roles": "viewer"}, "请写明理由：理由与改动一并留档", "say why: the reason is kept"),
    ("/console/people/chen", {"what": "off", "reason": "x"}, "不能停用自己的账号", "nobody switches off their own account"),
    ("/console/me/password", {"old": "wrong", "password": "x" * 20}, "现在的口令不正确", "the old password is wrong"),
    (
        "/console/lists", {"name": "A B", "effect": "block", "reason": "x"},
        "名单名称由小写字母、数字与 _ 组成", "a list's name has small letters",
    ),
    ("/console/search", {"amount_from": "1.234"}, "'1.234' 的小数位超过 CNY 允许的 2 位", "more decimals than CNY allows"),
    ("/console/search", {"time_from": "now"}, "'now' 不是时间：请写成 2026-11-24T15:30", "'now' is not a time: write it as"),
    ("/console/drafts/9/approve", {"reason": "x"}, "没有这个编号的草案", "there is no draft with this number"),
    (
        "/console/models/draft", {"version": "nine", "reason": "x"},
        "这里没有版本为 nine 的模型", "no model here has the version nine",
    ),
    ("/console/health/keys/nine", {"what": "revoke", "reason": "x"}, "没有这个编号的有效密钥", "no key in force has this id"),
)  # fmt: skip


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(("path", "form", "zh", "en"), REFUSALS)
def test_a_refusal_speaks_the_page_s_language(
    client: Client, path: str, form: dict[str, str], zh: str, en: str, lang: Lang
) -> None:
    answer = send(client, lang, path, **form)
    assert 400 <= answer.status_code < 500
    said = shown(answer)
    assert (zh in said, en in said) == ((True, False) if lang == "zh" else (False, True)), said
    if lang == "en":
        notice = answer.text.partition('class="notice error"')[2].partition("</div>")[0]
        assert not HAN.search(notice)


@pytest.mark.parametrize("lang", LANGS)
def test_the_rule_editor_s_check_speaks_it_and_keeps_the_place(client: Client, lang: Lang) -> None:
    answer = send(client, lang, "/console/rules/check", text="amuont > 1 and\nkind > 2")
    problems = answer.json()["problems"]
    assert [(one["line"], one["column"]) for one in problems] == [(1, 1), (2, 8)]
    assert [one["message"] for one in problems] == (
        ["未知名称 `amuont`；是否想写 `amount`？", "文本不能与整数比较"]
        if lang == "zh"
        else ["unknown name `amuont`; did you mean `amount`?", "text is compared with a whole number"]
    )


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("zh", ("未知名称 `nmae`", "须为 JSON 数组", "JSON 写法有误（第 1 字节）")),
        ("en", ("unknown name `nmae`", "examples are a JSON list")),
    ],
)
def test_a_rule_that_is_saved_wrongly_is_told_of_beside_its_fields(
    client: Client, lang: Lang, said: tuple[str, ...]
) -> None:
    form = {"id": "a.b", "zh": "甲", "en": "a", "when": "nmae == 1", "action": "hold", "code": "A", "reason": "x"}
    answer = send(client, lang, "/console/rules/save", **form, examples="[}")
    assert answer.status_code == 400
    for one in said[:1]:
        assert one in shown(answer)
    answer = send(client, lang, "/console/rules/save", **{**form, "when": "amount > 1"}, examples="[}")
    for one in said[1:]:
        assert one in shown(answer)


@pytest.mark.parametrize("lang", LANGS)
def test_refused_rows_of_a_list_s_file_say_why(client: Client, lang: Lang) -> None:
    name = f"refusing_{lang}"
    assert send(client, lang, "/console/lists", name=name, effect="watch", reason="x").status_code == 303
    rows = "subject,value,purpose,source\nplanet,1,a,b\naccount,2, ,b\naccount,3,a,b,c\n"
    said = shown(send(client, lang, f"/console/lists/{name}/import", kind="csv", content=rows))
    wanted: dict[Lang, tuple[str, ...]] = {
        "zh": ("第 2 行", "不能取值 'planet'", "条目须写明用途：每次命中都会引用", "值的个数多于表头的列数"),
        "en": ("line 2", "Invalid enum value 'planet'", "an entry says its purpose", "more values than the header"),
    }
    assert [one for one in wanted[lang] if one not in said] == []
    assert not any(one in said for other in LANGS if other != lang for one in wanted[other])


@pytest.mark.parametrize("lang", LANGS)
def test_a_rule_set_that_no_longer_holds_is_told_problem_by_problem(client: Client, lang: Lang) -> None:
    answer = send(client, lang, "/console/rules/adjust", parameter="wait_long_s", value="99999999", reason="x")
    assert answer.status_code == 400
    said = "：延迟须为 1 至" if lang == "zh" else "its delay is not 1 to"
    assert said in shown(answer)


def test_the_first_page_of_all_speaks_chinese_too(tmp_path: Path) -> None:
    fresh = Desk(Settings(data_dir=str(tmp_path), decider_port=1))
    fresh.start()
    with TestClient(desk_app(fresh, watch=False)) as made:
        made.headers.update(OURS)
        made.cookies.set(LANG_COOKIE, "zh")
        assert "口令为 12 至 128 个字符" in shown(set_up(made, fresh, password="short"))
        assert "这不是节点启动时打印的代码" in shown(set_up(made, fresh, code="guess"))
    fresh.close()
