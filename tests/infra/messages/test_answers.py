"""Status reports, recalls and their answers: what is said, and what comes back from it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.messages import (
    Refused,
    parse,
    read_payments_of,
    read_recalls,
    read_status,
    write_decisions,
    write_recalls_as,
    write_status,
)
from lianfang.kernel.errors import InputError
from lianfang.wire import ACTIONS, Action, Decision, Outcome, Reason, Versions
from lianfang.wire.iso20022 import CAMT_029, CAMT_056
from tests.infra.messages.samples import CAMT_056 as RECALL
from tests.infra.messages.samples import pacs008, transfer

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
UETR = "0f0e4ee2-ab12-4d2c-8a7c-3f2a1b4c5d6e"


def decision(payment_id: str = "T1", action: Action = "allow", **more: object) -> Decision:
    given_ = {"payment_id": payment_id, "action": action, "decided_at": NOW, "seq": 1} | more
    return Decision(**given_, versions=Versions(rules="r", lists="l", features="f"))  # type: ignore[arg-type]


def reason(action: Action, source: str = "rule", **more: str) -> Reason:
    texts = {"zh": "金额异常，请核实", "en": "Unusual <amount> & payee"} | more
    return Reason(code="odd", source=source, name="r1", action=action, **texts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "status"), [("allow", "ACCP"), ("challenge", "PDNG"), ("hold", "PDNG"), ("block", "RJCT")]
)
def test_each_action_is_a_status(action: Action, status: str) -> None:
    raw, _ = write_decisions([decision(action=action)])
    assert f"<TxSts>{status}</TxSts>" in raw.decode()


@pytest.mark.parametrize(
    ("source", "code"), [("rule", "FRAD"), ("list", "FRAD"), ("score", "FRAD"), ("system", "NARR")]
)
def test_a_block_says_fraud_unless_it_is_only_doubt(source: str, code: str) -> None:
    raw, _ = write_decisions([decision(action="block", reasons=(reason("block", source),))])
    assert f"<Rsn><Cd>{code}</Cd></Rsn><AddtlInf>odd: Unusual &lt;amount&gt; &amp; payee</AddtlInf>" in raw.decode()
    assert "金额异常，请核实" in raw.decode()


def test_a_message_is_answered_payment_by_payment_with_the_names_it_used() -> None:
    asked = read_payments_of(parse(pacs008(*[transfer(reference=f"T{i}") for i in range(3)]).encode()))
    answers: list[Decision | Refused] = [
        decision("T0"),
        decision("T1", "block", reasons=(reason("block"),)),
        Refused(payment_id="T2", refused="conflict", detail="another payment"),
    ]
    text = write_status(asked, answers, NOW).decode()
    assert "<OrgnlMsgId>M1</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId>" in text
    assert "<GrpSts>PART</GrpSts>" in text
    assert "<OrgnlEndToEndId>E-T2</OrgnlEndToEndId><OrgnlTxId>T2</OrgnlTxId><TxSts>RJCT</TxSts>" in text
    assert "<Cd>DUPL</Cd>" in text
    back, _ = read_status(parse(text.encode()))
    assert [(d.payment_id, d.action) for d in back] == [("T0", "allow"), ("T1", "block"), ("T2", "block")]


def test_a_uetr_and_the_other_names_are_answered_together() -> None:
    named = transfer().replace("</TxId>", f"</TxId><UETR>{UETR}</UETR>")
    asked = read_payments_of(parse(pacs008(named).encode()))
    assert asked.payments[0].id == UETR
    text = write_status(asked, [decision(UETR)], NOW).decode()
    assert f"<OrgnlTxId>T1</OrgnlTxId><OrgnlUETR>{UETR}</OrgnlUETR>" in text
    assert "<GrpSts>ACCP</GrpSts>" in text


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.from_regex("[A-Za-z0-9]{1,35}", fullmatch=True), st.sampled_from(ACTIONS)), min_size=1, max_size=5
    ),
    st.text("abc 金额<&>'\"", min_size=1, max_size=400).filter(lambda s: s == s.strip()),
)
def test_a_report_gives_back_whom_and_what_and_why(given_: list[tuple[str, Action]], said: str) -> None:
    decisions = [decision(name, action, reasons=(reason(action, en=said, zh=said),)) for name, action in given_]
    raw, lost = write_decisions(decisions)
    back, _ = read_status(parse(raw))
    assert [d.payment_id for d in back] == [d.payment_id for d in decisions]
    for before, after in zip(decisions, back, strict=True):
        assert after.action == ("hold" if before.action == "challenge" else before.action)
        assert said[:90] in after.reasons[0].en
    assert any("challenge" in one.path for one in lost) == any(action == "challenge" for _, action in given_)


def test_what_a_report_cannot_say_is_listed() -> None:
    _, lost = write_decisions([decision(score=0.5, points=3, unsure=True, shadow=("s",))])
    assert {one.path for one in lost} == {"seq", "versions", "score", "points", "unsure", "shadow"}


def test_an_id_that_no_reference_holds_is_refused() -> None:
    with pytest.raises(InputError):
        write_decisions([decision("x" * 36)])
    with pytest.raises(InputError):
        write_recalls_as(CAMT_056, [Outcome(payment_id="x" * 36, label="disputed", known_at=NOW, source="s")])


def test_a_status_nobody_knows_is_held() -> None:
    raw = write_decisions([decision()])[0].replace(b"ACCP", b"WHAT")
    assert read_status(parse(raw))[0][0].action == "hold"


def test_a_recall_is_a_dispute_with_its_reason() -> None:
    (outcome,), lost = read_recalls(parse(RECALL.encode()))
    assert outcome == Outcome(
        payment_id="T1",
        label="disputed",
        known_at=datetime(2026, 5, 2, 8, tzinfo=UTC),
        source="ICBKCNBJ",
        kind="FRAD",
        note="The payer was deceived",
    )
    assert {one.path for one in lost} >= {"Assgnmt/Assgne"}


def test_a_recall_of_a_whole_group_is_refused() -> None:
    group = RECALL[: RECALL.index("<Undrlyg>")] + (
        "<Undrlyg><OrgnlGrpInfAndCxl><OrgnlMsgId>M</OrgnlMsgId><OrgnlMsgNmId>pacs.008</OrgnlMsgNmId>"
        "<GrpCxl>true</GrpCxl></OrgnlGrpInfAndCxl></Undrlyg></FIToFIPmtCxlReq></Document>"
    )
    with pytest.raises(InputError, match="group"):
        read_recalls(parse(group.encode()))


outcomes = st.builds(
    Outcome,
    payment_id=st.uuids(version=4).map(str) | st.from_regex("[A-Za-z0-9]{1,35}", fullmatch=True),
    label=st.just("disputed"),
    known_at=st.just(NOW),
    source=st.just("ICBKCNBJ"),
    kind=st.sampled_from(["FRAD", "CUST", "our own reason"]),
    note=st.none() | st.text("abc 金额<&>", min_size=1, max_size=256).filter(lambda s: s == s.strip()),
)


@settings(max_examples=60, deadline=None)
@given(outcomes)
def test_a_recall_that_is_written_is_read_again(outcome: Outcome) -> None:
    raw, lost = write_recalls_as(CAMT_056, [outcome])
    assert lost == ()
    assert read_recalls(parse(raw))[0] == (outcome,)


@pytest.mark.parametrize(
    ("kind", "conclusion"), [("CNCL", "CNCL"), ("RJCR", "RJCR"), ("PDCR", "PDCR"), ("FRAD", "PDCR")]
)
def test_an_answer_says_its_conclusion(kind: str, conclusion: str) -> None:
    outcome = Outcome(payment_id=UETR, label="disputed", known_at=NOW, source="ICBKCNBJ", kind=kind)
    raw, _ = write_recalls_as(CAMT_029, [outcome])
    assert f"<Conf>{conclusion}</Conf>" in raw.decode()
    assert read_recalls(parse(raw))[0][0].payment_id == UETR


def test_messages_of_one_kind_are_not_read_as_another() -> None:
    with pytest.raises(InputError, match="no payments"):
        read_payments_of(parse(RECALL.encode()))
    with pytest.raises(InputError, match="recalls nothing"):
        read_recalls(parse(pacs008().encode()))
