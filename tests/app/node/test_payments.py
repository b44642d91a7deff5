"""Payments found over HTTP, at a desk that was just started on a journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from lianfang.app.node.desk import Desk, desk_app
from lianfang.app.settings import Settings
from lianfang.infra.finding import Query, index
from lianfang.infra.lake.columns import Answered
from tests.app.node.test_desk import NO_DECIDER, problem
from tests.infra.finding.made import Making, Row, plain_find


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    making = Making(tmp_path / "journal", 1)
    making.some(120)
    making.writer.close()
    return making.rows()


@pytest.fixture
def client(tmp_path: Path, rows: list[Row]) -> Iterator[TestClient[Litestar]]:
    desk = Desk(Settings(data_dir=str(tmp_path), decider_port=NO_DECIDER))
    key = desk.first_key()
    desk.start()
    index(desk.files.journal, desk.files.finding, desk.files.hash_key())
    with TestClient(desk_app(desk, watch=False)) as made:
        made.headers["Authorization"] = f"Bearer {key}"
        yield made
    desk.close()


def test_a_page_is_what_was_asked_for(client: TestClient[Litestar], rows: list[Row]) -> None:
    page = client.get("/v1/payments", params={"action": ["hold", "block"], "currency": "CNY", "limit": 200}).json()
    expected = plain_find(rows, Query(actions=("hold", "block"), currency="CNY"))
    assert [one["seq"] for one in page["payments"]] == expected
    assert all(one["payment_id"] for one in page["payments"])
    asked = {"subject": {"value": "a1", "side": "payee"}, "limit": 5}
    found = client.post("/v1/payments/find", json=asked).json()
    assert len(found["payments"]) == 5
    assert found["next"] == found["payments"][-1]["seq"]
    assert "a1" not in str(found), "no subject is in a page"


def test_one_payment_comes_whole(client: TestClient[Litestar], rows: list[Row]) -> None:
    row = next(row for row in rows if isinstance(row, Answered))
    shown = client.get(f"/v1/payments/{row.payment.id}").json()
    assert shown["payment"]["payer"]["account"] == row.payment.payer.account
    problem(client.get("/v1/payments/nobody"), 404, "not-found")


def test_what_cannot_be_asked_is_refused(client: TestClient[Litestar]) -> None:
    problem(client.get("/v1/payments", params={"limit": 201}), 400, "invalid-input")
    problem(client.get("/v1/payments", params={"time_from": "2026-09-01T00:00:00"}), 400, "invalid-input")
    problem(client.post("/v1/payments/find", json={"subjekt": 1}), 400, "invalid-input")
    problem(client.get("/v1/payments", headers={"Authorization": "Bearer x"}), 401, "bad-key")
