"""The exported JSON Schema: the committed copy is current, and what we write obeys it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.wire import Payment, json_schema, write
from lianfang.wire.schema import MESSAGES
from tests.wire import strategies

COPY = Path(__file__).parents[2] / "docs" / "reference" / "schema.json"


def validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator({**json_schema(), "$ref": f"#/$defs/{name}"})


def test_the_committed_copy_is_current() -> None:
    assert json.loads(COPY.read_text("utf-8")) == json.loads(json.dumps(json_schema())), "run `make docs`"


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: str(kind.__name__))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_is_written_obeys_the_schema(kind: Any, data: st.DataObject) -> None:
    message = json.loads(write(data.draw(strategies.of(kind))))
    problems = [str(e) for e in validator(kind.__name__).iter_errors(message)]
    assert problems == []


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    check = validator(Payment.__name__)
    good = {"id": "p", "time": "2026-05-01T08:00:00Z", "kind": "transfer", "amount": 1, "currency": "CNY"}
    assert check.is_valid(good)
    for bad in ({"amount": -1}, {"amount": 1.5}, {"id": ""}, {"kind": "gift"}, {"x": 1}, {"payer": {"x": 1}}):
        assert not check.is_valid({**good, **bad}), bad


def test_every_message_carries_its_version() -> None:
    defs = json_schema()["$defs"]
    for kind in MESSAGES:
        versions = defs[kind.__name__]["properties"]["schema"]["enum"]
        assert len(versions) == 1
        assert versions[0].endswith("/1")
