"""A table becomes columns of ready values; what is wrong with it is said by row, column and reason."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.history import (
    FRAUD,
    GENUINE,
    NEVER,
    UNKNOWN,
    HistoryBatch,
    HistoryReport,
    Mapping,
    history_rows,
    mapping_of,
    native_mapping,
    read_history,
)
from lianfang.infra.history.convert import convert, rule_of
from lianfang.infra.history.mapping import Source
from lianfang.infra.history.table import slices
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, instant
from lianfang.kernel.limits import AMOUNT_MAX
from lianfang.wire import Payment, build, catalogue

BASE: dict[str, Any] = {
    "id": {"column": "tx"},
    "time": {"column": "at", "timezone": "UTC"},
    "kind": {"constant": "card"},
    "amount": {"column": "sum", "scale": 100},
    "currency": {"constant": "EUR"},
}
_ZONED = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
AT = _ZONED.replace(tzinfo=None)
AT_US = instant(_ZONED)


def _mapping(payment: dict[str, Any] | None = None, **rest: Any) -> Mapping:
    return mapping_of({"payment": BASE | (payment or {}), **rest})


def _write(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def _table(rows: int = 3, **columns: Any) -> dict[str, Any]:
    ordinary = {
        "tx": list(range(rows)),
        "at": [AT + dt.timedelta(seconds=i) for i in range(rows)],
        "sum": [1.0] * rows,
    }
    return ordinary | columns


def _one(path: Path, mapping: Mapping, wanted: list[str], **options: Any) -> HistoryBatch:
    (batch,) = read_history(path, mapping, wanted, **options)
    return batch


def test_columns_become_ready_values(tmp_path: Path) -> None:
    table = _table(card=[7, None, 7], sum=[57.16, 0.0, 146.0], flag=[1, 0, None], lat=[1, 2, 3])
    payment = {
        "card": {"column": "card", "prefix": "k"},
        "session.screen_shared": {"column": "flag"},
        "attributes.lat": {"column": "lat"},
    }
    wanted = ["id", "time", "amount", "currency", "card", "session.screen_shared", "attributes.lat:number", "memo"]
    batch = _one(_write(tmp_path / "t.parquet", table), _mapping(payment), wanted)
    assert batch.rows == 3
    assert list(batch.columns) == wanted
    assert batch.columns["id"] == ["0", "1", "2"]
    assert batch.columns["time"] == [AT_US, AT_US + 1_000_000, AT_US + 2_000_000]
    assert batch.columns["amount"] == [5716, 0, 14600]
    assert all(type(amount) is int for amount in batch.columns["amount"])
    assert batch.columns["currency"] == ["EUR"] * 3
    assert batch.columns["card"] == ["k7", None, "k7"]
    assert batch.columns["session.screen_shared"] == [True, False, None]
    assert batch.columns["attributes.lat:number"] == [1.0, 2.0, 3.0]
    assert batch.columns["memo"] == [None] * 3
    assert batch.labels is None


@pytest.mark.parametrize("group", [10_000, 400_000])
def test_a_long_parquet_file_is_never_held_whole(tmp_path: Path, group: int) -> None:
    """Neither what was read of it, nor a group of rows as large as the file."""
    noise = np.random.default_rng(1).integers(0, 1 << 62, 400_000)  # which nothing compresses
    path = tmp_path / "long.parquet"
    pq.write_table(pa.table({"tx": noise}), path, row_group_size=group, use_dictionary=False)
    size, before, most = path.stat().st_size, pa.total_allocated_bytes(), 0
    for part in slices(path, ["tx"], 8_192):
        assert part.rows.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert size > 3_000_000
    assert most < size / 2


def test_a_csv_keeps_leading_zeros_and_says_the_same_as_parquet(tmp_path: Path) -> None:
    csv = tmp_path / "t.csv"
    csv.write_text("tx,at,sum,card,extra\na,2026-03-02 08:00:00,57.16,007,x\nb,2026-03-02T08:00:01Z,3,,y\n")
    batch = _one(csv, _mapping({"card": {"column": "card"}}), ["id", "time", "amount", "card"])
    assert batch.columns["card"] == ["007", None]
    assert batch.columns["amount"] == [5716, 300]
    assert batch.columns["time"] == [AT_US, AT_US + 1_000_000]
    assert history_rows(csv) == 2


def test_labels_and_when_they_became_known(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table(fraud=[1, 0, None], why=["scam", None, None]))
    label = {"column": "fraud", "fraud": [1], "kind": "why", "known_after": "7d"}
    batch = _one(path, _mapping(label=label, evaluate={"customer": "tx"}), ["time"])
    assert batch.labels is not None
    assert batch.labels.tolist() == [FRAUD, GENUINE, UNKNOWN]
    assert batch.known_at is not None
    assert batch.known_at.tolist() == [at + 7 * DAY for at in batch.columns["time"]]
    assert batch.extra == {"label_kind": ["scam", None, None], "customer": [0, 1, 2]}


def test_a_kind_of_fraud_that_is_a_number_is_read_as_text(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table(fraud=[1, 0, 1], why=[3, None, 12]))
    label = {"column": "fraud", "fraud": [1], "kind": "why", "known_after": "7d"}
    assert _one(path, _mapping(label=label), ["time"]).extra == {"label_kind": ["3", None, "12"]}


def test_a_label_never_known_is_never(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table(fraud=["Y", "N", "?"], known=[AT, None, AT]))
    label = {"column": "fraud", "fraud": ["Y"], "genuine": ["n"], "known_at": "known", "timezone": "UTC"}
    batch = _one(path, _mapping(label=label), [])
    assert batch.labels is not None
    assert batch.labels.tolist() == [FRAUD, GENUINE, UNKNOWN]
    assert batch.known_at is not None
    assert batch.known_at.tolist() == [AT_US, NEVER, AT_US]


@pytest.mark.parametrize(
    ("column", "path", "source", "why"),
    [
        (["x", "", "z"], "card", {}, "is empty"),
        (["x", "y" * 65, "z"], "card", {}, "longer than 64"),
        (["x", "a\x07b", "z"], "card", {}, "control character"),
        (["mobile", "fax", "web"], "channel", {}, "is not one of api"),
        (["m", "f", "m"], "channel", {"values": {"m": "mobile"}}, "not in the mapping's `values`"),
        (["10.0.0.1", "1", "::1"], "network.ip", {}, "is too short"),
        ([1.0, 91.0, 2.0], "place.latitude", {}, "is not a number from -90 to 90"),
        ([1.0, float("nan"), 2.0], "place.latitude", {}, "is not a number"),
        (["1", "1e400", "2"], "place.latitude", {}, "is not a number"),
        ([1, -1, 2], "session.failed_attempts", {}, "is not a number from 0 to 1000"),
        ([1.0, 1.5, 2.0], "session.failed_attempts", {}, "not a whole number"),
        (["yes", "perhaps", "no"], "session.screen_shared", {}, "neither true nor false"),
        ([0, -5, 10], "session.started", {"unit": "s"}, "1970"),
        ([0, 2**62, 10], "session.started", {"unit": "s"}, "1970"),
        (["2026-01-01", "soon", "2026-01-01"], "session.started", {"timezone": "UTC"}, "not a time"),
    ],
)
def test_a_bad_value_is_named_counted_and_skipped(
    tmp_path: Path, column: list[Any], path: str, source: dict[str, Any], why: str
) -> None:
    file = _write(tmp_path / "t.parquet", _table(odd=column))
    mapping = _mapping({path: {"column": "odd", **source}})
    report = HistoryReport()
    batch = _one(file, mapping, ["id", path], report=report)
    assert batch.columns["id"] == ["0", "2"]
    assert len(batch.columns[path]) == 2
    assert (report.rows, report.bad_rows) == (2, 1)
    assert report.problems[0].row == 2
    assert report.problems[0].column == f"{path} (column odd)"
    assert why in report.problems[0].why


def test_a_fraction_without_a_scale_and_an_amount_past_the_limit_are_bad(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table(sum=[1.0, 57.16, 1e16]))
    report = HistoryReport()
    batch = _one(path, _mapping({"amount": {"column": "sum"}}), ["amount"], report=report)
    assert batch.columns["amount"] == [1]
    assert [problem.row for problem in report.problems] == [2, 3]


def test_without_a_report_the_first_bad_row_raises(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table(sum=[1.0, -1.0, None]))
    with pytest.raises(InputError, match="row 2: amount"):
        list(read_history(path, _mapping(), ["amount"]))


def test_too_many_bad_rows_stop_the_reading(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table(sum=[-1.0, -1.0, -1.0]))
    with pytest.raises(InputError, match="more than 2 bad rows"):
        list(read_history(path, _mapping(), ["amount"], report=HistoryReport(bad_rows_max=2)))


def test_times_out_of_order_are_counted_across_batches_and_kept(tmp_path: Path) -> None:
    at = [AT + dt.timedelta(seconds=s) for s in (5, 4, 6, 1)]
    report, seen = HistoryReport(), list[int]()
    path = _write(tmp_path / "t.parquet", _table(4, at=at))
    batches = list(read_history(path, _mapping(), ["id"], batch_rows=1, report=report, progress=seen.append))
    assert [batch.columns["id"] for batch in batches] == [["0"], ["1"], ["2"], ["3"]]
    assert report.out_of_order == 2
    assert seen == [1, 2, 3, 4]


def test_a_missing_column_names_the_key_and_what_was_meant(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table())
    with pytest.raises(InputError, match=r"payment.amount.column.*'SUM'.*did you mean 'sum'.*tx, at, sum"):
        list(read_history(path, _mapping({"amount": {"column": "SUM"}}), ["amount"]))


def test_a_time_without_a_zone_is_refused_unless_the_mapping_gives_one(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", _table())
    with pytest.raises(InputError, match="timezone"):
        list(read_history(path, _mapping({"time": {"column": "at"}}), ["time"]))
    shanghai = _mapping({"time": {"column": "at", "timezone": "Asia/Shanghai"}})
    assert _one(path, shanghai, ["time"]).columns["time"][0] == AT_US - 8 * 3_600_000_000


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_numbers_are_times_by_their_unit(tmp_path: Path, unit: str) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    whole = AT_US // 10**6 * per_second
    for name, column in (("int", [whole]), ("text", [str(whole)])):
        path = _write(tmp_path / f"{name}.parquet", _table(1, at=column))
        assert _one(path, _mapping({"time": {"column": "at", "unit": unit}}), ["time"]).columns["time"] == [AT_US]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T08:00:00Z",
        "2026-03-02 08:00:00",
        "2026-03-02T16:00:00+08:00",
        "2026-03-02 08:00:00.000000999",
        "2026-03-02T08:00:00.000000999Z",
    ],
)
def test_text_is_a_time_in_the_usual_spellings(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path / "t.parquet", _table(2, at=[text, text]))
    assert _one(path, _mapping(), ["time"]).columns["time"] == [AT_US, AT_US]


def test_findings_come_as_tuples_of_codes(tmp_path: Path) -> None:
    as_text = _write(tmp_path / "a.parquet", _table(f=["screen-share emulator", None, ""]))
    as_list = _write(tmp_path / "b.parquet", _table(f=[["screen-share", "emulator"], None, []]))
    mapping = _mapping({"surroundings": {"column": "f"}})
    for path in (as_text, as_list):
        batch = _one(path, mapping, ["surroundings"])
        assert batch.columns["surroundings"] == [("screen-share", "emulator"), (), ()]


def test_a_file_that_is_no_table_is_an_input_error(tmp_path: Path) -> None:
    for name in ("t.parquet", "t.csv"):
        (tmp_path / name).write_bytes(b"\x00\xff not a table")
        with pytest.raises(InputError):
            list(read_history(tmp_path / name, _mapping(), ["id"]))
    with pytest.raises(InputError, match="no such file"):
        history_rows(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tx,at,sum\na,2026-03-02 08:00:00,1\nb,2026-03-02 08:00:00\n", "Expected 3 columns, got 2"),
        ("tx,at,sum,sum\na,2026-03-02 08:00:00,1,2\n", "'sum' stands twice"),
        ("tx,at\n", "'sum', which is not in the file"),
        ("", "not a CSV"),
    ],
)
def test_a_broken_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_history(tmp_path / "t.csv", _mapping(), ["id", "amount"]))


def test_a_history_without_rows_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("tx,at,sum\n")
    assert list(read_history(tmp_path / "t.csv", _mapping(), ["id"])) == []
    table = pa.table({name: pa.array(values)[:0] for name, values in _table().items()})
    pq.write_table(table, tmp_path / "t.parquet")
    assert list(read_history(tmp_path / "t.parquet", _mapping(), ["id"])) == []


@pytest.mark.parametrize("column", [[{"a": 1}, {"a": 2}, None], [b"\xff", b"a", b"b"], [[1], [2], []]])
@pytest.mark.parametrize("path", ["card", "amount", "time", "session.screen_shared"])
def test_a_column_of_a_kind_that_cannot_be_is_refused(tmp_path: Path, column: list[Any], path: str) -> None:
    file = _write(tmp_path / "t.parquet", _table(odd=column))
    with pytest.raises(InputError, match="odd"):
        list(read_history(file, _mapping({path: {"column": "odd"}}), [path]))


def test_a_native_history_needs_no_mapping(tmp_path: Path) -> None:
    table = {
        "id": ["a", "b"],
        "time": pa.array([AT_US, AT_US], pa.timestamp("us", tz="UTC")),
        "kind": ["card", "qr"],
        "amount": [100, 200],
        "currency": ["CNY", "CNY"],
        "payer.account": ["x", None],
    }
    batch = _one(_write(tmp_path / "t.parquet", table), native_mapping(), ["kind", "payer.account", "device.id"])
    assert batch.columns == {"kind": ["card", "qr"], "payer.account": ["x", None], "device.id": [None, None]}
    assert batch.labels is None
    del table["kind"]
    with pytest.raises(InputError, match="'kind'"):
        list(read_history(_write(tmp_path / "u.parquet", table), native_mapping(), ["id"]))


@settings(max_examples=200)
@given(st.decimals(0, 10**7, places=2), st.sampled_from([pa.float64(), pa.string(), pa.decimal128(12, 2)]))
def test_money_with_two_decimals_becomes_exact_cents(amount: Decimal, kind: pa.DataType) -> None:
    array: Any = pa.array([amount]).cast(kind)
    values, flaws = convert(array, rule_of("amount"), Source(column="x", scale=100))
    assert not flaws
    assert values == [int(amount * 100)]


_TEXT_PATHS = [path for path, field in catalogue().items() if field.type == "text" and path not in {"id", "kind"}]


@settings(max_examples=300)
@given(st.sampled_from(_TEXT_PATHS), st.one_of(st.text(max_size=80), st.sampled_from(["mobile", "CNY", "otp", "::1"])))
def test_the_reader_takes_a_text_exactly_where_the_wire_does(path: str, value: str) -> None:
    values, flaws = convert(pa.array([value]), rule_of(path), Source(column="x"))
    assert bool(flaws) == (not _wire_takes(path, value))
    if not flaws:
        assert values == [value]


@settings(max_examples=200)
@given(
    st.sampled_from(["amount", "session.failed_attempts"]),
    st.one_of(st.integers(-5, 2_000), st.integers(AMOUNT_MAX - 2, AMOUNT_MAX + 2), st.integers(-(2**63), 2**63 - 1)),
)
def test_the_reader_takes_a_number_exactly_where_the_wire_does(path: str, value: int) -> None:
    values, flaws = convert(pa.array([value]), rule_of(path), Source(column="x"))
    assert bool(flaws) == (not _wire_takes(path, value))
    if not flaws:
        assert values == [value]


def _wire_takes(path: str, value: Any) -> bool:
    if isinstance(value, str) and any(c < " " for c in value):
        return False  # the wire's reader refuses these, its structs do not see them
    payment: dict[str, Any] = {
        "id": "a",
        "time": "2026-03-02T08:00:00Z",
        "kind": "card",
        "amount": 1,
        "currency": "CNY",
    }
    *parents, name = path.split(".")
    place = payment
    for parent in parents:
        place = place.setdefault(parent, {})
    place[name] = value
    try:
        build(Payment, payment)
    except InputError:
        return False
    return True
