"""A made-up world's history, small, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lianfang.engines.world import WorldConfig, generate
from lianfang.infra.history import write_history

CONFIG = WorldConfig(seed=5, people=1_500, merchants=100, days=40, scams_per_day=14.0)


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "world.parquet"
    write_history(generate(CONFIG), path)
    return path
