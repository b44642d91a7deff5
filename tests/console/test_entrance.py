"""The way in: first set-up, sign-in with its lock and its code, forms that are ours, sites that are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from lianfang.app.node.desk import Desk, desk_app
from lianfang.app.settings import Settings
from lianfang.console import assets
from lianfang.console.entrance import inside
from lianfang.console.page import masked, unmasked
from lianfang.infra.sql import changes
from lianfang.kernel.instant import SECOND, Instant
from lianfang.services.identity import people_store
from lianfang.services.identity.people import FREE_FAILURES

PASSWORD = "correct horse battery"
OURS = {"Sec-Fetch-Site": "same-origin"}
Client = TestClient[Litestar]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Settings(data_dir=str(tmp_path), decider_port=1))
    made.start()
    yield made
    made.close()


@pytest.fixture
def client(desk: Desk) -> Iterator[Client]:
    with TestClient(desk_app(desk, watch=False)) as made:
        made.headers.update(OURS)
        yield made


def set_up(client: Client, desk: Desk, **more: str) -> Any:
    form = {"code": desk.pages.setup_code() or "", "name": "chen", "shown": "陈工", "password": PASSWORD, **more}
    return client.post("/console/setup", data=form, follow_redirects=False)


def sign_in(client: Client, password: str = PASSWORD, **more: str) -> Any:
    form = {"name": "chen", "password": password, **more}
    return client.post("/console/sign-in", data=form, follow_redirects=False)


def form_secret(client: Client, path: str = "/console/me") -> str:
    found = re.search(r'name="_csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def test_the_first_person_comes_in_by_the_code_which_then_is_gone(client: Client, desk: Desk) -> None:
    assert client.get("/console/sign-in", follow_redirects=False).headers["location"] == "/console/setup"
    assert "这不是节点启动时打印的代码" in set_up(client, desk, code="guess").text
    assert "口令为 12 至 128 个字符" in set_up(client, desk, password="short").text
    made = set_up(client, desk)
    assert (made.status_code, made.headers["location"]) == (303, "/console")
    assert client.get("/console/me").status_code == 200
    assert not desk.files.first_code.exists()
    assert desk.pages.setup_code() is None
    assert "这不是节点启动时打印的代码" in set_up(client, desk, code="", name="second").text


def test_a_page_before_sign_in_leads_to_the_door_and_back(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    client.cookies.clear()
    led = client.get("/console/audit?act=person", follow_redirects=False)
    assert led.headers["location"] == "/console/sign-in?next=%2Fconsole%2Faudit%3Fact%3Dperson"
    assert sign_in(client, next="/console/audit?act=person").headers["location"] == "/console/audit?act=person"


@pytest.mark.parametrize(
    "away",
    ["https://evil.example", "//evil.example", "/console/\\evil", "/docs", "/console/look?next=x", "/console//x"],
)
def test_the_way_back_stays_inside(away: str) -> None:
    assert inside(away) == "/console"


def test_failures_lock_the_account_for_a_while_and_are_on_record(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    client.cookies.clear()
    for _ in range(FREE_FAILURES):
        assert sign_in(client, "wrong wrong wrong").status_code == 403
    locked = sign_in(client)
    assert locked.status_code == 429
    assert "lianfang_session" not in locked.headers.get("set-cookie", "")
    with desk.database.reading() as c:
        acts = [one.act for one in changes(c, limit=FREE_FAILURES)]
    assert acts == ["person.refused"] * FREE_FAILURES


def test_an_unknown_name_is_answered_as_a_wrong_password_is(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    client.cookies.clear()
    texts = [
        re.sub(
            r'value="[^"]*"| autofocus', "", client.post("/console/sign-in", data={"name": name, "password": "x"}).text
        )
        for name in ("chen", "nobody")
    ]
    assert texts[0] == texts[1]


def test_a_second_factor_is_set_up_and_then_asked_for(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    shown = client.post("/console/me/totp", data={"_csrf": form_secret(client)}).text
    found = re.search(r'name="secret" value="([A-Z2-7]+)"', shown)
    assert found
    totp = pyotp.TOTP(found[1])
    sent = {"_csrf": form_secret(client), "secret": found[1], "code": totp.at(desk.wall() // SECOND)}
    assert client.post("/console/me/totp", data=sent, follow_redirects=False).status_code == 303
    client.cookies.clear()
    asked = sign_in(client)
    assert asked.status_code == 200
    assert 'name="code"' in asked.text
    assert sign_in(client, code="000000").status_code == 403
    used = totp.at(desk.wall() // SECOND)
    assert sign_in(client, code=used).status_code == 403, "the code that set it up opens nothing"
    assert sign_in(client, code=totp.at(desk.wall() // SECOND + 30)).status_code == 303


def test_a_form_that_is_not_ours_does_nothing(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    good = {"name": "wang", "roles": "viewer", "reason": "new", "_csrf": form_secret(client)}
    assert client.post("/console/people", data={**good, "_csrf": ""}).status_code == 403
    assert client.post("/console/people", data={**good, "_csrf": masked("other")}).status_code == 403
    assert client.post("/console/people", data=good, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/console/people", data={**good, "reason": " "}).status_code == 400
    with desk.database.reading() as c:
        assert [one.what for one in changes(c, act="person.add")] == ["chen"]
    made = client.post("/console/people", data=good)
    assert made.status_code == 200
    assert "wang / " in made.text


def test_without_fetch_metadata_the_origin_must_be_ours(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    del client.headers["Sec-Fetch-Site"]
    good = {"name": "wang", "roles": "viewer", "reason": "new", "_csrf": form_secret(client)}
    assert client.post("/console/people", data=good, headers={"Origin": "https://evil.example"}).status_code == 403


def test_cookies_and_pages_carry_their_protection(client: Client, desk: Desk) -> None:
    cookie = set_up(client, desk).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = client.get("/console/me")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_a_page_in_the_console_and_a_problem_beside_it(client: Client) -> None:
    page, problem = client.get("/console/nowhere"), client.get("/nowhere")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")


def test_a_name_or_a_form_of_any_kind_is_refused_in_words(client: Client, desk: Desk) -> None:
    assert "名称为 2 至 32 个小写字母" in set_up(client, desk, name="<b>").text
    assert "<b>" not in set_up(client, desk, shown="<b>", password="short").text
    assert client.post("/console/setup", content=b"\xff\xfe", headers={"Content-Type": "text/plain"}).status_code == 400


def test_a_mask_hides_the_secret_and_gives_it_back() -> None:
    assert masked("secret") != masked("secret")
    assert unmasked(masked("secret")) == "secret"
    assert unmasked("no base64 at all!") == ""


def test_attempts_made_at_once_are_all_counted_and_lock_the_account(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    client.cookies.clear()
    form = {"name": "chen", "password": "wrong wrong wrong"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/console/sign-in", data=form).status_code, range(12)))
    with desk.database.reading() as c:
        counted = len(changes(c, act="person.refused"))
        person = people_store.one_person(c, "chen")
    assert person is not None
    assert counted == person.failures == FREE_FAILURES
    assert sorted(answers) == [403] * FREE_FAILURES + [429] * (12 - FREE_FAILURES)


def test_a_code_carried_twice_at_once_opens_once(client: Client, desk: Desk) -> None:
    set_up(client, desk)
    totp = pyotp.TOTP(pyotp.random_base32())
    with desk.database.writing() as c:
        person = people_store.one_person(c, "chen")
        assert person is not None
        after = msgspec.structs.replace(person, totp=totp.secret)
        people_store.change_person(c, after, by="test", at=Instant(desk.wall()), reason="test", act="person.totp")
    client.cookies.clear()
    code = totp.at(desk.wall() // SECOND)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: sign_in(client, code=code).status_code, range(4)))
    assert sorted(answers) == [303, 403, 403, 403]


def test_without_built_scripts_the_console_says_what_to_do(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "BUILT", tmp_path / "nothing")
    assets._manifest.cache_clear()
    answer = client.get("/console/setup")
    assets._manifest.cache_clear()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert "make pages" in answer.text
