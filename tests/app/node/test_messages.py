"""The messages of banks at a real decider: XML over HTTP, ISO 8583 over TCP, answered when durable."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lianfang.app.node.clock import WallClock
from lianfang.app.node.supervise import Node
from lianfang.app.settings import Settings
from lianfang.infra.journal import scan
from lianfang.infra.messages import parse, read_iso8583, read_recalls, read_status
from lianfang.infra.messages.iso8583 import write_iso8583
from lianfang.kernel.instant import moment
from tests.infra.messages.samples import CAMT_056, PAIN_001_03, SPACE, pacs008, transfer
from tests.infra.messages.test_iso8583 import REQUEST

RULES = """
[[rules]]
id = "large"
zh = "大额"
en = "Large"
when = "amount >= 50_000"
action = "block"
code = "large"
"""
XML = {"Content-Type": "application/xml; charset=utf-8"}


class Place:
    """A node with both doors open."""

    def __init__(self, folder: Path) -> None:
        rules = folder / "rules.toml"
        rules.write_text(RULES, "utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder = folder / "node"
        self.node = Node(
            Settings(
                data_dir=str(self.folder),
                rules=str(rules),
                decider_port=0,
                desk_port=0,
                feature_memory_mb=64,
                iso8583_port=self.port,
            ),
            output=io.StringIO(),
        )

    def post(self, path: str, body: str | bytes, **headers: str) -> httpx.Response:
        key = self.node.running.first_key
        return httpx.post(
            self.node.running.decider + path,
            content=body if isinstance(body, bytes) else body.encode(),
            headers={"Authorization": f"Bearer {key}", **XML, **headers},
            trust_env=False,
        )

    def talk(self, *requests: bytes) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", self.port), 10) as line:
            line.sendall(b"".join(len(r).to_bytes(2, "big") + r for r in requests))
            line.shutdown(socket.SHUT_WR)
            heard = line.makefile("rb").read()
        answers = []
        while heard:
            length = int.from_bytes(heard[:2], "big")
            answers.append(heard[2 : 2 + length])
            heard = heard[2 + length :]
        return answers


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("messages"))
    with made.node:
        yield made


def card(kind: str = "0100", **more: str) -> bytes:
    now = moment(WallClock()())
    return write_iso8583(
        kind, REQUEST | {"7": f"{now:%m%d%H%M%S}"} | {k.removeprefix("de"): v for k, v in more.items()}
    )


def test_a_pacs_008_is_answered_with_a_pacs_002(place: Place) -> None:
    answer = place.post("/v1/decisions", pacs008(transfer(reference="H1"), transfer(reference="H2", amount="900.00")))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
    decisions, _ = read_status(parse(answer.content))
    assert [(d.payment_id, d.action) for d in decisions] == [("H1", "allow"), ("H2", "block")]
    assert b"<Cd>FRAD</Cd>" in answer.content
    assert "大额" in answer.text


def test_the_same_message_again_gets_the_same_answers_and_another_a_conflict(place: Place) -> None:
    first = place.post("/v1/decisions", pacs008(transfer(reference="S1")))
    again = place.post("/v1/decisions", pacs008(transfer(reference="S1")))
    assert [d.payment_id for d in read_status(parse(first.content))[0]] == ["S1"]
    assert again.status_code == 200
    changed = place.post("/v1/decisions", pacs008(transfer(reference="S1", amount="2.00")))
    assert changed.status_code == 409
    assert changed.headers["content-type"] == "application/problem+json"


def test_the_journal_holds_our_own_json_of_it(place: Place) -> None:
    place.post("/v1/decisions", pacs008(transfer(reference="J1")))
    records = [json.loads(r.parts[0]) for r in scan(place.folder / "journal", 1)]
    (held,) = [r for r in records if r.get("id") == "J1"]
    assert held["payee"] == {"account": "DE89370400440532013000", "name": "张三", "member": "102100099996"}


def test_a_pain_001_is_decided_too(place: Place) -> None:
    answer = place.post("/v1/decisions", PAIN_001_03, **{"Content-Type": "text/xml"})
    assert answer.status_code == 200
    assert [d.action for d in read_status(parse(answer.content))[0]] == ["allow", "allow"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (pacs008().replace("<Document", "<!DOCTYPE d [<!ENTITY e 'x'>]><Document"), 400, "invalid-input"),
        (pacs008().replace(f"{SPACE}pacs.008.001.08", "urn:x"), 400, "unknown-message"),
        (pacs008()[:400], 400, "invalid-input"),
        (pacs008(transfer(name="a\u202eb")), 400, "invalid-input"),
        (CAMT_056, 400, "invalid-input"),
        ("<a>" * 200_000, 413, "too-large"),
    ],
)
def test_bad_xml_is_a_problem_in_json_that_says_where(place: Place, body: str, status: int, code: str) -> None:
    answer = place.post("/v1/decisions", body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["detail"]


def test_a_body_past_the_limit_is_refused_unread(place: Place) -> None:
    answer = place.post("/v1/decisions", b"<" * ((1 << 20) + 1))
    assert answer.status_code == 413


def test_other_content_types_are_refused_with_those_that_are_read(place: Place) -> None:
    answer = place.post("/v1/decisions", "x", **{"Content-Type": "text/csv"})
    assert answer.status_code == 415
    assert "application/xml" in answer.json()["detail"]


def test_xml_needs_a_key_before_it_is_read(place: Place) -> None:
    assert place.post("/v1/decisions", "<not xml", Authorization="Bearer lf_x_y").status_code == 401


def test_a_recall_is_recorded_and_answered_as_pending(place: Place) -> None:
    answer = place.post("/v1/outcomes", CAMT_056)
    assert answer.status_code == 202
    (outcome,), _ = read_recalls(parse(answer.content))
    assert (outcome.payment_id, outcome.kind) == ("T1", "PDCR")
    records = [json.loads(r.parts[0]) for r in scan(place.folder / "journal", 1)]
    assert any(r.get("label") == "disputed" and r.get("kind") == "FRAD" for r in records)


def test_cards_are_answered_in_order(place: Place) -> None:
    large = card(de4="000000090000", de11="000002")
    answers = [read_iso8583(raw) for raw in place.talk(card(), large, card("0800", de70="301"))]
    assert [(a.kind, a.fields["39"]) for a in answers] == [("0110", "00"), ("0110", "59"), ("0810", "00")]
    assert answers[0].fields["38"].isdigit()


def test_a_card_asked_again_gets_the_same_answer_and_a_changed_one_94(place: Place) -> None:
    once = card(de11="000003")
    first, again = place.talk(once, once)
    assert first == again
    (other,) = place.talk(once.replace(b"000000012345", b"000000012346"))
    assert read_iso8583(other).fields["39"] == "94"


def test_a_reversal_is_recorded_and_acknowledged(place: Place) -> None:
    original = "0100" + "000123" + "0501080000" + "00000012345" + "00000000000"
    (raw,) = place.talk(card("0400", de90=original))
    assert (read_iso8583(raw).kind, read_iso8583(raw).fields["39"]) == ("0410", "00")
    records = [json.loads(r.parts[0]) for r in scan(place.folder / "journal", 1)]
    assert any(r.get("kind") == "reversal" for r in records)


@pytest.mark.parametrize(
    ("field", "value", "code"), [("de2", "4111111111111112", "14"), ("de3", "310000", "40"), ("de49", "000", "30")]
)
def test_a_card_request_that_is_wrong_is_answered_with_its_code(
    place: Place, field: str, value: str, code: str
) -> None:
    (raw,) = place.talk(card(**{field: value}))
    assert read_iso8583(raw).fields["39"] == code


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\n\r\n", b"9", b"0100zzzzzzzzzzzzzzzz"])
def test_what_is_no_iso_8583_ends_the_connection(place: Place, raw: bytes) -> None:
    assert place.talk(raw) == []
    assert len(place.talk(card(de11="000009"))) == 1
