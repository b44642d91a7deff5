"""A small alliance in memory: members with keys, a token function, and a log that anybody may write anything to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lianfang.engines.keyed import HashKey
from lianfang.engines.sealing import Derived, SigningKey, derive, seal_tag, sign_entry, signed_bytes
from lianfang.engines.subjects import canonical
from lianfang.infra.sql import Database, open_database, sqlite_url
from lianfang.infra.tagfile import TagReader, TagWriter
from lianfang.kernel.instant import DAY, instant, moment
from lianfang.services.decide.tags import TagBook, TagChange
from lianfang.services.members import Roster
from lianfang.services.share import Book, Heeding, Logged, Spelled, spelled
from lianfang.services.share.held_store import wanting
from lianfang.wire import (
    AppealEntry,
    MemberEntry,
    OpinionEntry,
    SignedTag,
    Tag,
    TagEntry,
    TombstoneEntry,
    VetoEntry,
    write,
)

NOW = 1_790_000_000_000_000
EPOCH = "2026Q3"
KEY = HashKey(1, 2)
ACT = Heeding("act")
NAMES = ("hub", "bank-a", "bank-b", "bank-c", "regulator")


def token(kind: str, value: str, epoch: str = EPOCH) -> bytes:
    """What keyholders would answer, by another function."""
    return hashlib.sha512(b"token" + epoch.encode() + canonical(kind, value)).digest()  # type: ignore[arg-type]


def derived(kind: str, value: str, epoch: str = EPOCH) -> Derived:
    return derive(token(kind, value, epoch))


class Alliance:
    """The log, entry by entry."""

    def __init__(self) -> None:
        self.keys = {name: SigningKey(hashlib.sha256(name.encode()).digest()) for name in NAMES}
        self.log: list[bytes] = []
        self.made = 0
        for name in NAMES:
            self.member(name)

    def add(self, entry: Any) -> int:
        self.log.append(entry if isinstance(entry, bytes) else write(entry))
        return len(self.log) - 1

    @property
    def entries(self) -> list[Logged]:
        return [Logged(place, raw) for place, raw in enumerate(self.log)]

    def member(self, name: str, *, state: Any = "active", key: SigningKey | None = None) -> int:
        if key is not None:
            self.keys[name] = key
        roles: Any = ("contributor", "regulator") if name == "regulator" else ("contributor",)
        public = self.keys[name].public
        entry = MemberEntry(
            id=name, zh=name, en=name, roles=roles, state=state, signing=public, sealing=public, by="op", at=NOW
        )  # fmt: skip
        return self.add(entry)

    def new_id(self) -> str:
        self.made += 1
        return f"{self.made:032x}"

    def tag(self, by: str = "bank-a", kind: Any = "account", value: str = "6222", **terms: Any) -> TagEntry:
        """A sealed tag of a subject, not in the log yet."""
        at = terms.pop("at", NOW)
        until = terms.pop("until", at + 30 * DAY)
        epoch = terms.pop("epoch", EPOCH)
        named = terms.pop("id", None) or self.new_id()
        said: dict[str, Any] = {"category": "mule", "severity": 4, "confidence": 80, "evidence": "confirmed"} | terms
        tag = Tag(
            id=named, kind=kind, contributor=by, valid_until=moment(until),
            first_seen=moment(at - DAY), last_seen=moment(at), **said,
        )  # fmt: skip
        signed = SignedTag(tag=tag, signature=self.keys[by].sign(signed_bytes(tag)))
        lookup, seal = derived(kind, value, epoch)
        bare = TagEntry(
            member=by, id=named, kind=kind, purpose="anti_fraud", epoch=epoch, until=until, at=at, lookup=lookup,
            sealed=bytes(28),
        )  # fmt: skip
        return seal_tag(bare, signed, seal, hashlib.sha256(named.encode()).digest()[:12])

    def tombstone(self, of: str, by: str = "bank-a", reason: Any = "mistaken") -> TombstoneEntry:
        made = TombstoneEntry(member=by, of=of, reason=reason, at=NOW, signature=bytes(64))
        return sign_entry(made, self.keys[by])

    def opinion(self, of: str, by: str = "bank-b", stance: Any = "dispute") -> OpinionEntry:
        made = OpinionEntry(member=by, of=of, stance=stance, at=NOW, signature=bytes(64))
        return sign_entry(made, self.keys[by])

    def appeal(self, of: str, by: str = "bank-b", state: Any = "opened") -> AppealEntry:
        made = AppealEntry(member=by, of=of, state=state, at=NOW, signature=bytes(64))
        return sign_entry(made, self.keys[by])

    def veto(self, kind: Any, value: str, by: str = "regulator") -> VetoEntry:
        made = VetoEntry(
            member=by, kind=kind, purpose="anti_fraud", epoch=EPOCH, lookup=derived(kind, value).lookup,
            reason="hospital", at=NOW, signature=bytes(64),
        )  # fmt: skip
        return sign_entry(made, self.keys[by])


class Node:
    """A node's book over real files, and what its decider makes of them. `now` may be set."""

    def __init__(self, folder: Path, heeding: Heeding = ACT) -> None:
        self.folder, self.heeding = folder, heeding
        self.now = NOW
        self.database: Database
        self.open()
        self.reader = TagReader(folder)
        self.tags = TagBook()

    def open(self) -> None:
        """Start, or start again."""
        self.database = open_database(sqlite_url(self.folder / "shared.sqlite"))
        self.writer = TagWriter(self.folder)
        self.book = Book(self.database, KEY, self.writer, self.heeding, lambda: self.now, Roster)
        self.book.start()

    def close(self) -> None:
        self.writer.close()
        self.database.close()

    def hold(self, *subjects: tuple[str, str], tokens: bool = True) -> None:
        found = [spelled(kind, value) for kind, value in subjects]
        self.book.hold([one for one in found if isinstance(one, Spelled)], "customer")
        if tokens:
            self.ask()

    def ask(self, epoch: str = EPOCH) -> int:
        with self.database.reading() as connection:
            wanted = wanting(connection, epoch, 1_000)
        return self.book.give_tokens(epoch, wanted, [token(one.kind, one.normal, epoch) for one in wanted])

    def says(self, kind: str, value: str) -> tuple[str, int, tuple[str, ...], bool] | None:
        """What the decider knows of a subject as a payment spells it, now."""
        from lianfang.engines.lookup import unpacked
        from lianfang.services.share.holding import hashes
        from lianfang.wire import CATEGORY_CODES

        if self.reader.new_base():
            said = self.reader.base()
            self.tags = TagBook(said.sets)
            self.tags.apply(TagChange(said.hashes, said.values))
        for more in self.reader.changes():
            self.tags.apply(TagChange(more.hashes, more.values, more.sets))
        word = self.tags.table.get(int(hashes([(kind, value)], KEY)[0]), self.now // 60_000_000)
        if not word:
            return None
        met = unpacked(word)
        return CATEGORY_CODES[met.category - 1], met.severity, self.tags.sets[met.contributors], met.pending


class Silent:
    """A writer for tests that look at the records only."""

    grown = 0

    def begin(self, sets: Sequence[tuple[str, ...]], hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> None:
        """Nothing."""

    append = begin


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def until_of(tag: Tag) -> int:
    return instant(tag.valid_until)
