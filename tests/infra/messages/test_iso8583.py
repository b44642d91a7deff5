"""ISO 8583: requests to payments, and each refusal with the data element it is about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.messages import payment_of, read_iso8583, refusal_code, request_of, response, reversal_of
from lianfang.infra.messages.currencies import LETTERS, NUMBERS
from lianfang.infra.messages.identifiers import is_luhn
from lianfang.infra.messages.iso8583 import CardMessage, time_of, write_iso8583
from lianfang.infra.messages.payments import flat
from lianfang.kernel.errors import ConflictError, DependencyError, EvidenceError, InputError
from lianfang.kernel.money import CURRENCIES
from lianfang.wire import Merchant, Party, Payment, Place

NOW = datetime(2026, 5, 1, 8, 0, 30, tzinfo=UTC)
REQUEST = {
    "2": "4111111111111111",
    "3": "000000",
    "4": "000000012345",
    "7": "0501080000",
    "11": "000123",
    "18": "5411",
    "22": "051",
    "32": "12345",
    "37": "612108000123",
    "41": "TERM0001",
    "42": "SHOP00000000001",
    "43": "Corner Shop              Beijing      CN",
    "49": "156",
}
PAYMENT_ID = "8583-20260501080000-000123-00000012345-00000000000"


def asked(kind: str = "0100", without: str = "", **more: str) -> CardMessage:
    fields = {k: v for k, v in (REQUEST | {k.removeprefix("de"): v for k, v in more.items()}).items() if k != without}
    return read_iso8583(write_iso8583(kind, fields))


def refused(message: CardMessage) -> InputError:
    with pytest.raises(InputError) as caught:
        payment_of(message, NOW)
    return caught.value


def test_a_request_is_a_payment_by_the_table() -> None:
    payment, lost = payment_of(asked(), NOW)
    assert flat(payment) == {
        "schema": "payment/1",
        "id": PAYMENT_ID,
        "time": datetime(2026, 5, 1, 8, tzinfo=UTC),
        "kind": "card",
        "amount": 12_345,
        "currency": "CNY",
        "channel": "pos",
        "card": "4111111111111111",
        "payee.member": "12345",
        "merchant.id": "SHOP00000000001",
        "merchant.name": "Corner Shop",
        "merchant.category": "5411",
        "merchant.country": "CN",
        "merchant.terminal": "TERM0001",
        "place.city": "Beijing",
        "attributes.stan": "000123",
        "attributes.pos_entry_mode": "051",
        "attributes.retrieval_reference": "612108000123",
        "attributes.processing_code": "000000",
    }
    assert lost == ()


def test_secrets_are_not_kept_and_listed_as_lost() -> None:
    message = asked(de35="4111111111111111=2912101123", de52="0123456789ABCDEF", de55="9F2608")
    payment, lost = payment_of(message, NOW)
    assert payment.session.authentication == "pin"
    assert "0123456789ABCDEF" not in str(payment)
    assert "2912101" not in str(payment)
    assert {one.path for one in lost} == {"DE 35", "DE 55"}


def test_the_card_is_taken_from_the_track_where_it_stands_only_there() -> None:
    payment, _ = payment_of(asked(without="2", de35="4111111111111111D2912101123"), NOW)
    assert payment.card == "4111111111111111"


@pytest.mark.parametrize("element", ["3", "4", "7", "11", "49"])
def test_what_must_be_there_is_missed_by_name(element: str) -> None:
    assert refused(asked(without=element)).where == f"DE {element}"


@pytest.mark.parametrize(
    ("field", "value", "element", "code"),
    [
        ("de2", "4111111111111112", "DE 2", "14"),
        ("de3", "310000", "DE 3", "40"),
        ("de4", "00000001234X", "DE 4", "30"),
        ("de7", "1301080000", "DE 7", "30"),
        ("de7", "050108000 ", "DE 7", "30"),
        ("de11", "00012X", "DE 11", "30"),
        ("de32", "12A45", "DE 32", "30"),
        ("de49", "000", "DE 49", "30"),
    ],
)
def test_a_wrong_field_is_refused_with_its_response_code(field: str, value: str, element: str, code: str) -> None:
    why = refused(asked(**{field: value}))
    assert why.where == element
    assert refusal_code(why) == code


def test_other_failures_have_their_codes() -> None:
    assert refusal_code(ConflictError("x")) == "94"
    assert refusal_code(DependencyError("x")) == "91"
    assert refusal_code(EvidenceError("x")) == "96"


@pytest.mark.parametrize(("currency", "number", "minor"), [("JPY", "392", 12_345), ("KWD", "414", 12_345)])
def test_amounts_are_minor_units_whatever_the_currency(currency: str, number: str, minor: int) -> None:
    payment, _ = payment_of(asked(de49=number), NOW)
    assert (payment.currency, payment.amount) == (currency, minor)


@pytest.mark.parametrize(
    ("fields", "kind", "channel"),
    [
        ({"de3": "010000"}, "withdrawal", "atm"),
        ({"de22": "031"}, "qr", "pos"),
        ({"de22": "812"}, "card", "web"),
        ({"de25": "59"}, "card", "web"),
        ({"de25": "08"}, "card", "phone"),
        ({"de3": "400000"}, "transfer", "pos"),
        ({"de3": "210000"}, "topup", "pos"),
    ],
)
def test_codes_tell_kind_and_channel(fields: dict[str, str], kind: str, channel: str) -> None:
    payment, _ = payment_of(asked(**fields), NOW)
    assert (payment.kind, payment.channel) == (kind, channel)


def test_a_repeat_is_the_same_payment() -> None:
    assert payment_of(asked("0101"), NOW)[0] == payment_of(asked("0100"), NOW)[0]


@pytest.mark.parametrize(
    ("text", "now", "year"),
    [
        ("1231235959", datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC), 2025),
        ("0101000005", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), 2026),
        ("0229120000", datetime(2028, 3, 1, tzinfo=UTC), 2028),
    ],
)
def test_the_year_is_the_one_nearest_to_now(text: str, now: datetime, year: int) -> None:
    assert time_of(text, now).year == year


def test_a_reversal_names_the_payment_its_authorisation_was() -> None:
    original = "0100" + "000123" + "0501080000" + "00000012345" + "00000000000"
    outcome = reversal_of(asked("0400", de90=original, de39="17"), NOW)
    assert (outcome.payment_id, outcome.label, outcome.kind) == (PAYMENT_ID, "disputed", "reversal")
    with pytest.raises(InputError, match="DE 90"):
        reversal_of(asked("0400"), NOW)


def test_a_response_repeats_what_it_must_and_says_the_code() -> None:
    answer = read_iso8583(response(asked(), "00", 77))
    assert answer.kind == "0110"
    assert answer.fields["39"] == "00"
    assert answer.fields["38"] == "000077"
    assert answer.fields["11"] == "000123"
    assert "43" not in answer.fields
    assert "38" not in read_iso8583(response(asked("0200"), "59")).fields


card_numbers = st.text("0123456789", min_size=11, max_size=18).map(
    lambda body: next(body + d for d in "0123456789" if is_luhn(body + d))
)
payments = st.builds(
    Payment,
    id=st.just("p"),
    time=st.integers(1_767_225_600, 1_790_000_000).map(lambda s: datetime.fromtimestamp(s, UTC)),
    kind=st.sampled_from(["card", "withdrawal", "transfer", "topup"]),
    amount=st.integers(0, 10**12 - 1),
    currency=st.sampled_from(sorted(CURRENCIES)),
    card=st.none() | card_numbers,
    payer=st.builds(Party, account=st.none() | st.from_regex("[A-Z0-9]{1,28}", fullmatch=True)),
    payee=st.builds(
        Party,
        account=st.none() | st.from_regex("[A-Z0-9]{1,28}", fullmatch=True),
        member=st.none() | st.from_regex("[1-9][0-9]{0,10}", fullmatch=True),
    ),
    merchant=st.builds(
        Merchant,
        id=st.none() | st.from_regex("[A-Z0-9]{1,15}", fullmatch=True),
        terminal=st.none() | st.from_regex("[A-Z0-9]{1,8}", fullmatch=True),
        category=st.none() | st.from_regex("[0-9]{4}", fullmatch=True),
        name=st.none() | st.from_regex("[A-Z]{1,25}", fullmatch=True),
        country=st.none() | st.sampled_from(["CN", "DE"]),
    ),
    place=st.builds(Place, city=st.none() | st.from_regex("[A-Z]{1,13}", fullmatch=True)),
)


@settings(max_examples=150, deadline=None)
@given(payments)
def test_a_payment_that_is_written_is_read_again(payment: Payment) -> None:
    raw, lost = request_of(payment)
    assert {one.path for one in lost} == {"id"}
    back = flat(payment_of(read_iso8583(raw), payment.time)[0])
    made = {"id", "channel", "attributes.stan", "attributes.processing_code"}
    assert {p: v for p, v in back.items() if p not in made} == {p: v for p, v in flat(payment).items() if p != "id"}


def test_an_id_of_our_making_survives() -> None:
    payment, _ = payment_of(asked(), NOW)
    raw, lost = request_of(payment)
    assert lost == ()
    assert payment_of(read_iso8583(raw), NOW)[0] == payment


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_is_changed_the_answer_is_a_payment_or_a_refusal(data: st.DataObject) -> None:
    raw = bytearray(write_iso8583("0100", REQUEST))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        assert isinstance(payment_of(read_iso8583(bytes(raw)), NOW)[0], Payment)
    except InputError as why:
        assert why.what


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        assert read_iso8583(raw).kind
    except InputError as why:
        assert why.what


def test_every_currency_has_its_number() -> None:
    assert set(NUMBERS) == CURRENCIES
    assert len(LETTERS) == len(NUMBERS)
    assert all(len(n) == 3 and n.isdigit() for n in LETTERS)
