"""Every wire type there and back; and whatever else the bytes are, one kind of error that says what and where."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.kernel import limits
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.wire import (
    Acknowledgement,
    AppealEntry,
    CeremonyEntry,
    MemberEntry,
    OpinionEntry,
    Payment,
    SessionRequest,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
    build,
    json_schema,
    read_decision,
    read_list_entry,
    read_manifest,
    read_outcome,
    read_payment,
    read_payments,
    read_rule,
    read_ruleset,
    read_tag,
    write,
)
from lianfang.wire.codec import Reader
from lianfang.wire.schema import MESSAGES
from lianfang.wire.tokens import ConfirmationRequest, EvaluationAnswer, EvaluationRequest
from tests.wire import strategies

READERS: tuple[Reader[Any], ...] = (
    read_payment,
    read_decision,
    read_outcome,
    read_list_entry,
    read_rule,
    read_ruleset,
    read_manifest,
    read_tag,
    *(
        Reader(kind)
        for kind in (
            TagEntry,
            TombstoneEntry,
            OpinionEntry,
            AppealEntry,
            VetoEntry,
            MemberEntry,
            CeremonyEntry,
            SessionRequest,
            Acknowledgement,
            EvaluationRequest,
            EvaluationAnswer,
            ConfirmationRequest,
        )
    ),
)
VALID = b'{"id":"p1","time":"2026-05-01T08:00:00Z","kind":"transfer","amount":100,"currency":"CNY"%b}'
WHOLE = VALID % (
    b',"schema":"payment/1","payer":{"account":"a","name":"\xe5\xbc\xa0\xe4\xb8\x89"},"payee":{"account":"b"},'
    b'"device":{"id":"d","rooted":false},"place":{"latitude":31.2},"session":{"failed_attempts":2},'
    b'"surroundings":[{"code":"c","severity":"high"}],"attributes":{"k":1,"l":"t","m":null},"memo":"x\\ny"'
)


@pytest.mark.parametrize(
    ("kind", "reader"), list(zip(MESSAGES, READERS, strict=True)), ids=lambda x: getattr(x, "__name__", "reader")
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_is_written_reads_back_equal(kind: type[msgspec.Struct], reader: Reader[Any], data: st.DataObject) -> None:
    value = data.draw(strategies.of(kind))
    assert reader(write(value)) == value


@settings(max_examples=60, deadline=None)
@given(value=strategies.of(Payment))
def test_plain_values_build_the_same_payment(value: Payment) -> None:
    assert build(Payment, json.loads(write(value))) == value


def refusal(raw: bytes, reader: Reader[Any] = read_payment) -> InputError:
    with pytest.raises(InputError) as caught:
        reader(raw)
    assert caught.value.what
    return caught.value


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        (b',"payer":{"acount":"x"}', "$.payer"),
        (b',"nothing":1', "$"),
        (b',"surroundings":[{"code":"a"},{"code":"b","sevrity":"low"}]', "$.surroundings[1]"),
        (b',"payer":{"account":""}', "$.payer.account"),
        (b',"payer":{"account":"' + b"x" * (limits.ID_LENGTH_MAX + 1) + b'"}', "$.payer.account"),
        (b',"payer":{"name":"' + b"x" * (limits.NAME_LENGTH_MAX + 1) + b'"}', "$.payer.name"),
        (b',"memo":"' + b"x" * (limits.TEXT_LENGTH_MAX + 1) + b'"', "$.memo"),
        (b',"place":{"latitude":90.1}', "$.place.latitude"),
        (b',"place":{"longitude":-180.5}', "$.place.longitude"),
        (b',"session":{"failed_attempts":1.0}', "$.session.failed_attempts"),
        (b',"session":{"failed_attempts":-1}', "$.session.failed_attempts"),
        (b',"session":{"failed_attempts":true}', "$.session.failed_attempts"),
        (b',"session":{"started":"2026-05-01T08:00:00"}', "$.session.started"),
        (b',"session":{"started":1767225600}', "$.session.started"),
        (b',"session":{"started":"2026-02-30T08:00:00Z"}', "$.session.started"),
        (b',"surroundings":[' + b",".join([b'{"code":"x"}'] * (limits.FINDINGS_MAX + 1)) + b"]", "$.surroundings"),
        (
            b',"attributes":{' + b",".join(b'"k%d":1' % i for i in range(limits.ATTRIBUTES_MAX + 1)) + b"}",
            "$.attributes",
        ),
        (b',"attributes":{"k":{}}', "$.attributes[...]"),
        (b',"attributes":{"k":9007199254740993}', "$.attributes[...]"),
        (b',"attributes":{"k":1e400}', "$.attributes[...]"),
        (b',"channel":"pigeon"', "$.channel"),
    ],
)
def test_a_refusal_names_the_place(extra: bytes, where: str) -> None:
    assert refusal(VALID % extra).where == where


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", b"-1"),
        ("amount", b"%d" % (limits.AMOUNT_MAX + 1)),
        ("amount", b"9" * 400),
        ("amount", b"1.5"),
        ("amount", b'"100"'),
        ("amount", b"NaN"),
        ("amount", b"Infinity"),
        ("amount", b"-Infinity"),
        ("amount", b"1e999"),
        ("currency", b'"XXX"'),
        ("kind", b'"gift"'),
        ("time", b'"2026-05-01T08:00:00"'),
        ("time", b'"2026-05-01"'),
        ("id", b"null"),
        ("id", b'"' + b"x" * (limits.ID_LENGTH_MAX + 1) + b'"'),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(field: str, value: bytes) -> None:
    parts = {
        "id": b'"p"',
        "time": b'"2026-05-01T08:00:00Z"',
        "kind": b'"transfer"',
        "amount": b"1",
        "currency": b'"CNY"',
    }
    parts[field] = value
    why = refusal(b"{" + b",".join(b'"%b":%b' % (k.encode(), v) for k, v in parts.items()) + b"}")
    assert why.where == f"$.{field}" or "malformed" in why.what


@pytest.mark.parametrize("missing", ["id", "time", "kind", "amount", "currency"])
def test_a_missing_field_is_named(missing: str) -> None:
    plain = json.loads(VALID % b"")
    del plain[missing]
    assert missing in refusal(json.dumps(plain).encode()).what


@pytest.mark.parametrize("text", [r"\u0000", r"\u001f", r"\n", r"\t", r"a\u0007b"])
@pytest.mark.parametrize(
    ("frame", "where"),
    [
        (b',"memo":"%b"', "$.memo"),
        (b',"payer":{"account":"%b"}', "$.payer.account"),
        (b',"surroundings":[{"code":"%b"}]', "$.surroundings[0].code"),
        (b',"attributes":{"k":"%b"}', "$.attributes.k"),
    ],
)
def test_escaped_control_characters_are_refused(text: str, frame: bytes, where: str) -> None:
    assert refusal(VALID % (frame % text.encode())).where == where


@pytest.mark.parametrize("control", [bytes([c]) for c in range(32)])
def test_bare_control_characters_are_refused(control: bytes) -> None:
    refusal(VALID % b',"memo":"a%bb"' % control)
    refusal(VALID % b',"attributes":{"a%bb":1}' % control)


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80\x80", rb"\ud800", rb"\udc00x"]
)
def test_text_that_is_not_unicode_is_refused(bad: bytes) -> None:
    refusal(VALID % b',"memo":"%b"' % bad)


def test_a_condition_may_have_lines_but_no_other_controls() -> None:
    rule = b'{"id":"r","zh":"z","en":"e","when":"amount > 1\\n%band amount < 9","code":"c"}'
    assert "\n" in read_rule(rule % b"").when
    assert refusal(rule % rb"\u0000", read_rule).where == "$.when"


def test_bounds_are_inclusive() -> None:
    assert read_payment(VALID % b',"payer":{"account":"%b"}' % (b"x" * limits.ID_LENGTH_MAX)).payer.account
    raw = (VALID % b"").replace(b":100,", b":%d," % limits.AMOUNT_MAX)
    assert read_payment(raw).amount == limits.AMOUNT_MAX


def test_nesting_and_key_counts_past_the_limits_are_too_large() -> None:
    with pytest.raises(TooLargeError):
        read_payment(b"[" * (limits.JSON_DEPTH_MAX + 1))
    keys = b",".join(b'"k%d":1' % i for i in range(limits.JSON_KEYS_MAX + 1))
    with pytest.raises(TooLargeError):
        read_payment(b"{%b}" % keys)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=200))
def test_arbitrary_bytes_give_a_value_or_our_error(raw: bytes) -> None:
    for reader in (*READERS, read_payments):
        try:
            reader(raw)
        except InputError as why:
            assert why.what


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    raw = bytearray(WHOLE)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 3))] = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b",", b"\\u0000", b"NaN"]))
        )
    return bytes(raw)


@settings(max_examples=500, deadline=None)
@given(raw=mutations())
def test_a_damaged_payment_is_read_whole_or_refused(raw: bytes) -> None:
    try:
        payment = read_payment(raw)
    except InputError as why:
        assert why.what
    else:  # still a payment: it can be kept and read again
        assert read_payment(write(payment)) == payment


def test_a_batch_names_the_item() -> None:
    raw = b"[%b,%b]" % (VALID % b"", VALID % b',"payer":{"x":1}')
    assert refusal(raw, read_payments).where == "$[1].payer"
    assert "twice" in refusal(b"[%b]" % (VALID % b',"id":"q"'), read_payments).what


def test_no_message_in_the_schema_takes_unknown_fields() -> None:
    for name, one in json_schema()["$defs"].items():
        assert one.get("additionalProperties") is False or one.get("type") != "object", name
