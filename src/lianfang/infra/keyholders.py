"""Tokens from t of n keyholders: blind, ask, check every proof, combine, unblind. What is sent says nothing of the subject.

As many holders are asked as are needed; another one whenever one fails, lies, or takes its time. One that lies is named,
and not asked again before the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import httpx

from lianfang.engines.oprf import BATCH_MAX, blinded, combined, finalized, scalar_from, share_key, verify
from lianfang.engines.sealing import SigningKey
from lianfang.infra.members_http import MemberHttp
from lianfang.kernel.errors import AccessError, DependencyError, EvidenceError, InputError, LianfangError
from lianfang.wire import KeySet, Reader, write
from lianfang.wire.tokens import ConfirmationRequest, EvaluationAnswer, EvaluationRequest, Lane

HEDGE_S: Final = 0.25
"""A holder that has not answered for so long is not waited for: another one is asked too. More for large batches."""
HEDGE_ITEM_S: Final = 0.001
TIMEOUT_S: Final = 30.0
CONNECT_S: Final = 3.0
_read_answer: Final = Reader(EvaluationAnswer)


class HolderAt(NamedTuple):
    """Where a holder of a ceremony answers."""

    id: str
    url: str


class KeyUsed(NamedTuple):
    """One token key: who holds its shares, in the order of places, and how many are needed."""

    keys: KeySet
    threshold: int
    holders: tuple[str, ...]


KeyBook = Callable[[str, str, str], KeyUsed]
"""(kind, purpose, epoch) to the key, as the log's ceremony announced it. Raises `InputError` when there is none."""


class Tokens:
    """A member's way to tokens. `trouble` says by holder what was wrong with it last; empty where nothing is."""

    def __init__(
        self,
        member: str,
        signing: SigningKey,
        holders: Sequence[HolderAt],
        book: KeyBook,
        wall: Callable[[], int],
        random: Callable[[int], bytes],
        *,
        http: httpx.AsyncClient | None = None,
        hedge_s: float = HEDGE_S,
    ) -> None:
        self._http = http or httpx.AsyncClient(timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S), trust_env=False)
        self._at = {one.id: MemberHttp(one.url, one.id, member, signing, self._http, wall, random) for one in holders}
        self._book = book
        self._random = random
        self._hedge_s = hedge_s
        self.trouble: dict[str, str] = {}
        self.liars: set[str] = set()
        """Holders whose proof did not hold: to be told to the alliance."""

    async def close(self) -> None:
        """Give up the connections."""
        await self._http.aclose()

    async def tokens(
        self, kind: str, purpose: str, epoch: str, values: Sequence[bytes], lane: Lane, person: str, reference: str
    ) -> list[bytes]:
        """64-byte tokens of canonical subjects (`engines.subjects.canonical`), in order; at most 1,000 at a time.

        Raises `AccessError` (`quota`), `DependencyError` naming the holders that failed and how, `InputError`.
        """
        if not 0 < len(values) <= BATCH_MAX:
            raise InputError(f"1 to {BATCH_MAX} subjects at a time, not {len(values)}")
        key = self._book(kind, purpose, epoch)
        blinds = [scalar_from(self._random(64)) for _ in values]
        sent = await asyncio.to_thread(lambda: [blinded(v, b) for v, b in zip(values, blinds, strict=True)])
        asked = EvaluationRequest(
            kind=key.keys.kind,
            purpose=key.keys.purpose,
            epoch=epoch,
            lane=lane,
            person=person,
            reference=reference,
            elements=tuple(sent),
        )
        answers = await self._enough(key, asked)

        def unblinded() -> list[bytes]:
            whole = combined(answers, key.threshold)
            return [finalized(v, b, w) for v, b, w in zip(values, blinds, whole, strict=True)]

        return await asyncio.to_thread(unblinded)

    async def confirm(self, told: ConfirmationRequest) -> None:
        """Tell every holder what came of questions; one that cannot be reached is told nothing, and gives nothing back."""
        body = write(told)

        async def tell(one: MemberHttp) -> None:
            try:
                await one.ask("POST", "/v1/confirmations", body)
            except LianfangError as why:
                self.trouble[one.audience] = str(why)

        await asyncio.gather(*(tell(one) for one in self._at.values()))

    async def _enough(self, key: KeyUsed, asked: EvaluationRequest) -> dict[int, Sequence[bytes]]:
        """Verified answers of `threshold` holders, by place."""
        waiting = self._order(key)
        failed: dict[str, LianfangError] = {}
        good: dict[int, Sequence[bytes]] = {}
        running: set[asyncio.Task[tuple[int, Sequence[bytes]]]] = set()
        names: dict[asyncio.Task[tuple[int, Sequence[bytes]]], str] = {}

        def begin() -> None:
            holder = waiting.pop(0)
            task = asyncio.create_task(self._one(holder, key, asked))
            running.add(task)
            names[task] = holder

        hedge_s = self._hedge_s + HEDGE_ITEM_S * len(asked.elements)
        try:
            while len(good) < key.threshold:
                while waiting and len(good) + len(running) < key.threshold:
                    begin()
                if not running:
                    raise _too_few(key, good, failed)
                done, _ = await asyncio.wait(running, timeout=hedge_s, return_when=asyncio.FIRST_COMPLETED)
                if not done and waiting:
                    begin()
                for task in done:
                    running.discard(task)
                    try:
                        place, answers = task.result()
                        good[place] = answers
                        self.trouble.pop(names[task], None)
                    except LianfangError as why:
                        failed[names[task]] = why
                        self.trouble[names[task]] = str(why)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return dict(sorted(good.items())[: key.threshold])

    def _order(self, key: KeyUsed) -> list[str]:
        """Whom to ask first: those that answered well last time, and not always the same ones. Raises `DependencyError`."""
        known = [one for one in key.holders if one in self._at]
        if len(known) < key.threshold:
            raise DependencyError(
                f"the addresses of {len(known)} keyholders are known and {key.threshold} are needed", "no-keyholders"
            )
        first = int.from_bytes(self._random(4), "big") % len(known)
        turned = known[first:] + known[:first]
        return sorted(turned, key=lambda one: (one in self.liars) * 2 + (one in self.trouble))

    async def _one(self, holder: str, key: KeyUsed, asked: EvaluationRequest) -> tuple[int, Sequence[bytes]]:
        """A holder's place and answers, its proof checked."""
        place = key.holders.index(holder) + 1
        raw = await self._at[holder].ask("POST", "/v1/evaluations", write(asked))
        try:
            said = await asyncio.to_thread(_verified, raw, key, asked, place)
        except (EvidenceError, InputError) as why:
            self.liars.add(holder)
            raise EvidenceError(f"keyholder {holder} gives answers that do not hold: {why}") from why
        return place, said.answers


def _verified(raw: bytes, key: KeyUsed, asked: EvaluationRequest, place: int) -> EvaluationAnswer:
    """The answer of the holder at `place`. Raises `EvidenceError`, `InputError` unless it is one and its proof holds."""
    said = _read_answer(raw)
    if said.place != place:
        raise EvidenceError(f"it answers for place {said.place}, and holds place {place}")
    verify(share_key(key.keys.commitments, place), asked.elements, said.answers, said.proof)
    return said


def _too_few(key: KeyUsed, good: dict[int, Sequence[bytes]], failed: dict[str, LianfangError]) -> LianfangError:
    quota = [why for why in failed.values() if isinstance(why, AccessError)]
    if quota and len(quota) == len(failed):
        return quota[0]
    said = "; ".join(f"{holder}: {why}" for holder, why in sorted(failed.items()))
    return DependencyError(
        f"{len(good)} of the {key.threshold} keyholders needed have answered ({said})", "too-few-keyholders"
    )
