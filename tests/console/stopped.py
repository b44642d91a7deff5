"""Payments that are sure to be stopped: to an account on a block list, made for one test."""

from __future__ import annotations

import time
from itertools import count
from typing import Any, Final

from lianfang.kernel.instant import moment
from tests.console.conftest import Console

LIST: Final = "judging_block"
PATIENCE_S: Final = 20.0
_numbers = count(1)


def stopped(console: Console, payee: str, payers: list[str], memo: str = "") -> list[str]:
    """Pay `payee`, once from each of `payers`, all blocked; the payments' ids, once they can be found."""
    said = {"Lianfang-Reason": "test"}
    made = console.http.put(f"{console.base}/v1/lists/{LIST}", json={"effect": "block"}, headers=said)
    assert made.status_code == 200, made.text
    entry = {
        "list": LIST, "effect": "block", "subject": "account", "value": payee, "purpose": "test", "source": "test",
        "side": "payee",
    }  # fmt: skip
    added = console.http.post(f"{console.base}/v1/lists/{LIST}/entries", json=[entry], headers=said)
    assert added.status_code == 200, added.text
    probe = wait(lambda: pay(console, payee, "probe-" + payee[-4:], memo), lambda one: one["action"] == "block")
    ids = [pay(console, payee, payer, memo)["payment_id"] for payer in payers]
    wait(lambda: [found(console, one) for one in [probe["payment_id"], *ids]], all)
    return ids


def pay(console: Console, payee: str, payer: str, memo: str = "") -> dict[str, Any]:
    """One payment of 1,234.56; its decision."""
    at = moment(time.time_ns() // 1_000).isoformat()
    payment = {
        "schema": "payment/1", "id": f"made-{next(_numbers)}", "time": at, "kind": "transfer", "amount": 123_456,
        "currency": "CNY", "channel": "mobile", "payer": {"account": payer, "name": "张三"}, "payee": {"account": payee},
        "device": {"id": "device-" + payer}, **({"memo": memo} if memo else {}),
    }  # fmt: skip
    said = console.http.post(console.told.decider + "/v1/decisions", json=payment)
    assert said.status_code == 200, said.text
    decision: dict[str, Any] = said.json()
    return decision


def found(console: Console, payment_id: str) -> bool:
    return console.http.get(f"{console.base}/v1/payments/{payment_id}").status_code == 200


def wait(ask: Any, good: Any) -> Any:
    """What `ask` gives, once it is good."""
    until = time.monotonic() + PATIENCE_S
    while not good(answer := ask()):
        assert time.monotonic() < until, f"waited {PATIENCE_S} s; the last answer: {answer}"
        time.sleep(0.1)
    return answer
