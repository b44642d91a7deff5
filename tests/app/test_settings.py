"""Settings: one table, unknown names refused, the environment before the file before the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from lianfang.app.settings import HELP, Settings, load
from lianfang.kernel.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lianfang.toml"


def refusal(environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load(environ, file)
    return str(caught.value)


def test_the_environment_goes_before_the_file_before_the_default(file: Path) -> None:
    file.write_text("desk_port = 9000\ndecider_port = 9001\n")
    settings = load({"LIANFANG_DESK_PORT": "9500", "PATH": "x"}, file)
    assert (settings.desk_port, settings.decider_port, settings.host) == (9_500, 9_001, Settings().host)
    assert load({"LIANFANG_DESK_PORT": "9500"}, file, {"desk_port": 1, "host": None}).desk_port == 1
    assert load({"LIANFANG_CONFIG": str(file)}).desk_port == 9_000


def test_without_anything_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}) == Settings()


@pytest.mark.parametrize("name", ["LIANFANG_DESK_PROT", "LIANFANG_DESKPORT"])
def test_an_unknown_variable_is_refused_with_a_hint(name: str, file: Path) -> None:
    file.write_text("")
    said = refusal({name: "9000"}, file)
    assert name in said
    assert "did you mean desk_port?" in said


def test_an_unknown_name_in_the_file_is_refused_with_a_hint(file: Path) -> None:
    file.write_text("rule_budget_ms = 1\n")
    said = refusal({}, file)
    assert str(file) in said
    assert "did you mean rule_budget_us?" in said
    file.write_text("zzz = 1\n")
    assert "did you mean" not in refusal({}, file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("desk_port", "-1"),
        ("desk_port", "65536"),
        ("desk_port", "http"),
        ("desk_port", ""),
        ("deadline_ms", "0"),
        ("deadline_ms", "1.5"),
        ("ids_remembered", "many"),
        ("feature_memory_mb", "1"),
        ("log_level", "loud"),
    ],
)
def test_a_bad_value_names_its_setting(name: str, value: str, file: Path) -> None:
    file.write_text("")
    assert f"$.{name}" in refusal({f"LIANFANG_{name.upper()}": value}, file)


def test_a_file_that_is_named_must_be_there_and_readable(tmp_path: Path, file: Path) -> None:
    assert "cannot be read" in refusal({}, file)
    assert "cannot be read" in refusal({"LIANFANG_CONFIG": str(file)})
    assert "cannot be read" in refusal({}, tmp_path)


@pytest.mark.parametrize("raw", [b"desk_port = ", b"\xff", b"[a", b"desk_port = 1\ndesk_port = 2"])
def test_a_broken_file_is_named(raw: bytes, file: Path) -> None:
    file.write_bytes(raw)
    assert str(file) in refusal({}, file)


def test_a_certificate_needs_its_key(file: Path) -> None:
    file.write_text("")
    assert "together" in refusal({"LIANFANG_TLS_CERT": "c.pem"}, file)


def test_every_setting_is_explained() -> None:
    assert tuple(HELP) == Settings.__struct_fields__
    assert all(HELP.values())
