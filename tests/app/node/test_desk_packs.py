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


def _key(client: TestClient[Litestar], *scopes: str) -> dict[str, str]:
    made = client.post("/v1/keys", json={"scopes": list(scopes)}, headers=REASON).json()
    return {**REASON, "Authorization": f"Bearer {made['text']}"}


def test_parameters_and_packs_go_from_a_draft_to_live_by_two_people_and_back(
    client: TestClient[Litestar], desk: Desk
) -> None:
    bob = _key(client, "approve", "read")
    change = {"parameters": {"victim_large_amount": 700_000}, "packs": {"crypto": False}}
    made = client.post("/v1/drafts", json=change, headers=REASON).json()
    path = f"/v1/drafts/{made['id']}"
    assert client.post(f"{path}/approve", json={"without_backtest": "tried"}, headers=bob).json()["state"] == "approved"

    def stage(to: str) -> Any:
        return client.post(f"{path}/stage", json={"stage": to}, headers=REASON)

    def value() -> Any:
        return next(p.value for p in in_force(desk).parameters if p.name == "victim_large_amount")

    assert stage("shadow").json()["state"] == "shadow"
    shadows = [rule for rule in in_force(desk).rules if rule.id.endswith(".next")]
    assert shadows
    assert all(rule.mode == "shadow" and "700000" in rule.when for rule in shadows)
    assert value() == 500_000
    beside = client.put("/v1/parameters/victim_large_amount", json={"value": 1}, headers=REASON)
    assert "with this parameter" in problem(beside, 409, "conflict")["detail"]
    beside = client.put("/v1/packs/crypto", json={"on": False}, headers=REASON)
    assert "with this pack" in problem(beside, 409, "conflict")["detail"]
    other = client.post("/v1/drafts", json={"parameters": {"victim_large_amount": 9}}, headers=REASON).json()
    client.post(f"/v1/drafts/{other['id']}/approve", json={"without_backtest": "tried"}, headers=bob)
    held = client.post(f"/v1/drafts/{other['id']}/stage", json={"stage": "shadow"}, headers=REASON)
    assert "with the parameter victim_large_amount" in problem(held, 409, "conflict")["detail"]
    problem(client.post(f"{path}/stage", json={"stage": "share", "share": 0.5}, headers=REASON), 409, "conflict")

    assert stage("live").json()["state"] == "live"
    assert value() == 700_000
    assert not [rule for rule in in_force(desk).rules if rule.id.endswith(".next")]
    assert {one["name"]: one["on"] for one in client.get("/v1/packs").json()}["crypto"] is False
    assert client.post(f"{path}/rollback", headers=REASON).json()["state"] == "rolled_back"
    assert value() == 500_000
    assert {one["name"]: one["on"] for one in client.get("/v1/packs").json()}["crypto"] is True


def test_a_draft_of_what_is_not_there_or_does_not_fit_is_refused(client: TestClient[Litestar]) -> None:
    def refused(change: Any, status: int = 400, code: str = "invalid-input") -> str:
        return str(problem(client.post("/v1/drafts", json=change, headers=REASON), status, code)["detail"])

    assert "did you mean" in refused({"parameters": {"victim_large_amont": 7}})
    assert "is a whole number" in refused({"parameters": {"victim_large_amount": 7.5}})
    assert "is a number of the law" in refused({"parameters": {"law_qr_static_day": 7}}, 409, "conflict")
    assert "there is no pack" in refused({"packs": {"nothing": True}})
    assert "a draft changes a rule" in refused({})


def test_where_two_people_are_asked_for_nobody_sets_a_parameter_or_switches_a_pack_alone(
    client: TestClient[Litestar],
) -> None:
    client.app.state.two_people = True
    for answer in (
        client.put("/v1/parameters/victim_large_amount", json={"value": 700_000}, headers=REASON),
        client.delete("/v1/parameters/victim_large_amount", headers=REASON),
        client.put("/v1/packs/crypto", json={"on": False}, headers=REASON),
    ):
        assert "asks for two people" in problem(answer, 409, "conflict")["detail"]
