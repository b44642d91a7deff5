"""What one message costs: pacs.008 to a payment and back, the status that answers it, one ISO 8583 request and response."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final

from lianfang.app.bench.report import Figure, publish
from lianfang.infra.messages import (
    parse,
    payment_of,
    read_iso8583,
    read_payments_of,
    request_of,
    response,
    write_payments_as,
    write_status,
)
from lianfang.wire import Decision, Merchant, Party, Payment, Reason, Versions
from lianfang.wire.iso20022 import PACS_008

ROUNDS: Final = 7
NOW: Final = datetime(2026, 5, 1, 8, 0, 0, tzinfo=UTC)
TRANSFER: Final = Payment(
    id="0f0e4ee2-ab12-4d2c-8a7c-3f2a1b4c5d6e",
    time=NOW,
    kind="transfer",
    amount=1_234_500,
    currency="CNY",
    payer=Party(
        account="6222020200112233445",
        name="张三丰",
        phone="+8613800138000",
        id_document="110101199003070011",
        member="ICBKCNBJ",
    ),
    payee=Party(account="DE89370400440532013000", name="Erika Mustermann & Söhne", member="COBADEFF"),
    memo="货款 invoice 2026/118",
    attributes={"end_to_end_id": "INV-2026-118", "tx_id": "2026050100001", "purpose": "GDDS", "charge_bearer": "SHAR"},
)
CARD: Final = Payment(
    id="8583-20260501080000-000123-00000012345-00000000000",
    time=NOW,
    kind="card",
    amount=12_345,
    currency="CNY",
    channel="pos",
    card="4111111111111111",
    payee=Party(member="12345"),
    merchant=Merchant(id="SHOP00000000001", terminal="TERM0001", category="5411", name="Corner Shop", country="CN"),
    attributes={"stan": "000123", "pos_entry_mode": "051", "retrieval_reference": "612108000123"},
)
DECISION: Final = Decision(
    payment_id=TRANSFER.id,
    action="hold",
    reasons=(
        Reason(code="large", source="rule", name="large-new-payee", zh="新收款人大额", en="Large, to a new payee"),
    ),
    decided_at=NOW,
    seq=1,
    versions=Versions(rules="r", lists="l", features="f"),
)


def bench_messages(calls: int, json_file: Path | None) -> list[Figure]:
    """Measures on this core, prints, and writes the figures. Medians over rounds of `calls`."""
    xml = write_payments_as(PACS_008, [TRANSFER])[0]
    asked = read_payments_of(parse(xml))
    card = request_of(CARD)[0]

    def iso8583_once() -> None:
        message = read_iso8583(card)
        payment_of(message, NOW)
        response(message, "00", 1)

    read = _us(lambda: read_payments_of(parse(xml)), calls)
    wrote = _us(lambda: write_payments_as(PACS_008, [TRANSFER]), calls)
    figures = [
        Figure("pacs008_in_us", read, "us"),
        Figure("pacs008_out_us", wrote, "us"),
        Figure("pacs008_us", read + wrote, "us", "<= 400"),
        Figure("pacs002_out_us", _us(lambda: write_status(asked, [DECISION], NOW), calls), "us"),
        Figure("iso8583_us", _us(iso8583_once, calls), "us"),
    ]
    about: dict[str, Any] = {"pacs.008": f"{len(xml):,} bytes", "ISO 8583": f"{len(card):,} bytes", "calls": calls}
    publish("messages", figures, about, json_file)
    return figures


def _us(once: Callable[[], object], calls: int) -> float:
    """Median over rounds of the mean time of one call, in microseconds; the first round only warms up."""
    rounds = []
    for _ in range(ROUNDS + 1):
        began = perf_counter_ns()
        for _ in range(calls):
            once()
        rounds.append((perf_counter_ns() - began) / calls / 1_000)
    return statistics.median(rounds[1:])
