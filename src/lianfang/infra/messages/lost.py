"""What a conversion could not keep, or changed: listed by path, never dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Lost(NamedTuple):
    """A path (an element's, or one of ours) with how often it stood there; or a sentence about the message as a whole."""

    path: str
    times: int = 1
    note: bool = False

    def __str__(self) -> str:
        return self.path if self.note or self.times == 1 else f"{self.path} ({self.times} times)"


def counted(lost: Mapping[str, int], notes: Iterable[str]) -> tuple[Lost, ...]:
    """Notes first, then the paths in the order they were met."""
    return (*(Lost(note, 1, True) for note in notes), *(Lost(path, times) for path, times in lost.items()))
