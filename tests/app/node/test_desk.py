"""The desk's HTTP, in process: every route, its refusals, and the page of its document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from lianfang.app.node.desk import Desk, desk_app
from lianfang.app.settings import Settings
from lianfang.infra import published
from lianfang.kernel import limits
from lianfang.services.identity import ApiKey
from lianfang.wire import read_ruleset

REASON: Any = {"Lianfang-Reason": "测试".encode()}
RULE = {"id": "big.one", "zh": "大", "en": "big", "when": 'amount > 10 and kind == "qr"', "code": "BIG", "points": 5}
ENTRY = {"list": "mules", "effect": "block", "subject": "account", "value": "A1", "purpose": "p", "source": "s"}
NO_DECIDER = 1
"""A port where nobody listens."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Settings(data_dir=str(tmp_path), decider_port=NO_DECIDER))
    yield made
    made.close()


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient[Litestar]]:
    key = desk.first_key()
    desk.start()
    with TestClient(desk_app(desk, watch=False)) as made:
        made.headers["Authorization"] = f"Bearer {key}"
        yield made


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:lianfang:problem:{code}")
    return body


def published_rules(desk: Desk) -> list[str]:
    return [r.id for r in read_ruleset((desk.files.published / published.RULESET).read_bytes()).rules]


def test_a_rule_is_made_shown_changed_and_removed(client: TestClient[Litestar], desk: Desk) -> None:
    path = "/v1/rules/big.one"
    made = client.put(path, json=RULE, headers=REASON).json()
    assert (made["rule"], made["lives"], made["version"]) == (RULE, "api", 1)
    assert client.get(path).json() == made
    assert published_rules(desk)[-1] == "big.one"
    assert client.put(path, json={**RULE, "points": 7}, params={"reason": "more"}).json()["version"] == 2
    assert client.get("/v1/rules").json()["rules"][-1]["rule"]["points"] == 7
    assert client.delete(path, headers=REASON).json()["version"] == 2
    assert "big.one" not in published_rules(desk)
    problem(client.get(path), 404, "not-found")
    problem(client.delete(path, headers=REASON), 404, "not-found")
    acts = [(c["act"], c["reason"]) for c in client.get("/v1/changes", params={"limit": 3}).json()["changes"]]
    assert acts == [("rule.delete", "测试"), ("rule.put", "more"), ("rule.put", "测试")]


def test_a_mistake_in_a_condition_is_shown_with_line_column_and_caret(client: TestClient[Litestar], desk: Desk) -> None:
    before = published_rules(desk)
    body = problem(
        client.put("/v1/rules/big.one", json={**RULE, "when": "amount > 1\nand payer.acount == memo"}, headers=REASON),
        400,
        "invalid-rule",
    )
    assert (body["line"], body["column"]) == (2, 5)
    assert body["caret"] == "and payer.acount == memo\n    ^^^^^^^^^^^^"
    assert "did you mean `payer.account`?" in body["detail"]
    assert published_rules(desk) == before


def test_a_rule_whose_own_examples_fail_is_refused_unless_it_is_off(client: TestClient[Litestar]) -> None:
    bad = {**RULE, "examples": [{"fires": True, "payment": {"kind": "card"}}]}
    body = problem(client.put("/v1/rules/big.one", json=bad, headers=REASON), 400, "invalid-rule")
    assert "example 1 must fire, and does not" in body["detail"]
    assert client.put("/v1/rules/big.one", json={**bad, "mode": "off"}, headers=REASON).status_code == 200


def test_a_rule_of_a_file_is_changed_in_its_file(client: TestClient[Litestar]) -> None:
    held = client.get("/v1/rules").json()["rules"][0]
    path = f"/v1/rules/{held['rule']['id']}"
    for answer in (client.put(path, json=held["rule"], headers=REASON), client.delete(path, headers=REASON)):
        assert held["file"] in problem(answer, 409, "conflict")["detail"]
    assert client.get(path).json()["lives"] == "file"


def test_a_change_needs_a_reason_and_the_right_id(client: TestClient[Litestar]) -> None:
    assert problem(client.put("/v1/rules/big.one", json=RULE), 400, "invalid-input")["where"] == "Lianfang-Reason"
    assert problem(client.put("/v1/rules/other", json=RULE, headers=REASON), 400, "invalid-input")["where"] == "$.id"
    problem(client.get("/v1/rules/big.one"), 404, "not-found")


def test_a_dry_run_says_what_would_happen_and_changes_nothing(client: TestClient[Litestar], desk: Desk) -> None:
    before = client.get("/v1/rules").json()
    held = before["rules"][0]["rule"]
    good = client.post("/v1/rules/check", json={"rules": [{**RULE, "examples": [{"fires": False}]}, held]}).json()
    assert (good["ok"], good["added"], good["replaced"]) == (True, ["big.one"], [held["id"]])
    assert good["examples"][0] == {
        "rule": "big.one",
        "index": 0,
        "expected": False,
        "fired": False,
        "ok": True,
        "problem": "",
    }
    bad = client.post("/v1/rules/check", json={"rules": [{**RULE, "when": "amount >"}]}).json()
    assert (bad["ok"], bad["problems"][0]["rule"]) == (False, "big.one")
    assert client.get("/v1/rules").json() == before


def test_features_and_policy_are_shown(client: TestClient[Litestar]) -> None:
    assert {"name", "define"} <= client.get("/v1/features").json()[0]["feature"].keys()
    assert client.get("/v1/policy").json()["hold_points"] == 100


def test_entries_are_added_paged_and_removed(client: TestClient[Litestar]) -> None:
    path = "/v1/lists/mules/entries"
    assert client.post(path, json=ENTRY, headers=REASON).json() == {"added": 1, "changed": 0, "unchanged": 0}
    many = [{**ENTRY, "value": f"A{i}"} for i in range(1, 4)]
    assert client.post(path, json=many, headers=REASON).json() == {"added": 2, "changed": 0, "unchanged": 1}
    first = client.get(path, params={"limit": 2}).json()
    rest = client.get(path, params={"limit": 2, "cursor": first["next"]}).json()
    assert [e["value"] for e in first["entries"] + rest["entries"]] == ["A1", "A2", "A3"]
    assert rest["next"] is None
    gone = client.request("DELETE", path, json=[{"subject": "account", "value": "A2"}], headers=REASON)
    assert gone.json() == {"removed": 1}
    assert client.get("/v1/lists").json() == [{"name": "mules", "effect": "block", "entries": 2}]


def test_lists_refuse_what_they_cannot_hold(client: TestClient[Litestar]) -> None:
    path = "/v1/lists/mules/entries"
    problem(client.get(path), 404, "not-found")
    problem(client.request("DELETE", path, json=[], headers=REASON), 404, "not-found")
    assert (
        problem(client.post(path, json={**ENTRY, "list": "vips"}, headers=REASON), 400, "invalid-input")["where"]
        == "$[0].list"
    )
    problem(
        client.post("/v1/lists/Bad-Name/entries", json={**ENTRY, "list": "Bad-Name"}, headers=REASON),
        400,
        "invalid-input",
    )
    assert client.put("/v1/lists/mules", json={"effect": "watch"}, headers=REASON).json()["entries"] == 0
    problem(client.post(path, json=ENTRY, headers=REASON), 409, "conflict")
    problem(client.get(path, params={"limit": 0}), 400, "invalid-input")
    assert problem(client.get(path, params={"cursor": "x"}), 400, "invalid-input")["where"] == "query cursor"


def test_a_list_may_be_named_by_a_rule_once_it_is_made(client: TestClient[Litestar], desk: Desk) -> None:
    named = {**RULE, "when": "payee.account in mules"}
    problem(client.put("/v1/rules/big.one", json=named, headers=REASON), 400, "invalid-rule")
    client.put("/v1/lists/mules", json={"effect": "watch"}, headers=REASON)
    assert client.put("/v1/rules/big.one", json=named, headers=REASON).status_code == 200
    assert msgspec.json.decode((desk.files.published / published.LIST_NAMES).read_bytes()) == ["mules"]


def test_a_key_lives_from_issue_to_revocation(client: TestClient[Litestar], desk: Desk) -> None:
    made = client.post("/v1/keys", json={"scopes": ["read"], "note": "n"}, headers=REASON)
    assert made.status_code == 201
    text, key = made.json()["text"], made.json()["key"]["id"]

    def status(bearer: str) -> int:
        return client.get("/v1/rules", headers={"Authorization": f"Bearer {bearer}"}).status_code

    assert status(text) == 200
    problem(client.get("/v1/keys", headers={"Authorization": f"Bearer {text}"}), 403, "wrong-scope")
    new = client.post(f"/v1/keys/{key}/rotate", headers=REASON).json()
    assert (status(text), status(new["text"])) == (200, 200)
    assert client.delete(f"/v1/keys/{key}", headers=REASON).json()["in_force"] is False
    assert (status(text), status(new["text"])) == (401, 200)
    problem(client.delete(f"/v1/keys/{key}", headers=REASON), 404, "not-found")
    kept = msgspec.json.decode((desk.files.published / published.KEYS).read_bytes(), type=list[ApiKey])
    assert new["key"]["id"] in {k.id for k in kept}
    assert key not in {k.id for k in kept}
    shown = client.get("/v1/keys").text
    assert text not in shown
    assert key in shown


def test_a_key_needs_scopes_that_exist(client: TestClient[Litestar]) -> None:
    bodies: list[Any] = [
        {"scopes": []},
        {"scopes": ["all"]},
        {"scopes": ["read"], "lifetime_s": 0},
        {"scopes": ["read"], "typo": 1},
    ]
    for body in bodies:
        problem(client.post("/v1/keys", json=body, headers=REASON), 400, "invalid-input")


@pytest.mark.parametrize(
    ("header", "code"),
    [({}, "no-key"), ({"Authorization": "Basic x"}, "bad-key"), ({"Authorization": "Bearer lf_x_y"}, "bad-key")],
)
def test_without_a_key_nothing_is_told(desk: Desk, header: dict[str, str], code: str) -> None:
    desk.start()
    with TestClient(desk_app(desk, watch=False)) as client:
        for path in ("/v1/rules", "/v1/features", "/v1/lists", "/v1/keys", "/v1/changes"):
            answer = client.get(path, headers=header)
            problem(answer, 401, code)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b'{"id":"big.one","id":"big.one"}', 400, "stands twice"),
        (b"[" * 100_000, 413, "nested deeper"),
        (b'{"id": NaN}', 400, ""),
        (b'\xff\xfe{"id": 1}', 400, ""),
        (b'{"id":"big.one","points":1' + b"0" * 5_000 + b"}", 400, ""),
        (b'{"id":"\\ud800"}', 400, ""),
        (
            b'{"id":"big.one","zh":"a\\u0000b","en":"x","when":"amount > 1","code":"X","points":1}',
            400,
            "control characters",
        ),
        (b"", 400, ""),
        (b" " * (limits.BODY_BYTES_MAX + 1), 413, "larger than"),
    ],
)
def test_bad_bytes_are_refused_with_what_and_where(
    client: TestClient[Litestar], content: bytes, status: int, said: str
) -> None:
    answer = client.put("/v1/rules/big.one", content=content, headers={**REASON, "Content-Type": "application/json"})
    body = problem(answer, status, answer.json()["code"])
    assert said in body["detail"]
    assert "Traceback" not in answer.text


def test_other_refusals_are_problem_details_too(client: TestClient[Litestar]) -> None:
    problem(client.get("/nowhere"), 404, "not-found")
    problem(client.get("/docs/../etc/passwd"), 404, "not-found")
    problem(client.get("/v1/rules/%00"), 404, "not-found")
    wrong = client.post("/v1/policy")
    problem(wrong, 405, "wrong-method")
    assert wrong.headers["Allow"] == "GET, OPTIONS"
    assert client.post("/v1/rules/x").headers["Allow"] == "DELETE, GET, OPTIONS, PUT"
    problem(
        client.put("/v1/rules/big.one", content=b"x", headers={**REASON, "Content-Type": "text/plain"}),
        415,
        "unsupported-media-type",
    )


def test_records_that_fail_are_told_as_such(client: TestClient[Litestar], desk: Desk) -> None:
    with desk.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE rules RENAME TO hidden")
    body = problem(client.get("/v1/rules"), 503, "records-failed")
    assert "SELECT" not in body["detail"]


def test_the_desk_says_when_the_decider_is_down(client: TestClient[Litestar]) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert "does not answer" in answer.json()["attention"]["decider"]
    assert client.get("/healthz").json() == {"alive": True}
    problem(client.get("/decider/readyz"), 503, "decider-down")
    problem(client.get("/decider/v1/keys"), 404, "not-found")


def test_metrics_count_answers_and_name_no_one(client: TestClient[Litestar]) -> None:
    client.post("/v1/lists/mules/entries", json=ENTRY, headers=REASON)
    text = client.get("/metrics").text
    assert 'lianfang_desk_answers_total{status="200"}' in text
    assert "lianfang_desk_list_entries 1.0" in text
    assert "A1" not in text


def test_one_document_shows_both_doors(client: TestClient[Litestar], desk: Desk) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["paths"]["/v1/decisions"]["servers"][0]["url"] == desk.decider_url()
    put = document["paths"]["/v1/rules/{rule_id}"]["put"]
    assert put["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Rule"}
    assert {"200", "400", "401", "403", "404", "409", "413", "415", "429", "503"} <= put["responses"].keys()
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', client.get("/openapi.json").text))
    assert references <= document["components"]["schemas"].keys()


def test_the_page_asks_no_other_origin_for_anything(client: TestClient[Litestar]) -> None:
    assert client.get("/", follow_redirects=False).headers["location"] == "/console"
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 4
    for part in parts:
        assert part.startswith("/docs/")
        assert client.get(part).status_code == 200
    assert "//" not in client.get("/docs/start.js").text
    older = client.get("/docs/openapi-3.0.json").json()
    assert older["openapi"] == "3.0.3"
    assert older["paths"]["/v1/decisions"]["servers"][0]["url"] == "/decider"
    assert '"type": "null"' not in client.get("/docs/openapi-3.0.json").text.replace('":"', '": "')


def test_the_first_key_is_made_once_and_only_its_owner_reads_it(desk: Desk) -> None:
    text = desk.first_key()
    path = desk.files.root / "first.key"
    assert text is not None
    assert (path.read_text().strip(), path.stat().st_mode & 0o777) == (text, 0o600)
    assert desk.first_key() is None
