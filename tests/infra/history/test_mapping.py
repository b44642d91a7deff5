"""Mapping files: what they may say, and how they say no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lianfang.infra.history import mapping_of, read_history, read_mapping
from lianfang.kernel.errors import InputError

GOOD: dict[str, Any] = {
    "id": {"column": "a"},
    "time": {"column": "b", "timezone": "UTC"},
    "kind": {"constant": "card"},
    "amount": {"column": "c"},
    "currency": {"constant": "CNY"},
}


def test_quoted_paths_and_nested_tables_are_the_same() -> None:
    quoted = mapping_of({"payment": GOOD | {"payer.account": {"column": "x"}}})
    nested = mapping_of({"payment": GOOD | {"payer": {"account": {"column": "x"}}}})
    assert quoted == nested


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payer.acount": {"column": "x"}}, "no field 'payer.acount'; did you mean 'payer.account'"),
        ({"card": {"column": "x", "constant": "y"}}, "either `column` or `constant`"),
        ({"card": {}}, "either `column` or `constant`"),
        ({"card": {"colunm": "x"}}, "colunm"),
        ({"time": {"column": "b", "timezone": "Asia/Shangai"}}, "not a time zone"),
        ({"amount": {"column": "c", "scale": 0}}, "scale"),
    ],
)
def test_a_wrong_field_is_refused_with_its_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")) as why:
        mapping_of({"payment": GOOD | change})
    assert "payment" in why.value.where


def test_a_payment_without_an_amount_is_refused() -> None:
    with pytest.raises(InputError, match="'amount'"):
        mapping_of({"payment": {path: source for path, source in GOOD.items() if path != "amount"}})


@pytest.mark.parametrize(
    "label",
    [
        {"column": "f", "fraud": []},
        {"column": "f", "fraud": [1], "known_at": "x", "known_after": "7d"},
        {"column": "f", "fraud": [1], "known_after": "soon"},
        {"fraud": [1]},
    ],
)
def test_a_label_that_could_not_be_meant_is_refused(label: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        mapping_of({"payment": GOOD, "label": label})


def test_errors_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    for text in ("[payment\n", "[payment]\nid = { colum = 'x' }\n"):
        file.write_text(text)
        with pytest.raises(InputError, match=r"m\.toml"):
            read_mapping(file)
    with pytest.raises(InputError, match=r"missing\.toml"):
        read_mapping(tmp_path / "missing.toml")


def test_a_constant_the_wire_would_refuse_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["1"], "c": [1], "b": ["2026-01-01"]}), tmp_path / "t.parquet")
    mapping = mapping_of({"payment": GOOD | {"currency": {"constant": "EURO"}}})
    with pytest.raises(InputError, match="'EURO'"):
        list(read_history(tmp_path / "t.parquet", mapping, ["currency"]))
