"""What the demonstration's screen says, and that it fits."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest
from rich.cells import cell_len
from rich.console import Console

from lianfang.app.demo.board import Board
from lianfang.app.demo.screen import WORDS, Lang, one_line, screen, word
from lianfang.infra.history import StoryStep


def _payment(number: int = 1) -> dict[str, Any]:
    return {"id": f"p{number}", "amount": 123_456, "currency": "CNY", "payer": {"account": "622200001"}, "payee": {}}


def _decision(action: str, seq: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    reasons = [{"name": n, "zh": "收款账户在名单上" * 9, "en": "The payee is on a list " * 9} for n in names]
    return {"action": action, "seq": seq, "reasons": reasons, "decided_at": "2026-05-01T08:09:10.123456Z"}


def _busy_board() -> Board:
    board = Board()
    board.phase("live")
    for i in range(100):
        board.decided(_payment(i), _decision("allow", i + 1), 10.0 + i / 100, 1_000.0)
    for i in range(60):
        board.decided(_payment(i), _decision("hold", 200 + i, (f"rule.{i % 9}", "points")), 11.0, 2_000.0)
    return board


def test_counts_are_of_every_answer_and_the_newest_stopped_payment_stands_first() -> None:
    board = _busy_board()
    board.decided(_payment(), _decision("block", 999, ("rule.last",)), 11.0, 2_000.0)
    view = board.view(11.0)
    assert (view.decided, view.actions["allow"], view.actions["hold"], view.actions["block"]) == (161, 100, 60, 1)
    assert view.seq == 999
    assert view.latest[0].action == "block"
    assert view.latest[0].amount == "1,234.56 CNY"
    assert view.latest[0].clock == "08:09:10"
    assert dict(view.rules)["rule.0"] == 7
    assert "points" not in dict(view.rules)
    assert view.rate == pytest.approx(161)


def test_old_payments_leave_the_rate() -> None:
    assert _busy_board().view(100.0).rate == 0


@pytest.mark.parametrize("lang", get_args(Lang))
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("height", [24, 40])
def test_the_screen_fits_the_terminal_in_every_language(lang: Lang, width: int, height: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False)
    console.print(screen(_busy_board().view(11.0), lang, height, "http://127.0.0.1:8702/docs"))
    lines = out.getvalue().splitlines()
    assert len(lines) <= height
    assert max(cell_len(line) for line in lines) <= width
    text = out.getvalue()
    assert "http://127.0.0.1:8702/docs" in text
    assert "1,234.56" in text
    assert ("暂缓" in text) is (lang != "en")
    assert ("hold" in text) is (lang != "zh")


def test_a_story_unfolds_and_remembers_where_it_was_first_caught() -> None:
    board = Board()
    board.phase("live")
    for step, action in ((1, "allow"), (3, "hold"), (4, "block")):
        told = StoryStep("s1", "impersonated_police" if step < 4 else "mule", "victim", step, 7)
        board.decided(_payment(step), _decision(action, step, ("rule.a",)), 10.0, 1.0, told)
    board.decided(_payment(9), _decision("allow", 9), 10.0, 1.0, StoryStep("s2", "romance", "victim", 1, 2))
    view = board.view(10.0)
    assert (view.stories_seen, view.stories_caught) == (2, 1)
    assert [story.id for story in view.stories] == ["s2", "s1"]
    police = view.stories[1]
    assert (police.crime, police.step, police.steps, police.caught_at, police.action) == (
        "impersonated_police",
        4,
        7,
        3,
        "hold",
    )
    out = io.StringIO()
    Console(file=out, width=100, height=40).print(screen(view, "en", 40, "x"))
    assert "caught at step 3" in out.getvalue()
    assert "impersonated police" in out.getvalue()


def test_before_the_first_payment_the_screen_says_what_it_waits_for() -> None:
    board = Board()
    board.phase("past", 500, 2_000)
    assert one_line(board.view(1.0), "en") == "First, the payments of the past 500 / 2,000"


def test_a_refusal_is_shown_until_the_next_answer() -> None:
    board = _busy_board()
    board.refused("the disk is full")
    assert board.view(11.0).trouble == "the disk is full"
    board.decided(_payment(), _decision("allow", 1_000), 11.0, 1.0)
    assert board.view(11.0).trouble == ""
    assert board.view(11.0).refused == 1


def test_every_label_has_both_languages_chinese_first() -> None:
    for name, (zh, en) in WORDS.items():
        assert word(name, "both") == f"{zh} {en}"
        assert any("一" <= c <= "鿿" for c in zh)
