"""Sign-in by a real OpenID Connect provider in a process of its own, and by one that lies."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from lianfang.app.node.desk import Desk, desk_app
from lianfang.app.settings import Settings
from lianfang.infra.sql import changes
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant
from lianfang.services.identity import people_store as store
from lianfang.services.identity.oidc import Oidc, Provider

USERS = (
    {
        "sub": "e-1001",
        "preferred_username": "Chen.Gong@bank.example",
        "name": "陈工",
        "lianfang_roles": ["engineer", "viewer"],
    },
    {"sub": "e-1002", "preferred_username": "nobody", "name": "无", "lianfang_roles": ["king"]},
)
Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    users = [part for user in USERS for part in ("--user-claims", msgspec.json.encode(user).decode())]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *users]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            httpx.get(f"{address}/.well-known/openid-configuration", trust_env=False)
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield httpx.get(f"{address}/.well-known/openid-configuration", trust_env=False).json()["issuer"]
    process.terminate()
    process.wait()


@pytest.fixture
def desk(tmp_path: Path, provider: str) -> Iterator[Desk]:
    secret = tmp_path / "oidc.secret"
    secret.write_text("between us\n", "utf-8")
    made = Desk(Settings(data_dir=str(tmp_path), decider_port=1, oidc_issuer=provider, oidc_secret_file=str(secret)))
    made.start()
    yield made
    made.close()


@pytest.fixture
def client(desk: Desk) -> Iterator[Client]:
    with TestClient(desk_app(desk, watch=False)) as made:
        yield made


def at_provider(address: str, sub: str) -> str:
    """What the person does at the provider; the address they are sent back to."""
    answer = httpx.post(address, data={"sub": sub}, follow_redirects=False, trust_env=False)
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["location"]


def come_back(client: Client, address: str) -> httpx.Response:
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}", follow_redirects=False)


def begin(client: Client, back: str = "") -> str:
    led = client.get(f"/console/oidc?next={back}", follow_redirects=False)
    assert led.status_code == 303, led.text
    asked = parse_qs(urlsplit(led.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    return led.headers["location"]


def test_whoever_the_provider_knows_comes_in_with_the_roles_it_says(client: Client, desk: Desk) -> None:
    made = come_back(client, at_provider(begin(client, "/console/style"), "e-1001"))
    assert (made.status_code, made.headers["location"]) == (303, "/console/style")
    page = client.get("/console/me").text
    assert "陈工" in page
    with desk.database.reading() as c:
        person = store.one_person(c, "chen.gong")
        acts = [(one.who, one.act) for one in changes(c, limit=2)]
    assert person is not None
    assert (person.roles, person.password) == (("viewer", "engineer"), None)
    assert acts == [("person:chen.gong", "person.sign-in"), ("oidc", "person.add")]


def test_roles_follow_the_provider_at_the_next_sign_in(client: Client, desk: Desk) -> None:
    come_back(client, at_provider(begin(client), "e-1001"))
    with desk.database.writing() as c:
        person = store.one_person(c, "chen.gong")
        assert person is not None
        store.change_person(
            c,
            msgspec.structs.replace(person, roles=("auditor",)),
            by="t",
            at=Instant(person.created_at),
            reason="t",
            act="t",
        )
    come_back(client, at_provider(begin(client), "e-1001"))
    with desk.database.reading() as c:
        after = store.one_person(c, "chen.gong")
    assert after is not None
    assert after.roles == ("viewer", "engineer")


def test_without_a_role_of_ours_nobody_comes_in(client: Client, desk: Desk) -> None:
    refused = come_back(client, at_provider(begin(client), "e-1002"))
    assert refused.status_code == 403
    assert "角色" in refused.text
    with desk.database.reading() as c:
        assert store.all_people(c) == []


def test_an_answer_opens_once_and_only_for_the_browser_that_began(client: Client) -> None:
    address = at_provider(begin(client), "e-1001")
    cookie = client.cookies.get("lianfang_oidc", path="/console/oidc")
    client.cookies.clear()
    assert come_back(client, address).status_code == 403, "another browser"
    client.cookies.set("lianfang_oidc", cookie or "", path="/console/oidc")
    assert come_back(client, address).status_code == 403, "it was used"


def test_a_forged_state_or_code_is_refused(client: Client) -> None:
    begin(client)
    assert client.get("/console/oidc/back?state=x&code=y").status_code == 403
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    assert client.get(f"/console/oidc/back?state={state}&code=guess").status_code == 403


def test_the_door_offers_it_where_there_is_one(client: Client, desk: Desk) -> None:
    come_back(client, at_provider(begin(client), "e-1001"))
    client.cookies.clear()
    assert re.search(r'href="/console/oidc\?next=', client.get("/console/sign-in").text)


def test_a_provider_that_is_down_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("s", "utf-8")
    settings = Settings(
        data_dir=str(tmp_path), decider_port=1, oidc_issuer="http://127.0.0.1:9", oidc_secret_file=str(tmp_path / "s")
    )
    desk = Desk(settings)
    desk.start()
    with TestClient(desk_app(desk, watch=False)) as client:
        assert client.get("/console/oidc", follow_redirects=False).status_code == 503
    desk.close()


def test_an_issuer_beyond_this_machine_is_reached_by_https() -> None:
    with pytest.raises(InputError, match="https"):
        Oidc(Provider("http://id.bank.example", "c", "s", "roles"), bytes)
