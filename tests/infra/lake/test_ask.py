"""A query reads three views and can do nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.lake import Question, asked, build, check
from lianfang.infra.lake.ask import SQL_LENGTH_MAX
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.kernel.instant import Instant, instant
from tests.infra.lake.journals import NAMES, journal


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    journal(folder / "j")
    build(folder / "j", folder / "lake", NAMES)
    return folder / "lake"


def ask(lake: Path, sql: str, **more: Any) -> list[dict[str, Any]]:
    with asked(lake, Question(sql, **more)) as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
        return rows


def test_hits_are_counted(lake: Path) -> None:
    rows = ask(lake, "select hit, count(*) n from (select unnest(hits) hit from decisions) group by hit")
    assert rows == [{"hit": "r1", "n": 15}]


def test_features_have_their_names(lake: Path) -> None:
    rows = ask(lake, "select f_spent, f_payees from decisions where payment_id in ('p4', 'p5') order by f_spent")
    assert rows == [{"f_spent": 6.0, "f_payees": 2.0}, {"f_spent": 7.5, "f_payees": None}]


def test_common_table_expressions_and_joins_are_fine(lake: Path) -> None:
    sql = """
        with big as (select payment_id from decisions where amount >= 150),
             told as (select payment_id from outcomes)
        select count(*) n from big join told using (payment_id), range(2) twice;
    """
    assert ask(lake, sql) == [{"n": 6}]


def test_describe_shows_the_columns(lake: Path) -> None:
    names = {row["column_name"] for row in ask(lake, "describe known")}
    assert {"payment_id", "payer_account", "label", "known_at", "f_spent"} <= names


@pytest.mark.parametrize(
    "sql",
    [
        "copy decisions to 'out.csv'",
        "copy (select 1) to 'out.parquet'",
        "attach 'other.db'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "pragma version",
        "set enable_external_access = true",
        "reset all",
        "create table t as select 1",
        "create view v as select 1",
        "insert into decisions values (1)",
        "delete from decisions",
        "drop view decisions",
        "export database 'x'",
        "explain select 1",
        "explain analyze select 1",
        "call pragma_version()",
        "prepare p as select 1",
        "select 1; select 2",
        "",
        "select",
        "pivot decisions on action",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('/etc/passwd')",
        "select * from glob('/*')",
        "select * from read_parquet('{part}')",
        "select * from parquet_metadata('{part}')",
        "select * from '{part}'",
        'select * from "{part}"',
        "select * from '/etc/passwd'",
        "with \"{part}\" as (select 1) select * from '{part}'",
        "with duckdb_views as (select 1) select * from duckdb_views",
        "select * from duckdb_views()",
        "select * from duckdb_settings()",
        "select * from sqlite_master",
        "select * from information_schema.tables",
        "select * from memory.main.decisions",
        "select * from query('select 1')",
        "select * from query_table('decisions')",
        "select getvariable('x')",
        "select current_setting('memory_limit')",
        "select getenv('HOME')",
        "select pg_get_viewdef(1)",
        "select pg_catalog.pg_get_viewdef(1)",
        "select (1).pg_get_viewdef()",
        "select 1 as x order by pg_get_viewdef(x)",
        "select write_log('x')",
        "select (select count(*) from read_csv('/etc/passwd')) from decisions",
        "select * from decisions where payment_id in (select content from read_text('/etc/passwd'))",
        "show all tables",
        "show tables",
        "select * from pragma_table_info('decisions')",
        "select * from sniff_csv('/etc/passwd')",
        "select * from read_json('https://example.org/x.json')",
        "select x from decisions",
        "select * from decisions where",
    ],
)
def test_everything_else_is_refused_with_a_sentence(lake: Path, sql: str) -> None:
    part = next(lake.glob("decisions/*/*.parquet"))
    with pytest.raises(InputError) as why:
        ask(lake, sql.replace("{part}", str(part)))
    assert why.value.where == "sql"
    assert 10 < len(why.value.what) < 700


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to '{part}'",
        "select * from read_csv('/etc/passwd')",
        "attach '{part}.db'",
        "install httpfs",
        "set threads = 9",
        "set enable_external_access = true",
        "select * from read_parquet('{folder}/*.parquet')",
    ],
)
def test_the_second_wall_holds_without_the_first(lake: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    monkeypatch.setattr("lianfang.infra.lake.ask.check", lambda sql: None)
    part = next(lake.glob("decisions/*/*.parquet"))
    before = part.read_bytes()
    with pytest.raises(InputError, match=r"disabled|locked|Cannot"):
        ask(lake, sql.replace("{part}", str(part)).replace("{folder}", str(part.parent)))
    assert part.read_bytes() == before


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="select *from('/.;\"-)with as decisions", max_size=60))
def test_no_text_raises_anything_but_our_errors(sql: str) -> None:
    try:
        check(sql)
    except InputError as why:
        assert why.where == "sql"


def test_personal_fields_are_tokens_that_count_but_do_not_find(lake: Path) -> None:
    (row,) = ask(
        lake,
        "select payer_name, payer_phone, payer_account, payer_member, attributes from decisions where payment_id = 'p8'",
    )
    text = str(row)
    assert "王" not in text
    assert "138001" not in text
    assert row["payer_account"].startswith("~")
    assert row["payer_member"] == "bank-a"
    assert dict(row["attributes"]) == {"same_owner": "true", "note": '"***"', "phone": '"***"', "n": "7"}
    (count,) = ask(lake, "select count(distinct payer_account) n from decisions")
    assert count["n"] == 7
    assert ask(lake, "select 1 from decisions where payer_account = '6222-1'") == []
    (again,) = ask(lake, "select payer_account from decisions where payment_id = 'p8'")
    assert again["payer_account"] != row["payer_account"], "another session, another token"


def test_unmasked_they_are_as_they_came(lake: Path) -> None:
    sql = "select payer_name, payer_account, attributes from decisions where payment_id = 'p8'"
    (row,) = ask(lake, sql, masked=False)
    assert (row["payer_name"], row["payer_account"]) == ("王小明", "6222-1")
    assert dict(row["attributes"])["note"] == '"call 13800138000"'


def test_functions_that_share_a_name_with_the_catalogues_are_not_refused(lake: Path) -> None:
    (row,) = ask(lake, "select histogram(action) h, current_date is not null d, list_sum([1, 2]) s from decisions")
    assert dict(row["h"]) == {"allow": 57, "hold": 15}


def test_a_limit_is_kept(lake: Path) -> None:
    assert len(ask(lake, "select seq from decisions -- all of them", limit=7)) == 7
    rows = ask(lake, "select payment_id from decisions order by amount desc", limit=2)
    assert [row["payment_id"] for row in rows] == ["p71", "p70"], "the first of the order that was asked for"


def test_too_much_time_and_too_much_memory_are_said(lake: Path) -> None:
    with pytest.raises(TooLargeError, match="took more than"):
        ask(
            lake,
            "select count(*) from range(100000000) a, range(100000000) b where a.range % 7 = b.range % 5",
            seconds=0.3,
        )
    with pytest.raises(TooLargeError, match="needs more than"):
        ask(lake, "select list(range) from range(100000000)", memory_mb=64)
    with pytest.raises(TooLargeError, match="characters"):
        check("select " + "1" * SQL_LENGTH_MAX)


def test_what_was_known_then(lake: Path) -> None:
    day_two = Instant(instant(datetime(2026, 9, 2, 12, tzinfo=UTC)))
    counts = "select count(*) n, count(label) told from known"
    assert ask(lake, counts) == [{"n": 72, "told": 8}]
    assert ask(lake, counts, as_of=day_two) == [{"n": 37, "told": 2}]


def test_without_a_lake_or_without_rows_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no lake"):
        ask(tmp_path, "select 1")
    (tmp_path / "j").mkdir()
    build(tmp_path / "j", tmp_path / "lake", NAMES)
    with pytest.raises(InputError, match="no decisions yet"):
        ask(tmp_path / "lake", "select 1")
