"""`lianfang find`: decisions again, by what they were about and what was said of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile
from lianfang.kernel.money import exponent

if TYPE_CHECKING:
    from lianfang.services.overview.payments_routes import PaymentFound, PaymentsPage


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What is looked for; all of it together.

    Parameters
    ----------
    payment_id
        The payment's id.
    subject
        An account, a phone, a device, ... as the payment had it.
    subject_kind
        Only as this kind: account, phone, id_document, card, device, ip, wifi, cell, merchant.
    side
        Only as `payer` or `payee`.
    rule
        A rule or list that gave a reason.
    shadow
        A rule that fired in shadow.
    reason
        A reason's code.
    action
        allow, challenge, hold or block; may be repeated.
    unsure
        Only unsure decisions, or (--no-unsure) only sure ones.
    label
        Outcomes of this label (fraud, genuine, disputed), each with its decision.
    scam
        Outcomes of this kind of scam.
    kind
        Kind of payment.
    channel
        Its channel.
    currency
        Its currency.
    amount_from
        At least so many minor units.
    amount_to
        At most so many.
    time_from
        Decided then or later: `2026-11-01` (midnight UTC), or a time with its zone.
    time_to
        Decided before.
    before_seq
        Go on where the page before ended.
    limit
        Rows of a page, at most 200.
    """

    payment_id: str | None = None
    subject: str | None = None
    subject_kind: str | None = None
    side: str | None = None
    rule: str | None = None
    shadow: str | None = None
    reason: str | None = None
    action: Annotated[list[str] | None, Parameter(negative=())] = None
    unsure: bool | None = None
    label: str | None = None
    scam: str | None = None
    kind: str | None = None
    channel: str | None = None
    currency: str | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    time_from: str | None = None
    time_to: str | None = None
    before_seq: int | None = None
    limit: int = 50


def find(
    *,
    conditions: Annotated[Conditions, Parameter(name="*")] = Conditions(),
    json: JsonFile = None,
    data: Path | None = None,
) -> int:
    """Find decisions again; all conditions together, the newest first. No subject of a payment is shown.

    It asks the index that `lianfang lake build` (or the desk, every `lake_every_s`) keeps, and says what is not in it yet.

    Parameters
    ----------
    json
        Write the page to this file; `-` for standard output, and no table.
    data
        The node's folder. Without: that of the settings.
    """
    from lianfang.app.commands.common import write_json

    page = _ask(_asked(conditions), data)
    if str(json) != "-":
        _show(page)
    write_json(json, _plain(page))
    return 0


def _asked(given: Conditions) -> dict[str, Any]:
    from lianfang.app.commands.common import instant_of

    asked = asdict(given)
    asked["actions"] = asked.pop("action") or []
    subject, kind, side = (asked.pop(name) for name in ("subject", "subject_kind", "side"))
    asked["subject"] = {"value": subject, "kind": kind, "side": side} if subject else None
    for name, option in (("time_from", "--time-from"), ("time_to", "--time-to")):
        asked[name] = instant_of(asked[name], option) if asked[name] else None
    return asked


def _ask(asked: dict[str, Any], data: Path | None) -> PaymentsPage:
    import msgspec

    from lianfang.app.lake import files_of
    from lianfang.infra.finding import Finder, Query, Records
    from lianfang.kernel.errors import InputError
    from lianfang.services.overview.payments_routes import page_of

    files = files_of(data)
    if not files.root.is_dir():
        raise InputError("no such folder of a node", str(files.root))
    try:
        query = msgspec.convert(asked, Query)
    except msgspec.ValidationError as why:
        raise InputError(f"this cannot be looked for: {why}") from why
    finder = Finder(files.finding, files.journal, files.hash_key())
    records = Records(files.journal, files.lake, finder)
    try:
        return page_of(finder, records, query)
    finally:
        records.close()


def _plain(page: PaymentsPage) -> Any:
    import msgspec

    return msgspec.to_builtins(page)


def _show(page: PaymentsPage) -> None:
    from lianfang.app.commands.common import table

    columns = (
        "序号 seq", "时间 time", "支付 payment", "金额 amount", "答复 action", "原因 reasons", "存疑 unsure", "结果 outcome",
    )  # fmt: skip
    table(
        f"{len(page.payments)} 条 found",
        columns,
        [_row(one) for one in page.payments],
        right=("序号 seq", "金额 amount"),
    )
    if page.missing:
        print(f"尚未入索引 not in the index yet: {page.missing:,} 记录 records; lianfang lake build")
    if not page.complete:
        print("查看行数已达上限，未看完 not complete: as many rows as one question may look at were looked at")
    if page.next is not None:
        print(f"下一页 next page: --before-seq {page.next}")


def _row(one: PaymentFound) -> tuple[Any, ...]:
    reasons = "; ".join(f"{reason.code} {reason.zh} {reason.en}" for reason in one.reasons[:2])
    return (
        one.seq,
        f"{one.at:%Y-%m-%d %H:%M:%SZ}",
        one.payment_id,
        _money(one.amount, one.currency),
        one.action,
        reasons,
        "是 yes" if one.unsure else "",
        ", ".join(one.labels),
    )


def _money(minor: int, currency: str | None) -> str:
    if currency is None:
        return ""
    decimals = exponent(currency)
    whole = f"{minor // 10**decimals:,}"
    return f"{whole}.{minor % 10**decimals:0{decimals}d} {currency}" if decimals else f"{whole} {currency}"
