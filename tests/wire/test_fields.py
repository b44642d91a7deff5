"""The catalogue of fields against the structs."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from lianfang.wire import SUBJECTS, Payment, SubjectKind, catalogue
from lianfang.wire.payment import Channel, Device, Kind, Merchant, Network, Party, Place, Session

PARTS = {
    "payer": Party,
    "payee": Party,
    "device": Device,
    "network": Network,
    "place": Place,
    "merchant": Merchant,
    "session": Session,
}


def test_every_scalar_field_is_in_the_catalogue_and_nothing_else() -> None:
    bounded = {"schema", "surroundings", "attributes", *PARTS}
    expected = [f for f in Payment.__struct_fields__ if f not in bounded]
    for part, kind in PARTS.items():
        expected += [f"{part}.{name}" for name in kind.__struct_fields__]
    assert sorted(catalogue()) == sorted(expected)


def test_types_and_nulls_follow_the_structs() -> None:
    fields = catalogue()
    assert {p for p, f in fields.items() if not f.nullable} == {"id", "time", "kind", "amount", "currency"}
    assert {p for p, f in fields.items() if f.type == "time"} == {
        "time",
        "device.first_seen",
        "session.started",
        "session.payee_added",
    }
    assert {p for p, f in fields.items() if f.type == "int"} == {"amount", "session.failed_attempts"}
    assert fields["place.latitude"].type == "float"
    assert fields["device.rooted"].type == "bool"
    assert set(fields["kind"].choices) == set(get_args(Kind))
    assert set(fields["channel"].choices) == set(get_args(Channel))


def test_a_value_of_each_field_has_the_type_the_catalogue_says() -> None:
    python = {"text": str, "int": int, "float": float, "bool": bool, "time": datetime}
    payment = Payment(
        id="p",
        time=datetime.fromisoformat("2026-05-01T08:00:00+00:00"),
        kind="card",
        amount=1,
        currency="CNY",
        session=Session(failed_attempts=1, screen_shared=True),
        place=Place(latitude=1.5),
    )
    for path, field in catalogue().items():
        value: object = payment
        for name in path.split("."):
            value = getattr(value, name)
        assert value is None or type(value) is python[field.type], path


def test_subjects_are_text_fields_of_known_kinds() -> None:
    for path, kind in SUBJECTS.items():
        assert catalogue()[path].type == "text"
        assert kind in get_args(SubjectKind)


def test_structs_are_frozen_and_closed() -> None:
    for kind in (Payment, *PARTS.values()):
        config = kind.__struct_config__
        assert config.frozen
        assert config.forbid_unknown_fields
