"""What the journal has beyond the index, in memory: small runs, merged as those on disk are, at most `ROWS` rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lianfang.engines.keyed import HashKey
from lianfang.infra.finding.gather import Gathering, Seen, newest_decision
from lianfang.infra.finding.run import Run, merge
from lianfang.infra.lake.columns import Answered, Told

TAIL_ROWS: Final = 1_000_000
"""About 200 MB. When there are more, the oldest can not be found until the index has them."""
RUN_ROWS_MAX: Final = 65_536
FAN: Final = 4


class View:
    """The tail at one instant: runs by seq, of everything from `begins` to before `next_seq` but for what `gaps` count."""

    def __init__(self, runs: tuple[Run, ...], begins: int, next_seq: int, gaps: tuple[tuple[int, int], ...]) -> None:
        self.runs, self.begins, self.next_seq, self.gaps = runs, begins, next_seq, gaps

    def missing(self, from_seq: int) -> int:
        """Records from `from_seq` on that can not be found here."""
        missing = max(min(self.begins, self.next_seq) - from_seq, 0)
        return missing + sum(count for seq, count in self.gaps if seq >= max(from_seq, self.begins))


class Tail:
    """Fed by one thread; `view` may be asked from any."""

    def __init__(self, key: HashKey, rows_max: int = TAIL_ROWS, run_rows_max: int = RUN_ROWS_MAX) -> None:
        self._key, self._rows_max, self._run_rows_max = key, rows_max, run_rows_max
        self._older: Sequence[Run] = ()
        self._view = View((), 0, 0, ())

    @property
    def view(self) -> View:
        """A consistent picture of now."""
        return self._view

    def begin(self, seq: int) -> None:
        """Starts (again) with nothing, at this seq."""
        self._view = View((), seq, seq, ())

    def add(self, records: Sequence[Answered | Told], next_seq: int, skipped: int = 0) -> None:
        """More records, by seq; then it has seen everything below `next_seq`, but for `skipped` decisions or outcomes."""
        had = self._view
        runs = list(had.runs)
        if records:
            gathering = Gathering(self._key, self._resolve)
            for record in records:
                gathering.add(record)
            runs.append(gathering.finish())
            self._merge(runs)
        gaps = (*had.gaps, (next_seq - 1, skipped)) if skipped else had.gaps
        if len(gaps) > 1_000:  # told less finely, never forgotten
            gaps = ((gaps[500][0], sum(count for _, count in gaps[:501])), *gaps[501:])
        begins = had.begins
        while len(runs) > 1 and sum(map(len, runs)) > self._rows_max:
            begins = runs.pop(0).sizes.last + 1
        self._view = View(tuple(runs), begins, next_seq, gaps)

    def indexed(self, next_seq: int, older: Sequence[Run] = ()) -> None:
        """The index has everything below `next_seq` now, in the runs `older`."""
        self._older = older
        had = self._view
        runs = tuple(run for run in had.runs if run.sizes.last >= next_seq)
        gaps = tuple(gap for gap in had.gaps if gap[0] >= next_seq)
        self._view = View(runs, had.begins, had.next_seq, gaps)

    def _resolve(self, key: Any, below: int) -> Seen | None:
        return newest_decision([*self._older, *self._view.runs], key, below)

    def _merge(self, runs: list[Run]) -> None:
        while len(runs) >= FAN and len({run.level for run in runs[-FAN:]}) == 1:
            some = runs[-FAN:]
            if sum(map(len, some)) > self._run_rows_max:
                return
            made = merge(some)
            made.level = some[0].level + 1
            runs[-FAN:] = [made]
