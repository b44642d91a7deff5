"""What may go: whole days older than the years they are kept, and the journal's segments that hold nothing younger.

Only the lake's own files are removed here, by the manifest first; the journal is spoken of, never touched.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from lianfang.infra.journal.reader import spans
from lianfang.infra.lake.manifest import Manifest, Part, building, read_manifest, sweep, write_manifest
from lianfang.kernel.errors import DependencyError
from lianfang.kernel.instant import moment


class Going(msgspec.Struct, frozen=True):
    """Parts whose day is over the limit, and the journal's segments that are whole in the lake and older than the limit."""

    cutoff: date
    """The first day that stays."""
    parts: tuple[Part, ...]
    segments: tuple[str, ...]

    @property
    def days(self) -> int:
        """Days that go."""
        return len({part.day for part in self.parts})

    @property
    def rows(self) -> int:
        """Rows that go."""
        return sum(part.rows for part in self.parts)


def cutoff_of(today: date, years: int) -> date:
    """The first day that stays: the same date so many years ago; 29 February becomes 28."""
    try:
        return today.replace(year=today.year - years)
    except ValueError:
        return today.replace(year=today.year - years, day=28)


def going(lake: Path, journal: Path, cutoff: date) -> Going:
    """What is older than `cutoff`. Changes nothing."""
    return _going(read_manifest(lake), journal, cutoff)


def _going(manifest: Manifest, journal: Path, cutoff: date) -> Going:
    parts = tuple(part for part in manifest.parts if part.day < cutoff)
    segments = []
    for span, after in zip(every := spans(journal) if journal.is_dir() else [], every[1:], strict=False):
        # The next segment was begun after this one's last record: if that was before the limit, so was all of this.
        ended = after.header.created if after.header is not None else None
        if ended is None or after.first_seq > manifest.next_seq or moment(ended).date() >= cutoff:
            break
        segments.append(span.path.name)
    return Going(cutoff, parts, tuple(segments))


def let_go(lake: Path, journal: Path, cutoff: date) -> tuple[Going, int]:
    """Takes the days out of the manifest, then removes their files; how many (the rest at the next build, while others read).

    Raises `DependencyError` while another process changes the lake or the disk refuses.
    """
    with building(lake):
        try:
            manifest = read_manifest(lake)
            found = _going(manifest, journal, cutoff)
            kept = tuple(part for part in manifest.parts if part not in found.parts)
            write_manifest(lake, msgspec.structs.replace(manifest, parts=kept))
            return found, sweep(lake)
        except OSError as why:
            raise DependencyError(
                f"days of the lake in {lake} cannot be removed: {why.strerror or why}", "lake-failed"
            ) from why
