"""`lianfang convert`: told by content, written as asked, what was lost on standard error."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lianfang.app.cli import main
from lianfang.infra.messages.iso8583 import write_iso8583
from tests.infra.messages.samples import CAMT_054, CAMT_056, PAIN_001_03, pacs008, transfer
from tests.infra.messages.test_iso8583 import REQUEST


class Shell:
    """Runs commands in a folder of their own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def convert(self, content: str | bytes, *options: str, name: str = "in", status: int = 0) -> tuple[str, str]:
        file = self.folder / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert main(["convert", str(file), *options]) == status
        said = self._capture.readouterr()
        return said.out, said.err

    def json(self, content: str | bytes, *options: str, name: str = "in") -> list[dict[str, Any]]:
        out, _ = self.convert(content, *options, name=name)
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)


def test_each_form_is_told_by_its_content(shell: Shell) -> None:
    assert shell.json(pacs008())[0]["id"] == "T1"
    assert len(shell.json(PAIN_001_03)) == 2
    assert shell.json(CAMT_054)[0]["id"] == "T9"
    assert shell.json(CAMT_056)[0]["label"] == "disputed"
    assert shell.json(write_iso8583("0100", REQUEST).hex())[0]["card"] == REQUEST["2"]


def test_what_was_lost_is_told_on_standard_error_and_in_the_figures(shell: Shell) -> None:
    _, err = shell.convert(pacs008(), "--to", "json", "--out", "o", "--json", "f.json")
    assert "lost in reading: CdtTrfTxInf/Dbtr/PstlAdr/TwnNm" in err
    figures = json.loads((shell.folder / "f.json").read_text())
    assert (figures["from"], figures["to"], figures["items"]) == ("pacs.008", "json", 1)
    assert {"in": "reading", "path": "GrpHdr/SttlmInf", "times": 1} in figures["lost"]


@pytest.mark.parametrize("form", ["pacs.008", "json", "csv", "parquet", "iso8583"])
def test_there_and_back_again_keeps_the_payment(shell: Shell, form: str) -> None:
    if form == "iso8583":
        before: str | bytes = write_iso8583("0100", REQUEST).hex()
    else:
        before = pacs008(transfer(), transfer(reference="T2"))
    first = shell.json(before)
    shell.convert(json.dumps(first), "--to", form, "--out", f"o.{form}")
    again = shell.json((shell.folder / f"o.{form}").read_bytes(), name=f"again.{form}")
    for payment in [*first, *again]:
        payment["time"] = datetime.fromisoformat(payment["time"])  # the same moment, whatever its offset
        if form in ("csv", "parquet"):  # the native layout has no column for attributes
            payment.pop("attributes", None)
    assert again == first


def test_decisions_become_a_status_report_and_payments_do_not(shell: Shell) -> None:
    decision = {
        "payment_id": "T1",
        "action": "block",
        "decided_at": "2026-05-01T08:00:00Z",
        "seq": 1,
        "versions": {"rules": "r", "lists": "l", "features": "f"},
    }
    out, err = shell.convert(json.dumps(decision), "--to", "pacs.002")
    assert "<TxSts>RJCT</TxSts>" in out
    assert "lost in writing: versions" in err
    assert shell.json(out)[0]["action"] == "block"
    _, err = shell.convert(pacs008(), "--to", "pacs.002", status=2)
    assert "made of decisions" in err


def test_a_recall_is_answered_from_its_outcome(shell: Shell) -> None:
    out, _ = shell.convert(CAMT_056, "--to", "camt.029")
    assert "<Conf>PDCR</Conf>" in out
    out, _ = shell.convert(CAMT_056, "--to", "camt.056")
    assert "<Cd>FRAD</Cd>" in out


def test_a_table_goes_by_its_mapping(shell: Shell) -> None:
    (shell.folder / "m.toml").write_text(
        'schema = "mapping/1"\n[payment]\nid = { column = "n" }\ntime = { column = "t" }\nkind = { constant = "card" }\n'
        'amount = { column = "a", scale = 100 }\ncurrency = { constant = "EUR" }\n"attributes.shop" = { column = "s" }\n'
    )
    rows = "n,t,a,s\n7,2026-05-01T08:00:00Z,1.5,x\n"
    (payment,) = shell.json(rows, "--mapping", "m.toml", name="t.csv")
    assert (payment["id"], payment["amount"], payment["attributes"]) == ("7", 150, {"shop": "x"})


@pytest.mark.parametrize(
    ("content", "options", "why"),
    [
        ("hello", [], "neither XML"),
        ("", [], "neither XML"),
        ("{}", [], "item 1"),
        ("[1]", [], "item 1"),
        ("<a/>", [], "0 Documents"),
        (pacs008(), ["--from", "pain.001"], "this is a pacs.008"),
        (pacs008(), ["--from", "mt103"], "not a form that is read"),
        (pacs008(), ["--to", "mt103"], "not a form that is written"),
        (pacs008(), ["--to", "parquet"], "--out"),
        (pacs008(), ["--timezone", "Mars/Olympus"], "not a time zone"),
        ("0100zz", ["--from", "iso8583"], "message 1"),
        (CAMT_056, ["--to", "pacs.008"], "made of payments"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_one_sentence(
    shell: Shell, content: str, options: list[str], why: str
) -> None:
    _, err = shell.convert(content, *options, status=2)
    assert why in err
    assert "Traceback" not in err


def test_a_file_that_is_too_large_is_refused_unread(shell: Shell) -> None:
    file = shell.folder / "huge.xml"
    with file.open("wb") as out:
        out.truncate(100 << 20)
    assert main(["convert", str(file)]) == 2


def test_a_file_that_is_not_there_is_refused(shell: Shell) -> None:
    assert main(["convert", str(shell.folder / "none.xml")]) == 2


def test_the_bench_of_messages_writes_its_figures(shell: Shell) -> None:
    assert main(["bench", "messages", "--quick", "--json", "b.json"]) == 0
    names = {f["name"] for f in json.loads((shell.folder / "b.json").read_text())["figures"]}
    assert names == {"pacs008_in_us", "pacs008_out_us", "pacs008_us", "pacs002_out_us", "iso8583_us"}
