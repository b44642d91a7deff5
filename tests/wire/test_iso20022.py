"""The ISO 20022 table: every name is one of ours, every path is one of the message's."""

from __future__ import annotations

from typing import get_args

import pytest

from lianfang.infra.messages.schema import order_of
from lianfang.kernel import limits
from lianfang.wire import ACTIONS, catalogue
from lianfang.wire.iso20022 import MESSAGES, STATUS_OF_ACTION, Form, Message

PAYMENTS = [m for m in MESSAGES if m.name not in ("pacs.002", "camt.056", "camt.029")]


def name(message: Message) -> str:
    return message.name


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_each_name_has_one_row(message: Message) -> None:
    ours = [row.ours for row in message.rows]
    assert len(set(ours)) == len(ours)


@pytest.mark.parametrize("message", PAYMENTS, ids=name)
def test_names_are_fields_of_a_payment_or_few_attributes(message: Message) -> None:
    ours = {row.ours for row in message.rows if not row.ours.startswith("statement.")}
    attributes = {path for path in ours if path.startswith("attributes.")}
    assert ours - attributes <= set(catalogue())
    assert len(attributes) <= limits.ATTRIBUTES_MAX


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_every_path_is_in_the_schema_and_every_form_is_known(message: Message) -> None:
    for row in message.rows:
        for place in row.places:
            assert order_of(message.name, place.path)
            assert place.form in get_args(Form)
    for path, _ in message.fixed:
        assert order_of(message.name, path)


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_what_is_written_is_among_what_is_read(message: Message) -> None:
    assert not message.written or message.written in message.versions


def test_every_action_has_a_status() -> None:
    assert tuple(STATUS_OF_ACTION) == ACTIONS
