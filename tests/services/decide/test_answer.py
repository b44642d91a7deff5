"""The forms that payments are answered with give the encoder's own bytes."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.kernel.instant import moment
from lianfang.services.decide.answer import Answers
from lianfang.services.decide.challenge import NO_CHALLENGES
from lianfang.wire import Decision, Reason, Versions, read_decision, write

LAST = 253_402_300_799_999_999
times = st.one_of(
    st.integers(-62_135_596_800_000_000, LAST),
    st.integers(0, LAST // 1_000_000).map(lambda s: s * 1_000_000),
    st.integers(1_700_000_000_000_000, 1_700_000_003_000_000),
)
ids = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=64), st.sampled_from(['"', "\\", "</b>", "é\x7f"])
)


@settings(max_examples=300, deadline=None)
@given(
    asked=st.lists(st.tuples(ids, times, st.integers(1, 1 << 62)), min_size=1, max_size=4),
    model=st.sampled_from([None, "m"]),
)
def test_allow_is_what_the_encoder_writes(asked: list[tuple[str, int, int]], model: str | None) -> None:
    versions = Versions(rules="r", lists='l"', features="f", model=model)
    answers = Answers(versions)
    for payment_id, now, seq in asked:
        decision = Decision(payment_id=payment_id, action="allow", decided_at=moment(now), seq=seq, versions=versions)
        assert answers.allow(payment_id, now, seq) == write(decision)
        assert answers.full(payment_id, now, seq, "allow", (), math.nan, 0, ()) == write(decision)


def test_a_system_reason_makes_an_answer_unsure() -> None:
    answers = Answers(Versions(rules="r", lists="l", features="f"))
    made = [
        read_decision(
            answers.full("p", 0, 1, "hold", (Reason(code="c", source=source, name="n", zh="", en=""),), 0.5, 3, ("s",))
        )
        for source in ("system", "rule", "list", "score")
    ]
    assert [d.unsure for d in made] == [True, False, False, False]
    assert (made[0].score, made[0].points, made[0].shadow) == (0.5, 3, ("s",))


WARNED = Reason(code="W", source="rule", name="w", zh="甲", en="a", points=7, action="challenge")
DOUBT = Reason(code="D", source="system", name="d", zh="疑", en="doubt", action="hold")


@settings(max_examples=200, deadline=None)
@given(
    asked=st.lists(
        st.tuples(
            ids,
            times,
            st.sampled_from([(), (WARNED,), (WARNED, DOUBT)]),
            st.sampled_from(["allow", "challenge", "hold", "block"]),
            st.integers(0, 3),
            st.sampled_from([(), ("s",), ("s", "t")]),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_an_answer_that_repeats_is_what_the_encoder_writes(asked: list[Any]) -> None:
    versions = Versions(rules="r", lists="l", features="f", model=None)
    answers = Answers(versions)
    for i, (payment_id, now, reasons, action, points, shadow, anew) in enumerate(asked):
        decision = Decision(
            payment_id=payment_id,
            action=action,
            reasons=reasons,
            points=points,
            unsure=DOUBT in reasons,
            shadow=shadow,
            challenge=NO_CHALLENGES.of(action, reasons),
            decided_at=moment(now),
            seq=i,
            versions=versions,
        )
        again = (*reasons,) if anew else reasons
        assert answers.full(payment_id, now, i, action, again, math.nan, points, shadow) == write(decision)
