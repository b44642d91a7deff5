"""Files of list entries: four kinds that say the same, and every line that is refused says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.app.listfiles import read_list_file
from lianfang.kernel.errors import InputError
from lianfang.wire import ListEntry

GIVEN = {"list": "mules", "effect": "block", "subject": "account", "purpose": "p", "source": "s"}
ROWS: list[dict[str, Any]] = [
    {"value": "A1", "side": "payer"},
    {"value": "乙2", "subject": "card", "valid_until": "2030-01-01T00:00:00Z"},
]


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    file = folder / f"entries.{kind}"
    columns = sorted({name for row in rows for name in row})
    if kind == "parquet":
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in columns}), file)
    elif kind == "csv":
        lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in rows)]
        file.write_text("\n".join(lines) + "\n", "utf-8-sig")
    else:
        file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_kinds_of_file_say_the_same(tmp_path: Path, kind: str) -> None:
    found = read_list_file(write(tmp_path, kind, ROWS), GIVEN)
    assert found.refused == []
    assert found.entries == [
        ListEntry(**{**GIVEN, "value": "A1", "side": "payer"}),  # type: ignore[arg-type]
        ListEntry(**{**GIVEN, "subject": "card", "value": "乙2", "valid_until": datetime(2030, 1, 1, tzinfo=UTC)}),  # type: ignore[arg-type]
    ]


def test_a_value_a_line_and_times_of_parquet(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes("\ufeffA1\r\n\n  A2 \n".encode())
    assert [e.value for e in read_list_file(tmp_path / "l.txt", GIVEN).entries] == ["A1", "A2"]
    until = pa.array([datetime(2030, 1, 1, tzinfo=UTC), None], pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"value": ["a", "b"], "valid_until": until}), tmp_path / "t.parquet")
    found = read_list_file(tmp_path / "t.parquet", GIVEN)
    assert [e.valid_until for e in found.entries] == [datetime(2030, 1, 1, tzinfo=UTC), None]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"value": "x", "effect": "bloc"}', "Invalid enum value 'bloc'"),
        ('{"value": "x", "side": "left"}', "Invalid enum value 'left'"),
        ('{"value": "x", "valid_until": "2030-01-01T00:00:00"}', "timezone"),
        ('{"value": "x", "valid_from": "2030-01-01T00:00:00Z", "valid_until": "2029-01-01T00:00:00Z"}', "ends before"),
        ('{"value": "x", "colour": "red"}', "unknown field `colour`"),
        ('{"value": "x", "value": "y"}', "twice"),
        ('{"value": "x\\u0000"}', "control"),
        ('{"value": "x", "purpose": "  "}', "says its purpose"),
        ('{"value": "x", "list": "other"}', "of the list 'other'"),
        ('{"value": "x", "effect": "watch"}', "the list has the effect block; this says watch"),
        ('{"value": "A1", "source": "other"}', "stands otherwise at"),
        ('{"value": ', "not JSON"),
        ('["x"]', "an entry is an object"),
        ("{}", "missing required field `value`"),
        ('{"value": "' + "x" * 257 + '"}', "length <= 256"),
    ],
)
def test_a_refused_line_says_where_and_why_and_the_others_are_taken(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "l.jsonl"
    file.write_text('{"value": "A1"}\n' + line + '\n{"value": "A2"}\n{"value": "A1"}\n', "utf-8")
    found = read_list_file(file, GIVEN)
    assert [e.value for e in found.entries] == ["A1", "A2"]
    assert found.repeated == 1
    [refused] = found.refused
    assert says in refused.what
    assert refused.where == f"{file}, line 2"


def test_a_row_of_csv_with_too_much_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("value,subject\nA1,card,what\nA2,card\n", "utf-8")
    found = read_list_file(tmp_path / "l.csv", GIVEN)
    assert [(r.where[-6:], "more values" in r.what) for r in found.refused] == [("line 2", True)]
    assert [e.value for e in found.entries] == ["A2"]


@pytest.mark.parametrize(
    ("name", "content"), [("l.parquet", b"PAR1"), ("l.csv", b"\xff\xfe\x00"), ("nothing.csv", None)]
)
def test_a_file_that_cannot_be_read_at_all_is_one_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot read the list"):
        read_list_file(tmp_path / name, GIVEN)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["jsonl", "csv", "txt", "parquet"]))
def test_any_bytes_are_entries_or_refused(tmp_path: Path, raw: bytes, kind: str) -> None:
    file = tmp_path / f"any.{kind}"
    file.write_bytes(raw)
    try:
        found = read_list_file(file, GIVEN)
    except InputError:
        return
    assert all(entry.list == "mules" and entry.purpose for entry in found.entries)
    assert all(line.where and line.what for line in found.refused)
