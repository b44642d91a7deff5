"""A draft at a running node: two people, shadow, a share of the traffic, live, back; not one payment is lost meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lianfang.app import cli
from tests.app.node.test_serve import REASON, Running, until

RULES = """
[[rules]]
id = "big.one"
zh = "大额"
en = "large"
when = "amount > 1000"
action = "{action}"
code = "BIG"
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("drafts"))
    yield running
    assert running.stop()


class People:
    """Two keys, a folder, and the command line as each of them."""

    def __init__(self, node: Running, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LIANFANG_DATA_DIR", node.settings.data_dir)
        self.folder = folder
        self.keys = {}
        for name, scopes in (("ann", ["rules", "read", "approve"]), ("bob", ["approve", "read"])):
            made = node.http.post(node.told.desk + "/v1/keys", json={"scopes": scopes}, headers=REASON).json()
            self.keys[name] = made["text"]

    def __call__(self, who: str, *arguments: str) -> dict[str, Any]:
        out = self.folder / "out.json"
        out.unlink(missing_ok=True)
        status = cli.main(["draft", *arguments, "--key", self.keys[who], "--json", str(out)])
        return json.loads(out.read_bytes()) if status == 0 else {"status": status}

    def rules(self, action: str) -> str:
        path = self.folder / f"{action}.toml"
        path.write_text(RULES.format(action=action), "utf-8")
        return str(path)


@pytest.fixture
def people(node: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    return People(node, tmp_path, monkeypatch)


class Stream:
    """Payments one after another from many accounts, until it is stopped; every answer is kept."""

    def __init__(self, node: Running) -> None:
        self.node = node
        self.answers: dict[str, dict[str, Any]] = {}
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        key = {"Authorization": f"Bearer {self.node.told.first_key}"}
        with httpx.Client(headers=key, trust_env=False) as client:
            i = 0
            while not self._ended.is_set():
                body = {
                    "id": f"stream-{i}", "time": "2026-01-07T12:00:00Z", "kind": "transfer", "amount": 5_000,
                    "currency": "CNY", "payer": {"account": f"A{i % 40}"},
                }  # fmt: skip
                said = client.post(self.node.told.decider + "/v1/decisions", json=body)
                if said.status_code == 200:
                    self.answers[f"stream-{i}"] = said.json()
                else:
                    self.failed.append(said.text)
                i += 1

    def recent(self, n: int = 80) -> list[dict[str, Any]]:
        return list(self.answers.values())[-n:]

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def names(answer: dict[str, Any]) -> set[str]:
    return {reason["name"] for reason in answer.get("reasons", [])}


def test_a_draft_goes_its_way_while_payments_flow(
    node: Running, people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    first = people("ann", "make", people.rules("hold"), "--reason", "large ones are held")
    number = str(first["id"])
    assert first["state"] == "draft"
    assert people("ann", "stage", number, "shadow", "--reason", "x") == {"status": 2}
    assert people("bob", "approve", number, "--reason", "x") == {"status": 2}
    assert "has no backtest" in capsys.readouterr().err
    (people.folder / "report.json").write_text('{"hits": 12}')
    people("ann", "backtest", number, str(people.folder / "report.json"), "--reason", "12 hits in a year")
    assert people("ann", "approve", number, "--reason", "mine") == {"status": 2}
    assert "nobody approves their own draft" in capsys.readouterr().err
    assert people("bob", "stage", number, "shadow", "--reason", "x") == {"status": 1}  # bob may only approve
    assert people("bob", "approve", number, "--reason", "looks right")["state"] == "approved"

    stream = Stream(node)
    try:
        people("ann", "stage", number, "shadow", "--reason", "watch it")
        until(lambda: all(a.get("shadow") == ["big.one.next"] for a in stream.recent(5)))
        people("ann", "stage", number, "share", "--share", "0.5", "--reason", "half")
        until(lambda: {bool(names(a) & {"big.one.next"}) for a in stream.recent()} == {True, False})
        rule = {"id": "big.one", "zh": "x", "en": "x", "when": "amount > 1", "action": "hold", "code": "X"}
        beside = node.http.put(node.told.desk + "/v1/rules/big.one", json=rule, headers=REASON)
        assert (beside.status_code, "share with this rule" in beside.text) == (409, True)
        people("ann", "stage", number, "live", "--reason", "all")
        until(lambda: all(names(a) >= {"big.one"} for a in stream.recent(5)))

        second = str(people("ann", "make", people.rules("challenge"), "--reason", "ask instead")["id"])
        people("bob", "approve", second, "--reason", "yes", "--without-backtest", "same condition, milder")
        people("ann", "stage", second, "shadow", "--reason", "watch")
        people("ann", "stage", second, "share", "--share", "0.5", "--reason", "half")
        until(lambda: {a["action"] for a in stream.recent()} == {"hold", "challenge"})
        for answer in stream.recent(20):  # one of the two, never both, never none
            assert len(names(answer) & {"big.one", "big.one.next"}) == 1
        assert people("ann", "rollback", second, "--reason", "too mild")["state"] == "rolled_back"
        until(lambda: all(a["action"] == "hold" for a in stream.recent(10)))
    finally:
        stream.stop()
    assert stream.failed == []
    assert [a["payment_id"] for a in stream.answers.values()] == list(stream.answers)
    acts = [c["act"] for c in node.http.get(node.told.desk + "/v1/changes").json()["changes"]]
    wanted = [
        "draft.roll_back",
        "draft.share",
        "draft.shadow",
        "draft.approve",
        "draft.make",
        "draft.live",
        "draft.share",
    ]
    assert [act for act in acts if act.startswith("draft.")][: len(wanted)] == wanted


def test_a_draft_that_does_not_compile_and_one_of_a_files_rule_are_refused(node: Running, people: People) -> None:
    bad = people.folder / "bad.toml"
    bad.write_text(RULES.format(action="hold").replace("amount > 1000", "amont > 1000"), "utf-8")
    assert people("ann", "make", str(bad), "--reason", "x") == {"status": 2}
    own = people.folder / "own.toml"
    own.write_text(RULES.format(action="hold").replace("big.one", "first"), "utf-8")
    assert people("ann", "make", str(own), "--reason", "x") == {"status": 2}
    assert people("ann", "show", "999") == {"status": 2}


def test_drafts_are_listed_and_one_is_withdrawn(node: Running, people: People) -> None:
    number = people("ann", "make", people.rules("block"), "--reason", "never mind")["id"]
    assert people("ann", "withdraw", str(number), "--reason", "no")["state"] == "withdrawn"
    assert people("ann", "stage", str(number), "shadow", "--reason", "x") == {"status": 2}
    listed: Any = people("bob", "list")
    assert next(d["state"] for d in listed) == "withdrawn"
