"""Messages at the decider's door with the journal in the test's hand: nothing leaves before it is durable."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from lianfang.app.node.cards import CardDesk
from lianfang.infra.messages import CLOSE, XmlCodecs, read_iso8583
from lianfang.infra.messages.iso8583 import write_iso8583
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import moment
from tests.infra.messages.samples import CAMT_056, pacs008, transfer
from tests.infra.messages.test_iso8583 import REQUEST
from tests.services.decide.test_door import House, Slot, problem_of_slot
from tests.services.decide.twins import NOW

BROKEN = DependencyError("the disk is full", "journal-unavailable")


def request(kind: str = "0100", **more: str) -> bytes:
    time = {"7": f"{moment(NOW):%m%d%H%M%S}", "4": "000000000100"}
    return write_iso8583(kind, REQUEST | time | {k.removeprefix("de"): v for k, v in more.items()})


class Desk:
    """A card desk before a door."""

    def __init__(self) -> None:
        self.house = House(codecs={b"application/xml": XmlCodecs(lambda: NOW, UTC)})
        self.desk = CardDesk(self.house.door, lambda: NOW, lambda: 0)

    def ask(self, frame: bytes) -> Slot:
        slot = Slot()
        answer = self.desk.handle(frame, slot)  # type: ignore[arg-type]
        if answer is not None:
            slot.answer = answer
        return slot


def code(slot: Any) -> str:
    return read_iso8583(slot.answer).fields["39"]


def test_a_response_leaves_when_the_decision_is_durable() -> None:
    desk = Desk()
    slot = desk.ask(request())
    assert slot.answer is None
    desk.house.sync()
    assert code(slot) == "00"
    assert slot.connection.flushed == 1


def test_a_failed_journal_answers_91_and_later_the_same_decision() -> None:
    desk = Desk()
    slot = desk.ask(request())
    desk.house.journal.failure = BROKEN
    desk.house.door.on_failed(BROKEN, 1, 1)
    assert code(slot) == "91"
    assert code(desk.ask(request())) == "91"
    desk.house.journal.failure = None
    again = desk.ask(request())
    desk.house.sync()
    assert code(again) == "00"
    assert len(desk.house.journal.records) == 1


def test_cards_and_json_share_one_room_for_what_waits() -> None:
    desk = Desk()
    for i in range(100):
        desk.ask(request(de11=f"{i:06d}"))
    assert code(desk.ask(request(de11="999999"))) == "91"


def test_a_reversal_waits_for_the_disk_too() -> None:
    desk = Desk()
    slot = desk.ask(request("0400", de90="0100" + "000123" + "0501080000" + "0" * 22))
    assert slot.answer is None
    desk.house.sync()
    assert code(slot) == "00"


def test_a_network_message_needs_no_disk() -> None:
    assert code(Desk().ask(request("0800", de70="301"))) == "00"


@pytest.mark.parametrize("kind", ["0110", "0500", "1100", "0810"])
def test_other_message_types_end_the_connection(kind: str) -> None:
    assert Desk().ask(request(kind)).answer == CLOSE


def test_xml_waits_for_the_disk_and_a_failed_one_is_a_problem_in_json() -> None:
    desk = Desk()
    xml = {"content_type": "application/xml"}
    slot = desk.house.decide(pacs008().encode(), **xml)
    assert slot.answer is None
    desk.house.sync()
    assert slot.answer is not None
    assert b"Content-Type: application/xml" in slot.answer
    late = desk.house.send("POST", "/v1/outcomes", CAMT_056.encode(), **xml)
    assert late.answer is None
    desk.house.door.on_failed(BROKEN, 2, 2)
    problem_of_slot(late, 503, "journal-unavailable")


def test_each_transfer_of_a_message_counts_against_the_keys_rate() -> None:
    desk = Desk()
    desk.house.decide(
        pacs008(*[transfer(reference=f"T{i}") for i in range(3)]).encode(), content_type="application/xml"
    )
    assert [(scope, cost) for _, scope, cost in desk.house.asked] == [("decide", 1), ("decide", 2)]
