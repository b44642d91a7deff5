"""What the alliance says of the subjects that payments bring: a compiled table for all of them, words for the few it meets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.engines.hotpath.journey import LIST_PATHS
from lianfang.engines.lookup import TagTable, unpacked
from lianfang.wire import CATEGORY_CODES, TagMet

Tags = dict[str, tuple[str | None, int | None, int | None]]
"""Path to (category, severity, how many members say so), as rules read it."""
NO_TAGS: Final[Tags] = {}
Contributors = tuple[str, ...]


class TagChange(NamedTuple):
    """Some subjects are spoken of otherwise from now on."""

    hashes: NDArray[np.uint64]
    """As `hash_subjects` makes them, uint64[n]."""
    values: NDArray[np.int64]
    """Packed, int64[n]; 0: nothing is said any more."""
    sets: Sequence[Contributors] = ()
    """Sets of contributors that are new: they follow on those there are."""


class TagBook:
    """`table` is what `HotPath.tags` takes; `met` and `for_rules` say in words what it found."""

    def __init__(self, sets: Sequence[Contributors] = ()) -> None:
        self.table = TagTable()
        self.sets: list[Contributors] = list(sets)

    def apply(self, change: TagChange) -> None:
        """Change what is said. The owner of the hot path then calls `tags_changed`."""
        self.sets += change.sets
        self.table.put(change.hashes, change.values)

    def met(self, values: NDArray[np.int64]) -> tuple[TagMet, ...]:
        """In words, from `HotPath.met`, in the order of paths."""
        found = []
        for path, value in zip(LIST_PATHS, values.tolist(), strict=True):
            if value:
                tag = unpacked(value)
                found.append(
                    TagMet(
                        path=path,
                        category=CATEGORY_CODES[tag.category - 1],
                        severity=tag.severity,
                        contributors=self.sets[tag.contributors],
                        pending=tag.pending,
                    )
                )
        return tuple(found)

    def for_rules(self, values: NDArray[np.int64]) -> Tags:
        """As `tag(path)` reads it in a condition."""
        return read_by_rules(self.met(values))


def read_by_rules(met: Iterable[TagMet]) -> Tags:
    """Tags that were met, on record or just now, as a condition reads them."""
    return {m.path: (m.category, m.severity, len(m.contributors)) for m in met}
