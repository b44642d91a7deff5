"""The figures of the lake, on a small journal."""

from __future__ import annotations

from pathlib import Path

from lianfang.app.bench.lake import measure


def test_every_figure_is_measured(tmp_path: Path) -> None:
    found = {figure.name: figure.value for figure in measure(tmp_path, 2_000)}
    assert set(found) == {
        *("build_s", "build_cpu_s", "build_per_s", "compact_s", "hit_counts_s", "as_of_join_s"),
        *("journal_mb", "lake_mb", "compacted_mb", "lake_bytes_per_decision", "parts"),
    }
    assert all(value > 0 for value in found.values())
