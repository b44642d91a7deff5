"""What sharing takes from the journal, as the desk follows it: strangers to ask about, tags that were met, frauds confirmed.

Called in the following's thread, batch by batch; the journal may be read again after a crash, and everything here counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import sqlalchemy as sa
import structlog

from lianfang.infra.lake.columns import Answered, Told
from lianfang.infra.sql import Database
from lianfang.kernel.errors import ConflictError, InputError
from lianfang.kernel.instant import Instant, instant
from lianfang.services.share import held_store, meeting_store, publishing_store, store
from lianfang.services.share.book import Book
from lianfang.services.share.holding import Spelled, Unfit, spelled
from lianfang.services.share.meeting import Met, Rule, met_in, proposed, subjects_of, tagged_subjects
from lianfang.services.share.publishing import Opined, Wanted
from lianfang.wire import Outcome, Payment, build

STRANGERS_MAX: Final = 100_000
"""Subjects waiting to be looked at; those that come beyond are let go, and met again with their next payment."""
REMEMBERED_MAX: Final = 1_000_000
"""Subjects of payments remembered as looked at."""
RULE: Final = "rule:"
log = structlog.get_logger("alliance")
PaymentOf = Callable[[str], Payment | None]
"""The payment of an id, if its record is still kept."""


class ShareFeed:
    """A hook of the desk's following. `me`: this member; `rules`: from confirmed frauds to proposals."""

    def __init__(
        self,
        book: Book,
        records: Database,
        me: str,
        rules: Sequence[Rule],
        payment_of: PaymentOf,
        random: Callable[[int], bytes],
    ) -> None:
        publishing_store.prepare(records)
        meeting_store.prepare(records)
        self._book, self._records, self._me = book, records, me
        self._rules, self._payment_of, self._random = rules, payment_of, random
        self._strangers: dict[tuple[str, str], None] = {}
        self._looked: set[tuple[str, str]] = set()
        self.dropped = 0

    def __call__(self, rows: list[Answered | Told]) -> None:
        """Take in a batch."""
        met: list[Met] = []
        tags: dict[str, Sequence[str]] = {}
        outcomes: list[Told] = []
        for row in rows:
            if isinstance(row, Told):
                outcomes.append(row)
                continue
            self._note(subjects_of(row.payment))
            if row.decision.tags:
                met += met_in(row.seq, row.at, row.decision)
                tags[row.payment.id] = self._standing(tagged_subjects(row.payment, row.decision))
        if met:
            at = max(row.at for row in rows)
            with self._records.writing() as connection:
                meeting_store.put_met(connection, met, tags)
                self._seen(connection, {tag for some in tags.values() for tag in some}, at)
        for told in outcomes:
            self._told(told.outcome, told.at)

    # strangers

    def _note(self, subjects: Sequence[tuple[str, str]]) -> None:
        for one in subjects:
            if one in self._looked:
                continue
            if len(self._strangers) >= STRANGERS_MAX:
                self.dropped += 1
                continue
            self._strangers[one] = None
            if len(self._looked) >= REMEMBERED_MAX:
                self._looked.clear()
            self._looked.add(one)

    def hold_strangers(self) -> int:
        """Hold what was met since the last time; how many were new. Called beside the following, as often as one likes."""
        met = list(self._strangers)
        if not met:
            return 0
        for one in met:
            self._strangers.pop(one, None)
        read = [spelled(kind, value) for kind, value in met]
        good = [one for one in read if isinstance(one, Spelled)]
        with self._book.database.reading() as connection:
            new = held_store.strangers(connection, good)
        return self._book.hold(new, "met", [one for one in read if isinstance(one, Unfit)])

    # tags met

    def _standing(self, subjects: Sequence[tuple[str, str]]) -> list[str]:
        """Others' tags of these subjects that are not withdrawn."""
        with self._book.database.reading() as connection:
            ids = [
                subject
                for one in (spelled(kind, value) for kind, value in subjects)
                if isinstance(one, Spelled)
                and (subject := held_store.held(connection, one.kind, one.normal)) is not None
            ]
            rows = [row for row in held_store.opened_of(connection, ids) if row.contributor != self._me]
            doubted = store.contested(connection, {row.tag.hex() for row in rows})
        return [row.tag.hex() for row in rows if not doubted[row.tag.hex()].withdrawn]

    def _seen(self, connection: sa.Connection, tags: set[str], at: int) -> None:
        for tag in sorted(tags):
            self._opine(connection, tag, "seen", at, "a payment of this node met the tag")

    def _opine(self, connection: sa.Connection, tag: str, stance: str, at: int, reason: str) -> None:
        """`seen` only where nothing was ever said; anything else once."""
        key = f"opinion:{tag}:" if stance == "seen" else f"opinion:{tag}:{stance}"
        if not publishing_store.ever_intended(connection, key):
            intent = build(Opined, {"act": "opinion", "of": tag, "stance": stance})
            publishing_store.intend(connection, intent, by="node", at=Instant(at), reason=reason)

    # outcomes

    def _told(self, outcome: Outcome, at: int) -> None:
        if outcome.label not in ("fraud", "genuine"):
            return
        with self._records.writing() as connection:
            tags = meeting_store.became(connection, outcome.payment_id, outcome.label)
            if outcome.label == "fraud":
                for tag in tags:
                    self._opine(connection, tag, "agree", at, "a payment that met the tag was confirmed as fraud")
        if outcome.label == "fraud":
            self._propose(outcome, at)

    def _propose(self, outcome: Outcome, at: int) -> None:
        payment = self._payment_of(outcome.payment_id)
        if payment is None:
            return
        for one in proposed(self._rules, payment, outcome.kind):
            try:
                said = {
                    "kind": one.kind, "value": one.value, "category": one.category, "severity": one.rule.severity,
                    "confidence": one.rule.confidence, "evidence": one.rule.evidence, "days": one.rule.days,
                }  # fmt: skip
                wanted = build(Wanted, said)
                seen = (min(at, instant(payment.time)), at)
                with self._records.writing() as connection:
                    publishing_store.propose(
                        connection, wanted, self._random(16).hex(), by=RULE + one.rule.name, at=Instant(at),
                        reason=f"payment {outcome.payment_id} was confirmed as fraud", seen=seen,
                    )  # fmt: skip
            except ConflictError:
                continue  # the same is on its way
            except InputError as why:
                log.warning("not proposed", rule=one.rule.name, why=why.what)
