"""How the decider keeps up with what the alliance says: it looks every few milliseconds, between payments."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from lianfang.infra.tagfile import TagReader
from lianfang.kernel.errors import EvidenceError
from lianfang.services.decide import Decider
from lianfang.services.decide.tags import TagBook, TagChange

LOOK_S: Final = 0.01
"""How often the decider looks for changes of tags: two system calls each time."""

log = structlog.get_logger("decider")


class TagsFollowed:
    """Brings the decider's tags up to what the desk has written. `trouble` is empty while that works."""

    def __init__(self, folder: Path, decider: Decider) -> None:
        self._reader = TagReader(folder)
        self._decider = decider
        self.trouble = ""

    def load(self) -> None:
        """Everything there is, before the first payment."""
        if self._reader.new_base():
            self._whole()
        self._changes()

    async def follow(self) -> None:
        """Until cancelled. A whole new base is read beside the payments; changes are applied between two of them."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._reader.new_base():
                book = await asyncio.to_thread(self._read)
                if book is not None:
                    self._decider.use_tags(book)
            self._changes()

    def _whole(self) -> None:
        book = self._read()
        if book is not None:
            self._decider.use_tags(book)

    def _read(self) -> TagBook | None:
        try:
            said = self._reader.base()
        except (EvidenceError, OSError) as why:
            self._say(str(why))
            return None
        book = TagBook(said.sets)
        book.apply(TagChange(said.hashes, said.values))
        self._say("")
        log.info("tags in force", subjects=len(said.hashes))
        return book

    def _changes(self) -> None:
        try:
            for said in self._reader.changes():
                self._decider.change_tags(TagChange(said.hashes, said.values, said.sets))
        except (EvidenceError, OSError) as why:
            self._say(str(why))

    def _say(self, why: str) -> None:
        if why and why != self.trouble:
            log.error("tags", why=why)
        self.trouble = why
