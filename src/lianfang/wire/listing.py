"""`ListEntry`, version 1: one subject on one list, with its purpose, its source, its side and its expiry."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from lianfang.kernel import limits
from lianfang.wire.payment import Moment, Part, Text

SubjectKind = Literal[
    "phone", "id_document", "account", "card", "device", "ip", "email", "merchant", "url", "domain", "app",
    "wallet_address", "wifi", "cell",
]  # fmt: skip
ListEffect = Literal["allow", "watch", "block", "overridable_block", "override", "veto"]
"""What standing on a list means (docs/reference/lists.md)."""
Side = Literal["payer", "payee", "both"]
ListName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class ListEntry(Part, frozen=True, kw_only=True):
    """`list` and its `effect` belong together: all entries of one list have the same effect.

    `side`: the entry is met only where its subject pays (`payer`), is paid (`payee`), or either.
    """

    schema: Literal["list-entry/1"] = "list-entry/1"
    list: ListName
    effect: ListEffect
    subject: SubjectKind
    value: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    purpose: Text
    source: Text
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    side: Side = "both"
