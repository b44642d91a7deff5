"""Made records for the index, and the plain answer to every question: all of them looked at, one by one."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from lianfang import wire
from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import Query, Sought
from lianfang.infra.journal import DECISION, NOTE, OUTCOME, JournalWriter, scan
from lianfang.infra.journal.writer import JournalWriter as Writer
from lianfang.infra.lake.columns import Answered, Told, read_answered, read_told
from lianfang.kernel.instant import SECOND, instant, moment
from lianfang.wire import SIDES, SUBJECTS
from tests.infra.journal.twins import SMALL

KEY = HashKey(0x0706050403020100, 0x0F0E0D0C0B0A0908)
START = instant(moment(1_780_000_000 * SECOND))
VERSION = "0123456789abcdef"
NAMES = {VERSION: ("spent", "payees")}
Row = Answered | Told


class Making:
    """A journal being written, of few names, so that questions meet."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.draw, self.at, self.number = folder, random.Random(seed), int(START), 0
        self.writer: Writer = JournalWriter.open(folder, segment_bytes=SMALL, ahead=0)[0]

    def some(self, count: int) -> None:
        for _ in range(count):
            self.at += self.draw.choice((0, 0, 1, SECOND))
            drawn = self.draw.random()
            if drawn < 0.05:
                self.writer.append(NOTE, self.at, (b"{}",))
            elif drawn < 0.25 and self.number:
                self.writer.append(OUTCOME, self.at, (wire.write(self._outcome()),))
            else:
                self.writer.append(DECISION, self.at, self._decision())
        self.writer.commit_now()

    def _outcome(self) -> wire.Outcome:
        return wire.Outcome(
            payment_id=f"p{self.draw.randrange(self.number + 2)}",
            label=self.draw.choice(("fraud", "genuine", "disputed")),
            known_at=moment(self.at),
            source="customer",
            kind=self.draw.choice((None, "mule", "romance")),
        )

    def _decision(self) -> tuple[bytes, ...]:
        draw = self.draw
        payment = wire.Payment(
            id=f"p{self.number if draw.random() < 0.95 else draw.randrange(self.number + 1)}",
            time=moment(self.at),
            kind=draw.choice(("transfer", "card")),
            amount=draw.choice((0, 5, 100, 10**15)),
            currency=draw.choice(("CNY", "USD")),
            channel=draw.choice((None, "mobile", "web")),
            payer=wire.Party(account=f"a{draw.randrange(6)}", phone=draw.choice((None, "1"))),
            payee=wire.Party(account=f"a{draw.randrange(6)}"),
            device=wire.Device(id=draw.choice((None, "d1", "a1"))),
        )
        self.number += 1
        names = draw.sample(("r1", "r2", "list-x"), draw.choice((0, 0, 1, 2)))
        reasons = tuple(
            wire.Reason(code=draw.choice(("MULE", "NEW")), source="rule", name=one, zh="可疑", en="suspicious")
            for one in names
        )
        decision = wire.Decision(
            payment_id=payment.id,
            action=draw.choice(wire.ACTIONS),
            reasons=reasons,
            unsure=draw.random() < 0.2,
            shadow=("s1",) if draw.random() < 0.2 else (),
            decided_at=moment(self.at),
            seq=self.writer.next_seq,
            versions=wire.Versions(rules="r", lists="l", features=VERSION),
        )
        return wire.write(payment), wire.write(decision), struct.pack("<2d", float(self.number), float("nan"))

    def rows(self) -> list[Row]:
        return rows_of(self.folder)


def rows_of(journal: Path) -> list[Row]:
    """Decisions and outcomes, as they are."""
    read: dict[int, Any] = {DECISION: read_answered, OUTCOME: read_told}
    return [read[record.kind](record) for record in scan(journal) if record.kind in read]


def _about(rows: Sequence[Row], told: Told) -> Answered | None:
    before = [
        row
        for row in rows
        if isinstance(row, Answered) and row.seq < told.seq and row.payment.id == told.outcome.payment_id
    ]
    return before[-1] if before else None


def _subject_fits(row: Answered, sought: Sought) -> bool:
    for path, kind in SUBJECTS.items():
        value: Any = row.payment
        for part in path.split("."):
            value = getattr(value, part)
        if value == sought.value and sought.kind in (None, kind) and sought.side in (None, SIDES[path]):
            return True
    return False


def _decision_fits(row: Answered, query: Query) -> bool:
    payment, decision = row.payment, row.decision
    return (
        (query.subject is None or _subject_fits(row, query.subject))
        and (query.rule is None or query.rule in {reason.name for reason in decision.reasons})
        and (query.reason is None or query.reason in {reason.code for reason in decision.reasons})
        and (query.shadow is None or query.shadow in decision.shadow)
        and (not query.actions or decision.action in query.actions)
        and query.unsure in (None, decision.unsure)
        and query.kind in (None, payment.kind)
        and query.channel in (None, payment.channel)
        and query.currency in (None, payment.currency)
        and (query.amount_from is None or payment.amount >= query.amount_from)
        and (query.amount_to is None or payment.amount <= query.amount_to)
    )


def _fits(rows: Sequence[Row], row: Row, query: Query) -> bool:
    if isinstance(row, Told) != query.outcomes:
        return False
    if query.time_from is not None and row.at < query.time_from:
        return False
    if query.time_to is not None and row.at >= query.time_to:
        return False
    if isinstance(row, Answered):
        return query.payment_id in (None, row.payment.id) and _decision_fits(row, query)
    told = row.outcome
    if query.payment_id not in (None, told.payment_id) or query.label not in (None, told.label):
        return False
    if query.scam not in (None, told.kind):
        return False
    about = _about(rows, row)
    if about is not None:
        return _decision_fits(about, query)
    wanted = (query.subject, query.rule, query.reason, query.shadow, query.kind, query.channel, query.currency)
    return wanted == (None,) * 7 and not query.actions and not query.unsure and not query.amount_from


def plain_find(rows: Sequence[Row], query: Query) -> list[int]:
    """The seqs of all that fit, the newest first, whatever the limit."""
    return [
        row.seq
        for row in reversed(rows)
        if _fits(rows, row, query) and (query.before_seq is None or row.seq < query.before_seq)
    ]


def queries() -> st.SearchStrategy[Query]:
    """Questions of a few conditions about what `Making` makes."""
    maybe: dict[str, st.SearchStrategy[Any]] = {
        "payment_id": st.sampled_from([f"p{i}" for i in range(30)]),
        "subject": st.builds(
            Sought,
            st.sampled_from(["a0", "a1", "a2", "1", "d1", "nobody"]),
            st.sampled_from([None, "account", "device", "phone"]),
        ),
        "rule": st.sampled_from(["r1", "r2", "list-x", "none"]),
        "shadow": st.just("s1"),
        "reason": st.sampled_from(["MULE", "NEW"]),
        "actions": st.lists(st.sampled_from(wire.ACTIONS), min_size=1, max_size=3, unique=True).map(tuple),
        "unsure": st.booleans(),
        "label": st.sampled_from(["fraud", "genuine", "disputed"]),
        "scam": st.sampled_from(["mule", "romance"]),
        "kind": st.sampled_from(["transfer", "card", "qr"]),
        "channel": st.sampled_from(["mobile", "web", "atm"]),
        "currency": st.sampled_from(["CNY", "USD", "EUR"]),
        "amount_from": st.sampled_from([0, 5, 6]),
        "amount_to": st.sampled_from([99, 100, 10**15]),
        "time_from": st.integers(0, 60).map(lambda s: int(START) + s * SECOND),
        "time_to": st.integers(60, 200).map(lambda s: int(START) + s * SECOND),
    }
    names = st.lists(st.sampled_from(sorted(maybe)), max_size=4, unique=True)
    chosen = names.flatmap(lambda some: st.fixed_dictionaries({name: maybe[name] for name in some}))
    sided = chosen.flatmap(_with_side)
    return sided.map(lambda given: Query(**given))


def _with_side(given: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    subject = given.get("subject")
    if subject is None or subject.kind == "device":
        return st.just(given)
    sides: st.SearchStrategy[Any] = st.sampled_from([None, "payer", "payee"])
    return sides.map(lambda side: {**given, "subject": Sought(subject.value, subject.kind, side)})
