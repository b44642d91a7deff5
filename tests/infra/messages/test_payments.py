"""Payments to messages and back: what the standard has a place for is kept, and everything else is listed."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.messages import parse, read_payments_of, write_payments_as
from lianfang.infra.messages.identifiers import is_uuid4, why_not_iban
from lianfang.infra.messages.payments import flat
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.kernel.instant import moment
from lianfang.kernel.money import CURRENCIES
from lianfang.wire import Device, Merchant, Network, Party, Payment, read_payment, write
from lianfang.wire.iso20022 import PACS_008, PAIN_001, Message
from tests.infra.messages.samples import CAMT_054, PAIN_001_03, pacs008, transfer

IBANS = ["DE89370400440532013000", "GB82WEST12345698765432", "NO9386011117947", "FR1420041010050500013M02606"]
text = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], exclude_characters="\ufffe\uffff") | st.just(" "),
    min_size=1,
    max_size=140,
).filter(lambda s: s == s.strip() and s != "NOTPROVIDED")
short = st.text(string.ascii_letters + string.digits + "-./", min_size=1, max_size=34).filter(
    lambda s: s != "NOTPROVIDED"
)
bics = st.sampled_from(["ICBKCNBJ", "COBADEFFXXX", "ABNANL2A"])
parties = st.builds(
    Party,
    account=st.none() | st.sampled_from(IBANS) | short,
    name=st.none() | text,
    phone=st.none() | st.sampled_from(["+8613800138000", "+12025550123", "+35312345678", "+4915112345678"]),
    id_document=st.none() | short,
    member=st.none() | bics | st.text(string.digits, min_size=9, max_size=14),
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "instruction_id": short,
        "end_to_end_id": short,
        "purpose": st.sampled_from(["GDDS", "SALA"]),
        "category_purpose": st.sampled_from(["SUPP", "own words"]),
        "service_level": st.sampled_from(["SEPA", "own words"]),
        "local_instrument": short,
        "charge_bearer": st.sampled_from(["SHAR", "DEBT"]),
        "ultimate_payer": text,
        "ultimate_payee": text,
        "payer_country": st.sampled_from(["CN", "DE"]),
        "payee_country": st.sampled_from(["CN", "DE"]),
        "payee_email": st.just("a@example.com"),
        "payer_account_alias": short,
        "creditor_reference": short,
    },
)
payments = st.builds(
    Payment,
    id=st.uuids(version=4).map(str) | short,
    time=st.builds(moment, st.integers(0, 4 * 10**15)).flatmap(
        lambda at: st.sampled_from([at, at.astimezone(ZoneInfo("Asia/Shanghai"))])
    ),
    kind=st.just("transfer"),
    amount=st.integers(0, 10**15),
    currency=st.sampled_from(sorted(CURRENCIES)),
    payer=parties,
    payee=parties,
    memo=st.none() | text | st.lists(text, min_size=3, max_size=3).map(lambda t: "".join(t)[:256].strip()),
    attributes=attributes,
)


def again(message: Message, given_: list[Payment]) -> tuple[list[Payment], set[str]]:
    raw, lost = write_payments_as(message, given_)
    return list(read_payments_of(parse(raw)).payments), {one.path for one in lost}


def kept(payment: Payment) -> dict[str, Any]:
    return {path: value for path, value in flat(payment).items() if path != "attributes.execution_date"}


@settings(max_examples=150, deadline=None)
@given(payments)
def test_pacs_008_keeps_every_field_it_has_a_place_for(payment: Payment) -> None:
    (back,), lost = again(PACS_008, [payment])
    assert lost == set()
    found = kept(back)
    assert found.pop("attributes.charge_bearer") == payment.attributes.get("charge_bearer", "SLEV")
    assert found == {p: v for p, v in kept(payment).items() if p != "attributes.charge_bearer"}


@settings(max_examples=150, deadline=None)
@given(payments)
def test_pain_001_keeps_all_but_an_id_that_is_no_uetr(payment: Payment) -> None:
    (back,), lost = again(PAIN_001, [payment])
    assert lost == (set() if is_uuid4(payment.id) else {"id"})
    same = {p: v for p, v in kept(back).items() if p != "id" or is_uuid4(payment.id)}
    assert same == {p: v for p, v in kept(payment).items() if p != "id" or is_uuid4(payment.id)}


@settings(max_examples=30, deadline=None)
@given(st.lists(payments, min_size=1, max_size=5))
def test_many_payments_stay_apart_and_in_order(given_: list[Payment]) -> None:
    back, _ = again(PACS_008, given_)
    assert [(p.id, p.amount, p.payer.account) for p in back] == [(p.id, p.amount, p.payer.account) for p in given_]


@settings(max_examples=50, deadline=None)
@given(payments)
def test_a_payment_that_was_read_is_one_that_our_json_accepts(payment: Payment) -> None:
    (back,), _ = again(PACS_008, [payment])
    assert read_payment(write(back)) == back


def test_what_has_no_place_is_listed_by_our_names() -> None:
    payment = Payment(
        id="p1",
        time=datetime(2026, 5, 1, tzinfo=UTC),
        kind="card",
        amount=1,
        currency="CNY",
        channel="pos",
        card="4111111111111111",
        device=Device(id="d"),
        network=Network(ip="10.0.0.1"),
        merchant=Merchant(id="m"),
        payer=Party(account="x" * 35, phone="12345"),
        attributes={"own": 1},
        corrects="p0",
    )
    (back,), lost = again(PACS_008, [payment])
    missing = {"kind", "channel", "card", "device.id", "network.ip", "merchant.id", "payer.account", "payer.phone"}
    assert lost == missing | {"attributes.own", "corrects"}
    assert back.kind == "transfer"


def test_an_id_too_long_for_the_message_is_replaced_and_listed() -> None:
    payment = Payment(id="x" * 36, time=datetime(2026, 5, 1, tzinfo=UTC), kind="transfer", amount=1, currency="CNY")
    (back,), lost = again(PACS_008, [payment])
    assert lost == {"id"}
    assert back.id.startswith("LF")
    assert len(back.id) == 35


def test_text_that_looks_like_markup_stays_text() -> None:
    names = [' Ccy="EUR">1</Nm><Nm>', "<Nm>x</Nm>", "a & b]]>", "&amp;", "<![CDATA[x]]>"]
    given_ = [
        Payment(
            id=f"p{i}",
            time=datetime(2026, 5, 1, tzinfo=UTC),
            kind="transfer",
            amount=1,
            currency="CNY",
            payer=Party(name=name.strip()),
            memo=name.strip(),
        )
        for i, name in enumerate(names)
    ]
    back, lost = again(PACS_008, given_)
    assert lost == set()
    assert [(p.payer.name, p.memo) for p in back] == [(n.strip(), n.strip()) for n in names]


def test_each_transfer_is_a_payment_with_the_names_of_the_table() -> None:
    (payment,) = read_payments_of(parse(pacs008().encode())).payments
    assert flat(payment) == {
        "schema": "payment/1",
        "id": "T1",
        "time": datetime(2026, 5, 1, tzinfo=UTC),
        "kind": "transfer",
        "amount": 10_000,
        "currency": "EUR",
        "payer.name": "Erika Mustermann",
        "payer.account": "6222020200112233445",
        "payer.member": "ICBKCNBJ",
        "payee.name": "张三",
        "payee.account": "DE89370400440532013000",
        "payee.member": "102100099996",
        "memo": "Rent",
        "attributes.end_to_end_id": "E-T1",
        "attributes.charge_bearer": "SLEV",
        "attributes.payer_country": "DE",
    }


def test_what_is_lost_in_reading_is_listed_by_its_path() -> None:
    lost = {one.path for one in read_payments_of(parse(pacs008().encode())).lost}
    assert lost == {"GrpHdr/SttlmInf", "GrpHdr/CreDtTm", "CdtTrfTxInf/Dbtr/PstlAdr/TwnNm"}


def test_a_time_without_an_offset_is_in_the_zone_that_was_said() -> None:
    raw = pacs008(transfer().replace("<AccptncDtTm>2026-05-01T08:00:00+08:00</AccptncDtTm>", "")).encode()
    assert read_payments_of(parse(raw)).payments[0].time == datetime(2026, 5, 1, tzinfo=UTC)
    shanghai = read_payments_of(parse(raw), zone=ZoneInfo("Asia/Shanghai")).payments[0].time
    assert shanghai.astimezone(UTC) == datetime(2026, 4, 30, 16, tzinfo=UTC)


def test_a_time_nobody_can_hold_is_refused_at_its_element() -> None:
    raw = pacs008(transfer().replace("2026-05-01T08:00:00+08:00", "12026-05-01T08:00:00Z")).encode()
    with pytest.raises(InputError) as caught:
        read_payments_of(parse(raw))
    assert caught.value.where.startswith("CdtTrfTxInf[1]/AccptncDtTm, line ")


def test_pain_001_shares_what_stands_around_its_transfers() -> None:
    first, second = read_payments_of(parse(PAIN_001_03.encode())).payments
    assert (first.amount, second.amount, first.currency) == (1_000, 500, "JPY")
    assert first.payer == second.payer == Party(account="DE89370400440532013000", name="Shop", member="COBADEFF")
    assert (first.payee.name, second.payee.name) == ("Taro", "Jiro")
    assert first.attributes["execution_date"] == "2026-05-02"


def test_an_id_that_is_made_is_the_same_for_the_same_message_and_no_other() -> None:
    once = [p.id for p in read_payments_of(parse(PAIN_001_03.encode())).payments]
    twice = [p.id for p in read_payments_of(parse(PAIN_001_03.encode())).payments]
    other = [p.id for p in read_payments_of(parse(PAIN_001_03.replace("P1", "P2").encode())).payments]
    assert once == twice
    assert len({*once, *other}) == 4
    assert once[0].startswith("A-")


def test_entries_of_a_statement_are_payments_and_its_account_is_one_side() -> None:
    coming, going = read_payments_of(parse(CAMT_054.encode())).payments
    assert (coming.id, coming.amount, coming.payer.name) == ("T9", 750, "Anna")
    assert coming.payee.account == going.payer.account == "DE89370400440532013000"
    assert going.amount == 200


def test_an_entry_of_several_payments_has_no_amount_for_each() -> None:
    twice = CAMT_054.replace("</TxDtls>", "</TxDtls><TxDtls><Refs><TxId>T10</TxId></Refs></TxDtls>", 1)
    with pytest.raises(InputError, match="amount"):
        read_payments_of(parse(twice.encode()))


def test_more_transactions_than_allowed_are_refused() -> None:
    raw = pacs008(*[transfer(reference=f"T{i}") for i in range(4)]).encode()
    with pytest.raises(TooLargeError):
        read_payments_of(parse(raw), transactions_max=3)


def test_what_is_longer_than_a_field_is_cut_and_listed() -> None:
    long = transfer().replace("<Ustrd>Rent</Ustrd>", "".join(f"<Ustrd>{c * 140}</Ustrd>" for c in "abc"))
    read = read_payments_of(parse(pacs008(long).encode()))
    memo = read.payments[0].memo or ""
    assert memo == "a" * 140 + "b" * 116
    assert any("characters after 256" in one.path for one in read.lost)


def test_a_message_without_payments_is_not_written() -> None:
    with pytest.raises(InputError):
        write_payments_as(PACS_008, [])


def test_ibans_of_the_registry_are_right_and_their_neighbours_wrong() -> None:
    for iban in IBANS:
        assert why_not_iban(iban) == ""
        for place in range(4, len(iban)):
            if iban[place].isdigit():
                changed = iban[:place] + str((int(iban[place]) + 1) % 10) + iban[place + 1 :]
                assert "check digits" in why_not_iban(changed)


def test_flat_leaves_out_what_is_not_there() -> None:
    bare = Payment(id="p", time=datetime(2026, 5, 1, tzinfo=UTC), kind="card", amount=1, currency="CNY")
    assert set(flat(bare)) == {"schema", "id", "time", "kind", "amount", "currency"}
    assert "memo" not in flat(msgspec.structs.replace(bare, memo=""))
