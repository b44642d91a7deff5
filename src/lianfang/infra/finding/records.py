"""Records whole, by their seqs: from the journal, or from the lake where the journal's segment is gone.

What is shown here is raw: whoever shows it to a person masks it first.
"""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

from lianfang.infra.finding.build import read_record
from lianfang.infra.finding.finder import Finder
from lianfang.infra.finding.query import LIMIT_MAX, Query, Sought
from lianfang.infra.journal.files import segment_list
from lianfang.infra.journal.lookup import Lookup
from lianfang.infra.lake import is_lake, read_manifest, reading
from lianfang.infra.lake.columns import PATHS, Answered, Told
from lianfang.infra.lake.manifest import MANIFEST
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.kernel.instant import instant
from lianfang.wire import Asked, Decision, Outcome, Payment, Reason, Versions

RELATED_LIMIT: Final = 10
OUTCOMES_SHOWN: Final = 50
"""Of one payment, the newest."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, whole. `features`: name to value, null where there was none; `x0`, `x1`, ... where nobody knows the names."""

    seq: int
    at: int
    payment: Payment
    decision: Decision
    features: dict[str, float | None]
    outcomes: tuple[Outcome, ...] = ()
    """What became known of it, the newest first."""


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """The latest decisions about the same subject as a payment, itself left out."""

    path: str
    decisions: tuple[Shown, ...]


class _Detail(msgspec.Struct, frozen=True):
    reasons: tuple[Reason, ...] = ()
    challenge: Asked | None = None


_read_detail: Final = msgspec.json.Decoder(_Detail).decode


class Records:
    """Reads records again. Thread-safe. `finder` finds outcomes and relations."""

    def __init__(self, journal: Path, lake: Path, finder: Finder) -> None:
        self._journal, self._lake, self.finder = journal, lake, finder
        self._lock = threading.Lock()
        self._lookup: Lookup | None = None
        self._firsts: list[int] = []
        self._named: tuple[tuple[int, int, int], dict[str, tuple[str, ...]]] = ((0, 0, 0), {})

    def read(self, seqs: Iterable[int], *, outcomes: bool = True) -> list[Shown]:
        """Decisions in the order of `seqs`; those that are nowhere any more are left out. An outcome's seq gives its decision."""
        wanted = list(seqs)
        found = self.by_seq(wanted, outcomes=outcomes)
        return [found[seq] for seq in wanted if seq in found]

    def by_seq(self, seqs: Iterable[int], *, outcomes: bool = True) -> dict[int, Shown]:
        """The same, by the seq that was asked for."""
        wanted = list(seqs)
        found = self._from_journal(wanted)
        if left := [seq for seq in wanted if seq not in found]:
            found |= self._from_lake(left)
        names = self._feature_names() if found else {}
        about = ((seq, self._decision_of(row)) for seq, row in found.items())
        return {seq: self._shown(row, names, outcomes=outcomes) for seq, row in about if row is not None}

    def told(self, seqs: Sequence[int]) -> list[Told]:
        """Outcomes in the order of `seqs`; those that are nowhere any more are left out."""
        found = self._from_journal(seqs)
        if left := [seq for seq in seqs if seq not in found]:
            found |= self._from_lake(left)
        return [row for seq in seqs if isinstance(row := found.get(seq), Told)]

    def one(self, payment_id: str) -> Shown | None:
        """The newest decision of a payment; None when there is none."""
        for shown in self.read(self.finder.find(Query(payment_id=payment_id, limit=2)).seqs):
            if shown.payment.id == payment_id:
                return shown
        return None

    def history(self, subject: Sought, feature: str, limit: int = LIMIT_MAX) -> list[tuple[int, float]]:
        """(time of the payment, value) of a feature in the subject's latest decisions, the oldest first; nulls are left out."""
        seqs = self.finder.find(Query(subject=subject, limit=min(limit, LIMIT_MAX))).seqs
        points = []
        for one in self.read(seqs, outcomes=False):
            value = one.features.get(feature)
            if value is not None:
                points.append((int(instant(one.payment.time)), value))
        return sorted(points)

    def related(self, payment: Payment, limit: int = RELATED_LIMIT) -> list[Related]:
        """The latest decisions of the same payer, of the same payee and of the same device."""
        found = []
        for path, value in (
            ("payer.account", payment.payer.account),
            ("payee.account", payment.payee.account),
            ("device.id", payment.device.id),
        ):
            if value is None:
                continue
            sought = Sought(value, "device") if path == "device.id" else Sought(value, "account", path[:5])  # type: ignore[arg-type]
            seqs = self.finder.find(Query(subject=sought, limit=min(limit + 1, LIMIT_MAX))).seqs
            others = [one for one in self.read(seqs, outcomes=False) if one.payment.id != payment.id]
            found.append(Related(path=path, decisions=tuple(others[:limit])))
        return found

    def _shown(self, row: Answered, names: dict[str, tuple[str, ...]], *, outcomes: bool) -> Shown:
        known = self._outcomes(row.payment.id) if outcomes else ()
        return Shown(
            seq=row.seq,
            at=row.at,
            payment=row.payment,
            decision=row.decision,
            features=named_features(row, names),
            outcomes=known,
        )

    def _outcomes(self, payment_id: str) -> tuple[Outcome, ...]:
        seqs = self.finder.outcomes_of(payment_id)[:OUTCOMES_SHOWN]
        if not seqs:
            return ()
        found = self._from_journal(seqs)
        if left := [seq for seq in seqs if seq not in found]:
            found |= self._from_lake(left)
        told = [row for row in found.values() if isinstance(row, Told) and row.outcome.payment_id == payment_id]
        return tuple(row.outcome for row in sorted(told, key=lambda row: -row.seq))

    def _decision_of(self, row: Answered | Told) -> Answered | None:
        if isinstance(row, Answered):
            return row
        seqs = self.finder.find(Query(payment_id=row.outcome.payment_id, limit=1)).seqs
        found = self._from_journal(seqs) or self._from_lake(seqs)
        return next((one for one in found.values() if isinstance(one, Answered)), None)

    def _from_journal(self, seqs: Sequence[int]) -> dict[int, Answered | Told]:
        found: dict[int, Answered | Told] = {}
        if not seqs:
            return found
        with self._lock:
            firsts = segment_list(self._journal)
            if firsts != self._firsts or self._lookup is None:
                if self._lookup is not None:
                    self._lookup.close()
                self._lookup, self._firsts = Lookup(self._journal, list(firsts)), firsts
            for seq in seqs:
                try:
                    row = read_record(self._lookup.read(seq))
                except (LianfangError, OSError, ValueError, msgspec.MsgspecError):
                    continue  # gone or damaged there: the lake may have it
                if row is not None:
                    found[seq] = row
        return found

    def _from_lake(self, seqs: Sequence[int]) -> dict[int, Answered | Told]:
        if not seqs or not is_lake(self._lake):
            return {}
        found: dict[int, Answered | Told] = {}
        with reading(self._lake) as manifest:
            for kind, made in (("decisions", answered_of), ("outcomes", told_of)):
                for part in manifest.of(kind):  # type: ignore[arg-type]
                    inside = [seq for seq in seqs if part.first <= seq <= part.last]
                    if not inside:
                        continue
                    table = pq.read_table(self._lake / part.name, partitioning=None, filters=[("seq", "in", inside)])
                    found |= {row["seq"]: made(row) for row in table.to_pylist()}
        return found

    def _feature_names(self) -> dict[str, tuple[str, ...]]:
        """By features' version, read again when the lake's manifest is another."""
        try:
            stat = (self._lake / MANIFEST).stat()
        except FileNotFoundError:
            return {}
        mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if mark != self._named[0]:
            self._named = mark, dict(read_manifest(self._lake).features)
        return self._named[1]

    def close(self) -> None:
        """Closes the journal's files."""
        with self._lock:
            if self._lookup is not None:
                self._lookup.close()
                self._lookup = None


def named_features(row: Answered, names: dict[str, tuple[str, ...]]) -> dict[str, float | None]:
    """A decision's numbers by name; NaN is null."""
    values = memoryview(row.features).cast("d").tolist() if row.features else []
    known = names.get(row.decision.versions.features, ())
    if len(known) != len(values):
        known = tuple(f"x{i}" for i in range(len(values)))
    return {name: None if math.isnan(value) else value for name, value in zip(known, values, strict=True)}


def answered_of(row: dict[str, Any]) -> Answered:
    """A decision out of a row of the lake. Raises `InputError` for a row that is none."""
    payment: dict[str, Any] = {}
    for path in PATHS:
        if (value := row[path]) is not None:
            room = payment
            *parents, last = path.split(".")
            for parent in parents:
                room = room.setdefault(parent, {})
            room[last] = value
    payment["surroundings"] = row["surroundings"] or ()
    payment["attributes"] = {key: msgspec.json.decode(value) for key, value in row["attributes"] or ()}
    detail = _read_detail(row["detail"]) if row["detail"] else _Detail()
    try:
        decision = Decision(
            payment_id=row["id"],
            action=row["action"],
            reasons=detail.reasons,
            score=row["score"],
            points=row["points"],
            unsure=row["unsure"],
            shadow=tuple(row["shadow"] or ()),
            challenger_score=row["challenger_score"],
            challenge=detail.challenge,
            decided_at=row["decided_at"],
            seq=row["seq"],
            versions=Versions(
                rules=row["rules_version"],
                lists=row["lists_version"],
                features=row["features_version"],
                model=row["model_version"],
                challenger=row["challenger_version"],
            ),
        )
        counted = [math.nan if value is None else value for value in row["features"] or ()]
        raw = struct.pack(f"<{len(counted)}d", *counted)
        return Answered(row["seq"], int(instant(row["decided_at"])), msgspec.convert(payment, Payment), decision, raw)
    except msgspec.ValidationError as why:
        raise InputError(f"row {row['seq']} of the lake is no payment: {why}") from why


def told_of(row: dict[str, Any]) -> Told:
    """An outcome out of a row of the lake."""
    outcome = Outcome(
        payment_id=row["payment_id"],
        label=row["label"],
        known_at=row["known_at"],
        source=row["source"],
        kind=row["kind"],
        note=row["note"],
    )
    return Told(row["seq"], int(instant(row["arrived_at"])), outcome)
