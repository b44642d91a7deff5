"""Feeds the queue from what the desk follows. Called in that thread, batch by batch, in the journal's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding.keys import hashed, word
from lianfang.infra.lake.columns import Answered, Told
from lianfang.infra.sql import Database
from lianfang.services.cases.alerts import Item, alerts
from lianfang.services.cases.store import prepare, take_in

WAITING_MAX: Final = 100_000
"""Stopped payments kept in memory while the records refuse; beyond, the oldest are let go and counted in `lost`."""


class AlertFeed:
    """A hook of the desk's following. What the records refuse is tried again with the next batch."""

    def __init__(self, database: Database, key: HashKey) -> None:
        prepare(database)
        self._database, self._key = database, key
        self._waiting: list[Item] = []
        self.lost = 0

    def __call__(self, rows: list[Answered | Told]) -> None:
        """Take in a batch; raises `DependencyError` when the records refuse, and keeps it for the next time."""
        self._waiting += self._items(rows)
        if over := max(len(self._waiting) - WAITING_MAX, 0):
            self.lost += over
            del self._waiting[:over]
        if not self._waiting:
            return
        with self._database.writing() as connection:
            take_in(connection, self._waiting, self._waiting[-1].seq)
        self._waiting.clear()

    def _items(self, rows: Sequence[Answered | Told]) -> list[Item]:
        stopped = [row for row in rows if isinstance(row, Answered) and alerts(row.payment, row.decision)]
        return [
            Item(
                row.seq, row.at, row.payment.id, self._hash("payer", row.payment.payer.account),
                self._hash("payee", row.payment.payee.account), row.payment.amount, row.payment.currency,
                row.decision.action, row.decision.points,
            )
            for row in stopped
        ]  # fmt: skip

    def _hash(self, side: str, account: str | None) -> str:
        return "" if account is None else f"{int(hashed([word(f'{side}.account', account)], self._key)[0]):016x}"
