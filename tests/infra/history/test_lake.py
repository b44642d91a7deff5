"""A lake as a history: in the native layout, by time, with the label as it came to be known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lianfang.infra.history import FRAUD, GENUINE, NEVER, UNKNOWN, history_rows, native_mapping, read_history
from lianfang.infra.history.table import columns_of
from lianfang.infra.lake import build
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, MINUTE
from tests.infra.lake.journals import NAMES, START, Writing


def lake_of(folder: Path, told: list[tuple[int, str, int]], late: int = 0) -> Path:
    written = Writing(folder / "j")
    written.decide(30)
    for number, label, known_at in told:
        written.tell(number, label, known_at)
    if late:  # decided after midnight, asked for the day before
        from datetime import timedelta

        from tests.infra.lake.journals import DAY_ONE

        written.decide(1, time=DAY_ONE + timedelta(microseconds=late))
    written.close()
    build(folder / "j", folder / "lake", NAMES)
    return folder / "lake"


def read(lake: Path, *wanted: str) -> Any:
    (batch,) = read_history(lake, native_mapping(), ["id", "time", *wanted])
    return batch


def test_payments_come_by_time_also_over_midnight(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [], late=90 * MINUTE)
    batch = read(lake, "amount")
    assert batch.rows == history_rows(lake) == 31
    assert batch.columns["id"][:4] == ["p0", "p1", "p30", "p2"]
    assert batch.columns["time"] == sorted(batch.columns["time"])


@pytest.mark.parametrize(
    ("told", "label", "known_at"),
    [
        ([], GENUINE, NEVER),
        ([("fraud", 3)], FRAUD, 3),
        ([("fraud", 3), ("fraud", 5)], FRAUD, 3),
        ([("fraud", 3), ("genuine", 5)], GENUINE, 5),
        ([("genuine", 3), ("fraud", 5), ("fraud", 6)], FRAUD, 5),
        ([("fraud", 5), ("genuine", 3)], FRAUD, 5),
        ([("fraud", 1), ("genuine", 2), ("fraud", 4), ("fraud", 6)], FRAUD, 4),
        ([("fraud", 3), ("disputed", 4)], UNKNOWN, 4),
        ([("fraud", 3), ("genuine", 3)], GENUINE, 3),
    ],
)
def test_the_label_is_the_latest_and_known_since_it_has_been_so(
    tmp_path: Path, told: list[tuple[str, int]], label: int, known_at: int
) -> None:
    lake = lake_of(tmp_path, [(4, word, START + day * DAY) for word, day in told])
    batch = read(lake)
    place = batch.columns["id"].index("p4")
    assert batch.labels is not None
    assert batch.known_at is not None
    assert batch.labels[place] == label
    assert batch.known_at[place] == (known_at if known_at == NEVER else START + known_at * DAY)
    assert batch.labels.sum() == batch.labels[place], "and nobody else's"


def test_attributes_are_columns_of_their_type(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [])
    kinds = {name: str(kind) for name, kind in columns_of(lake).items() if name.startswith("attributes.")}
    assert kinds == {
        "attributes.same_owner": "bool",
        "attributes.note": "string",
        "attributes.phone": "double",
        "attributes.n": "double",
    }
    batch = read(lake, "attributes.same_owner:flag", "attributes.note:text", "attributes.n:number", "surroundings")
    assert batch.columns["attributes.same_owner:flag"][0] is True
    assert batch.columns["attributes.note:text"][0] == "call 13800138000"
    assert batch.columns["attributes.n:number"][0] == 7
    assert batch.columns["surroundings"][0] == ()


def test_an_empty_lake_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    with pytest.raises(InputError, match="no decisions yet"):
        read(tmp_path / "lake")
