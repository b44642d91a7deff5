"""A real node in a temporary folder: two processes, their doors, a death, a clean end."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lianfang.app.node.supervise import Node, running_node
from lianfang.app.settings import Settings
from lianfang.kernel.errors import DependencyError

WAIT_S = 60.0
REASON = {"Lianfang-Reason": "test"}


class Running:
    """A node, watched by a thread, and a client with its first key."""

    def __init__(self, folder: Path) -> None:
        rules = folder / "rules.toml"
        rules.write_text(
            '[[features]]\nname = "payer_count_1h"\ndefine = "count of payments by payer.account over 1h"\n'
            '[[rules]]\nid = "first"\nzh = "一"\nen = "one"\nwhen = "payer_count_1h >= 0 and amount > 100"\n'
            'points = 60\ncode = "FIRST"\n',
            "utf-8",
        )
        self.rules = rules
        self.log = io.StringIO()
        self.settings = Settings(
            data_dir=str(folder / "node"), rules=str(rules), decider_port=0, desk_port=0, feature_memory_mb=64
        )
        self.node = Node(self.settings, output=self.log)
        self.node.start()
        self.told = self.node.running
        self._watch = threading.Thread(target=self.node.wait)
        self._watch.start()
        self.http = httpx.Client(headers={"Authorization": f"Bearer {self.told.first_key}"}, trust_env=False)

    def decide(self, name: str, **more: Any) -> dict[str, Any]:
        body = {"id": name, "time": "2026-01-07T12:00:00Z", "kind": "transfer", "amount": 50, "currency": "CNY"}
        answer = self.http.post(self.told.decider + "/v1/decisions", json=body | {"payer": {"account": "A"}} | more)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def stop(self) -> bool:
        self.node.request_stop()
        self._watch.join()
        self.http.close()
        return self.node.stop()


def until(true: Callable[[], bool]) -> None:
    """Wait for it, at most a minute."""
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("serve"))
    yield made
    assert made.stop(), made.log.getvalue()
    assert running_node(made.settings.data_dir) is None
    assert (Path(made.settings.data_dir) / "snapshot" / "state.bin").exists()


def test_both_doors_answer_and_the_node_says_where_it_runs(running: Running) -> None:
    ready = running.http.get(running.told.desk + "/readyz").json()
    assert (ready["ready"], ready["attention"]) == (True, {})
    assert ready["rules"] == ready["decider"]["rules"]
    found = running_node(running.settings.data_dir)
    assert found is not None
    assert (found.decider, found.desk, found.first_key) == (running.told.decider, running.told.desk, None)
    assert (Path(running.settings.data_dir) / "running.json").stat().st_mode & 0o777 == 0o600


def test_a_rule_put_at_the_desk_is_in_force_at_the_decider_without_a_restart(running: Running) -> None:
    assert running.decide("before")["action"] == "allow"
    rule = {"id": "api.two", "zh": "二", "en": "two", "when": "amount == 50", "action": "hold", "code": "TWO"}
    assert running.http.put(running.told.desk + "/v1/rules/api.two", json=rule, headers=REASON).status_code == 200
    numbers = iter(range(10_000))
    until(lambda: running.decide(f"after-{next(numbers)}")["action"] == "hold")
    assert running.decide("before")["action"] == "allow"
    assert running.http.delete(running.told.desk + "/v1/rules/api.two", headers=REASON).status_code == 200
    until(lambda: running.decide(f"gone-{next(numbers)}")["action"] == "allow")


def test_an_entry_put_at_the_desk_blocks_at_the_decider(running: Running) -> None:
    entry = {"list": "mules", "effect": "block", "subject": "account", "value": "M", "purpose": "p", "source": "s"}
    assert (
        running.http.post(running.told.desk + "/v1/lists/mules/entries", json=entry, headers=REASON).json()["added"]
        == 1
    )
    numbers = iter(range(10_000))
    until(lambda: running.decide(f"mule-{next(numbers)}", payee={"account": "M"})["action"] == "block")


def test_a_revoked_key_is_refused_at_both_doors(running: Running) -> None:
    made = running.http.post(running.told.desk + "/v1/keys", json={"scopes": ["read"]}, headers=REASON).json()
    bearer = {"Authorization": f"Bearer {made['text']}"}

    def statuses() -> tuple[int, int]:
        return (
            running.http.get(running.told.decider + "/v1/decisions/none", headers=bearer).status_code,
            running.http.get(running.told.desk + "/v1/rules", headers=bearer).status_code,
        )

    until(lambda: statuses() == (404, 200))
    running.http.delete(f"{running.told.desk}/v1/keys/{made['key']['id']}", headers=REASON)
    until(lambda: statuses() == (401, 401))


def test_the_page_reaches_the_decider_through_the_desk(running: Running) -> None:
    decided = running.decide("relayed")
    assert running.http.get(running.told.desk + "/decider/v1/decisions/relayed").json() == decided
    assert running.http.post(running.told.desk + "/decider/v1/decisions", json={}).status_code == 400


@pytest.mark.faults
def test_a_killed_decider_comes_back_and_repeats_its_answers(running: Running) -> None:
    before = running.decide("kept", amount=500)
    assert before["action"] == "challenge"
    pid = running.node.running.decider_pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: running.node.running.decider_pid != pid)
    assert running.node.running.decider == running.told.decider
    assert running.decide("kept", amount=500) == before
    until(lambda: running.http.get(running.told.desk + "/readyz").json()["ready"])


@pytest.mark.faults
def test_a_killed_desk_comes_back_while_the_decider_decides_on(running: Running) -> None:
    pid = running.node.running.desk_pid
    os.kill(pid, signal.SIGKILL)
    assert running.decide("without-desk")["action"] == "allow"
    until(lambda: running.node.running.desk_pid != pid)
    until(lambda: running.http.get(running.told.desk + "/readyz").status_code == 200)


def test_a_new_feature_in_a_file_restarts_the_decider_which_counts_it(running: Running) -> None:
    pid = running.node.running.decider_pid
    text = running.rules.read_text("utf-8").replace("payer_count_1h", "payer_number").replace("over 1h", "over 2h")
    running.rules.write_text(text, "utf-8")
    until(lambda: running.node.running.decider_pid != pid)
    assert running.decide("counted", amount=500)["action"] == "challenge"


def test_a_folder_has_one_node(running: Running) -> None:
    with pytest.raises(DependencyError, match="another node runs"):
        Node(running.settings, output=None).start()
    assert running.decide("still-here")["action"] == "allow"
