"""The desk's HTTP of packs, parameters and tried entries, in process, with the shipped packs."""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from lianfang.app.node.desk import Desk
from lianfang.infra import published
from lianfang.wire import RuleSet, read_ruleset
from tests.app.node.test_desk import ENTRY, REASON, client, desk, problem

__all__ = ["client", "desk"]  # fixtures


def in_force(desk: Desk) -> RuleSet:
    return read_ruleset((desk.files.published / published.RULESET).read_bytes())


def test_a_pack_is_switched_off_and_on_with_who_and_why(client: TestClient[Litestar], desk: Desk) -> None:
    shown = {one["name"]: one for one in client.get("/v1/packs").json()}
    assert shown["law"]["on"]
    assert shown["law"]["rules"] == sum(rule.id.startswith("law.") for rule in in_force(desk).rules)
    off = client.put("/v1/packs/law", json={"on": False}, headers=REASON).json()
    assert (off["on"], off["changed_by"] is not None) == (False, True)
    assert {rule.id for rule in in_force(desk).rules if rule.mode == "off"} == {
        rule.id for rule in in_force(desk).rules if rule.id.startswith("law.")
    }
    change = client.get("/v1/changes").json()["changes"][0]
    assert (change["act"], change["what"], change["reason"]) == ("pack.off", "law", "测试")
    assert client.put("/v1/packs/law", json={"on": True}, headers=REASON).json()["on"]
    assert all(rule.mode != "off" for rule in in_force(desk).rules)


def test_an_unknown_pack_and_a_switch_without_a_reason_are_refused(client: TestClient[Litestar]) -> None:
    assert "law" in problem(client.put("/v1/packs/lwa", json={"on": False}, headers=REASON), 404, "not-found")["detail"]
    problem(client.put("/v1/packs/law", json={"on": False}), 400, "invalid-input")
    problem(client.put("/v1/packs/law", json={"on": "no"}, headers=REASON), 400, "invalid-input")


def test_a_parameter_is_changed_shown_and_given_back(client: TestClient[Litestar], desk: Desk) -> None:
    path = "/v1/parameters/victim_large_amount"
    made = client.put(path, json={"value": 700_000}, headers=REASON).json()
    assert (made["value"], made["parameter"]["value"]) == (700_000, 500_000)
    assert next(p.value for p in in_force(desk).parameters if p.name == "victim_large_amount") == 700_000
    listed = next(p for p in client.get("/v1/parameters").json() if p["parameter"]["name"] == "victim_large_amount")
    assert listed == made
    back = client.delete(path, headers=REASON).json()
    assert (back["value"], back.get("changed_by")) == (500_000, None)
    assert next(p.value for p in in_force(desk).parameters if p.name == "victim_large_amount") == 500_000


def test_a_number_of_the_law_is_not_changed_over_http(client: TestClient[Litestar]) -> None:
    said = problem(client.put("/v1/parameters/law_qr_static_day", json={"value": 1}, headers=REASON), 409, "conflict")
    assert "art. 12" in said["detail"]


def test_values_that_do_not_fit_are_refused_and_nothing_changes(client: TestClient[Litestar], desk: Desk) -> None:
    before = in_force(desk)
    path = "/v1/parameters/victim_large_amount"
    for value in (0.5, "1", None, True):
        problem(client.put(path, json={"value": value}, headers=REASON), 400, "invalid-input")
    problem(client.put("/v1/parameters/wait_long_s", json={"value": 0}, headers=REASON), 400, "invalid-rule")
    problem(client.put("/v1/parameters/nothing", json={"value": 1}, headers=REASON), 404, "not-found")
    assert in_force(desk) == before
    assert client.get("/v1/parameters").status_code == 200


def test_entries_are_tried_without_a_reason_and_nothing_is_written(client: TestClient[Litestar]) -> None:
    entries: list[dict[str, Any]] = [ENTRY, {**ENTRY, "value": "A2", "side": "payee"}]
    path = "/v1/lists/mules/entries"
    assert client.post(f"{path}?dry_run=true", json=entries).json() == {"added": 2, "changed": 0, "unchanged": 0}
    assert client.get("/v1/lists").json() == []
    assert client.post(path, json=entries, headers=REASON).json()["added"] == 2
    changed = [{**ENTRY, "purpose": "other"}]
    assert client.post(f"{path}?dry_run=true", json=changed).json() == {"added": 0, "changed": 1, "unchanged": 0}
    gone = [{"subject": "account", "value": "A2"}, {"subject": "account", "value": "A9"}]
    assert client.request("DELETE", f"{path}?dry_run=true", json=gone).json() == {"removed": 1}
    shown = client.get(path).json()["entries"]
    assert [(e["value"], e["purpose"], e.get("side", "both")) for e in shown] == [
        ("A1", "p", "both"),
        ("A2", "p", "payee"),
    ]
    problem(client.post(path, json=changed), 400, "invalid-input")
