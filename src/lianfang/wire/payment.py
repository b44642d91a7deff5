"""`Payment`, version 1: what a customer wants to do. The fields follow ISO 20022 (see `wire.iso20022` for the table).

Everything but id, time, kind, amount and currency may be missing: members see different sides of a payment, and a rule
says what it does with a null. Unknown fields are refused with their path. A published version never changes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lianfang.kernel import limits
from lianfang.kernel.money import CurrencyCode

Id = Annotated[str, Meta(min_length=1, max_length=limits.ID_LENGTH_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH_MAX)]
Text = Annotated[str, Meta(max_length=limits.TEXT_LENGTH_MAX)]
CountryCode = Annotated[str, Meta(min_length=2, max_length=2)]
"""ISO 3166-1 alpha-2."""
IpAddress = Annotated[str, Meta(min_length=2, max_length=45)]
"""IPv4 or IPv6, as text. (A pattern would cost a tenth of the whole reading; tokens are made of the normal form.)"""
Moment = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with its zone."""
AmountMinor = Annotated[int, Meta(ge=0, le=limits.AMOUNT_MAX)]
"""Whole minor units of the currency: fen, cents; yen as they are."""

Kind = Literal["transfer", "card", "qr", "withdrawal", "topup", "crypto"]
Channel = Literal["mobile", "web", "counter", "atm", "pos", "phone", "api"]
Authentication = Literal["none", "password", "otp", "biometric", "passkey", "token", "pin"]
Severity = Literal["info", "low", "medium", "high"]
AttributeKey = Annotated[str, Meta(min_length=1, max_length=limits.ID_LENGTH_MAX)]
AttributeNumber = Annotated[int, Meta(ge=-(2**53), le=2**53)]
AttributeValue = bool | AttributeNumber | float | Text | None


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of every wire struct: frozen, closed, nulls left out."""


class Party(Part, frozen=True):
    """Who pays or is paid. Raw identifiers never leave the member's node."""

    account: Id | None = None
    name: Name | None = None
    phone: Id | None = None
    id_document: Id | None = None
    member: Id | None = None
    """The institution that keeps the account: a BIC, a CNAPS code, or the alliance's name for it."""


class Device(Part, frozen=True):
    """The customer's device, as the member's app names it."""

    id: Id | None = None
    os: Id | None = None
    model: Id | None = None
    app_version: Id | None = None
    first_seen: Moment | None = None
    rooted: bool | None = None


class Network(Part, frozen=True):
    """How the device reached the member."""

    ip: IpAddress | None = None
    wifi: Id | None = None
    cell: Id | None = None
    vpn: bool | None = None


class Place(Part, frozen=True):
    """Where the payment is made. Degrees, WGS 84."""

    country: CountryCode | None = None
    city: Name | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None


class Merchant(Part, frozen=True):
    """The shop, where there is one. `category` is the ISO 18245 code."""

    id: Id | None = None
    name: Name | None = None
    category: Annotated[str, Meta(min_length=1, max_length=4)] | None = None
    country: CountryCode | None = None
    terminal: Id | None = None


class Session(Part, frozen=True):
    """What is known of the moment of paying."""

    id: Id | None = None
    started: Moment | None = None
    authentication: Authentication | None = None
    failed_attempts: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    screen_shared: bool | None = None
    call_in_progress: bool | None = None
    payee_added: Moment | None = None
    """When this payee was first saved by the payer."""


class Finding(Part, frozen=True):
    """One finding about the surroundings: a code from the alliance's list, how grave, and who found it."""

    code: Id
    severity: Severity = "info"
    source: Id | None = None


class Payment(Part, frozen=True, kw_only=True):
    """One payment to decide. `time` is when the customer asked; windows of features are counted on it."""

    schema: Literal["payment/1"] = "payment/1"
    id: Id
    time: Moment
    kind: Kind
    amount: AmountMinor
    currency: CurrencyCode
    channel: Channel | None = None
    payer: Party = Party()
    payee: Party = Party()
    card: Id | None = None
    """The card's number or, better, the member's token for it."""
    device: Device = Device()
    network: Network = Network()
    place: Place = Place()
    merchant: Merchant = Merchant()
    session: Session = Session()
    surroundings: Annotated[tuple[Finding, ...], Meta(max_length=limits.FINDINGS_MAX)] = ()
    attributes: Annotated[dict[AttributeKey, AttributeValue], Meta(max_length=limits.ATTRIBUTES_MAX)] = {}
    memo: Text | None = None
    """What the payer wrote to the payee. Evidence that never decides alone."""
    corrects: Id | None = None
    """The id of an earlier payment that this one replaces. The earlier one stays on record and stays counted."""
