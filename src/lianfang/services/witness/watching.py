"""A witness at its door: one request at a time for each of its logs, judged, remembered, answered; a fork is kept as proof."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from lianfang.engines.tlog import (
    Answer,
    SignerKey,
    Witness,
    parse_checkpoint,
    parse_request,
    parse_signature,
    parse_verifier,
)
from lianfang.engines.tlog import with_cosignatures as joined
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.services.witness.store import Records, Watched

SECOND_US: Final = 1_000_000
log = structlog.get_logger("witness")


class Watch:
    """One witness key over its logs. `wall`: microseconds UTC."""

    def __init__(self, signer: SignerKey, records: Records, wall: Callable[[], int]) -> None:
        self.signer = signer
        self.records = records
        self.wall = wall
        self.answered = 0
        self.refused = 0
        self._lock = asyncio.Lock()
        self.reload()

    def reload(self) -> None:
        """The logs as they stand in the records now."""
        logs = {one.origin: [parse_verifier(one.key)] for one in self.records.logs()}
        self._witness = Witness(self.signer, logs, self.records)

    def watch(self, one: Watched, who: str, reason: str) -> None:
        """Watch a log from now on. Raises `InputError`, `ConflictError`."""
        if not one.origin.strip():
            raise InputError("a log has a name: its checkpoints' first line", "$.origin")
        parse_verifier(one.key)
        self.records.watch(one, who, reason, self.wall())
        self.reload()

    async def add_checkpoint(self, body: bytes) -> Answer:
        """C2SP tlog-witness. Raises `DependencyError`: nothing was signed."""
        async with self._lock:
            return await asyncio.to_thread(self._judge, body)

    def _judge(self, body: bytes) -> Answer:
        now = self.wall()
        answer = self._witness.add_checkpoint(body, now // SECOND_US)
        if answer.status == 200:
            self.answered += 1
            self._keep(body, answer.body, now)
            return answer
        self.refused += 1
        if answer.fork:
            request = parse_request(body)
            origin = parse_checkpoint(request.note.text).origin
            self.records.keep_fork(origin, bytes(request.note), now)
            log.error(
                "alarm", code="fork", log=origin, why="it signed two histories; both notes are kept: witness status"
            )
        return answer

    def _keep(self, body: bytes, cosigned: bytes, now: int) -> None:
        """The note as this witness has seen it; losing it costs nothing but a comparison."""
        try:
            note = parse_request(body).note
            mine = parse_signature(cosigned.decode().removesuffix("\n"))
            self.records.keep_note(parse_checkpoint(note.text).origin, bytes(joined(note, [mine])), now)
        except LianfangError as why:
            log.warning("note not kept", why=str(why))
