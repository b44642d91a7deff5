"""Files of outcomes: what is good is taken, what is not is told by line; a spreadsheet never runs what is exported."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianfang.console.knowing import outcome_of
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.kernel.instant import Instant, instant
from lianfang.services.cases.exporting import FORMULA, defused
from lianfang.services.cases.imports import IMPORT_ROWS_MAX, Sheet, read_sheet
from lianfang.wire import Outcome

NOW = Instant(1_780_000_000_000_000)
ZONE = ZoneInfo("Asia/Shanghai")


def make(payment_id: str, label: str, at: int, kind: str, note: str) -> Outcome:
    return outcome_of(payment_id, label, at, "person:x", kind, note)


def read(text: str) -> Sheet:
    return read_sheet(text, ZONE, NOW, make, lambda one: one.startswith("p"))


def test_good_lines_are_outcomes_and_a_time_without_zone_is_the_nodes() -> None:
    sheet = read('\ufeffpayment_id,label,kind,known_at,note\np1,fraud,mule,2026-05-01T08:00,"a, b"\n\np2,genuine,,,\n')
    assert not sheet.refused
    first, second = sheet.good
    assert (first.payment_id, first.kind, first.note, first.source) == ("p1", "mule", "a, b", "person:x")
    assert first.known_at.isoformat() == "2026-05-01T00:00:00+00:00"
    assert instant(second.known_at) == NOW


def test_each_bad_line_is_told_by_its_number_and_why() -> None:
    sheet = read(
        "payment_id,label,known_at\np1,bad,\nq1,fraud,\np1,fraud,2999-01-01T00:00\np1,fraud,soon\np1\np2,fraud,\np2,fraud,\n"
    )
    assert [(one.line, one.payment_id) for one in sheet.refused] == [
        (2, "p1"), (3, "q1"), (4, "p1"), (5, "p1"), (6, "p1"), (8, "p2"),
    ]  # fmt: skip
    assert [one.payment_id for one in sheet.good] == ["p2"]
    whys = [one.why for one in sheet.refused]
    assert "on record" in whys[1]
    assert "not known yet" in whys[2]
    assert "not a time" in whys[3]
    assert "earlier line" in whys[5]


@pytest.mark.parametrize("head", ["", "a,b", "payment_id", "payment_id,label,label", "payment_id,label,more"])
def test_what_is_no_such_file_is_refused_whole(head: str) -> None:
    with pytest.raises(InputError, match="line 1"):
        read(head + "\n")


def test_too_long_a_file_is_refused() -> None:
    with pytest.raises(TooLargeError):
        read("payment_id,label\n" + "p1,fraud\n" * (IMPORT_ROWS_MAX + 1))


@given(st.text(max_size=300))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    try:
        sheet = read("payment_id,label,note\n" + text)
    except InputError:
        return
    assert all(one.payment_id.startswith("p") for one in sheet.good)


@given(st.text(max_size=20))
def test_no_exported_cell_begins_as_a_formula(cell: str) -> None:
    assert not defused(cell).startswith(FORMULA)
    assert defused(cell).endswith(cell)
