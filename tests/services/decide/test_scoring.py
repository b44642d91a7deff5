"""A model in the decider: its score decides by policy and rules, with reasons; in shadow it changes nothing; misfit is unsure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from lianfang.engines.scoring import NoModel, TrainedModel
from lianfang.infra.models import seal
from lianfang.services.decide import rule_book
from lianfang.services.decide.models import Handed, Pair, take_over
from lianfang.wire import Decision, Feature, Input, Model, Policy, Rule, read_decision, read_payment, write
from tests.engines.scoring import makers
from tests.services.decide.twins import NOW, TIME, Bench, book_of, payment, rule

COUNT = Feature(
    name="n1h", define="count of payments by payer.account over 1h", zh="近1小时付款次数", en="payments in 1 h"
)
QUIET = rule("quiet", "amount > 100000000")
PAYER: dict[str, Any] = {"payer": {"account": "A"}}
EARLIER = (datetime.fromisoformat(TIME) - timedelta(minutes=5)).isoformat()


def manifest(**changes: Any) -> Model:
    made = msgspec.structs.replace(
        makers.model(2),
        features=(COUNT,),
        inputs=(Input(name="n1h", define="n1h"), Input(name="big", define="amount / 100")),
    )
    return msgspec.structs.replace(made, **changes)


def trees(high: float) -> bytes:
    """A second payment within the hour adds 2; an amount above 10.00 takes the score from -4 to `high`."""
    first = "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=1\nthreshold=10\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
    first += f"leaf_value=-4 {high}\nleaf_count=90 10\nis_linear=0\nshrinkage=1\n\n\n"
    second = "Tree=1\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=0.5\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
    second += "leaf_value=0 2\nleaf_count=90 10\nis_linear=0\nshrinkage=1\n\n\n"
    return f"{makers.head(2)}\n{first}{second}end of trees\n".encode()


def trained(high: float = 3.0, **changes: Any) -> TrainedModel:
    folder = seal(manifest(**changes), {"trees.txt": trees(high)})
    return TrainedModel(folder.manifest, folder.trees)


def bench(
    model: Any, rules: tuple[Rule, ...] = (QUIET,), policy: Policy | None = None, features: Any = (COUNT,)
) -> Bench:
    book = book_of(rules, features=features, policy=policy)
    return Bench(rule_book(book.ruleset, book.lists, also=model.paths), model)


def codes(answer: Decision) -> list[str]:
    return [reason.code for reason in answer.reasons]


def test_a_score_below_every_threshold_is_recorded_and_allows() -> None:
    made = bench(trained())
    answer = made.ask(payment(amount=1, **PAYER))
    assert (answer.action, answer.reasons, answer.unsure) == ("allow", (), False)
    assert answer.score == 1 / (1 + np.exp(4.0))
    assert answer.versions.model == made.decider.model_version


def test_the_form_of_an_allowed_payment_is_what_the_encoder_writes() -> None:
    made = bench(trained())
    made.decider.score_by(trained(), trained(-2.0))
    raw = payment(amount=1, **PAYER)
    _, answer = made.decider.decide(raw, read_payment(raw), NOW)
    assert write(read_decision(answer)) == answer
    assert read_decision(answer).challenger_score is not None


def test_a_score_that_raised_the_action_says_why() -> None:
    made = bench(trained(), policy=Policy(challenge_score=0.9, hold_score=0.99))
    assert codes(made.ask(payment("a", time=EARLIER, amount=1, **PAYER))) == []
    answer = made.ask(payment("b", amount=5_000, **PAYER))
    assert (answer.action, codes(answer)) == ("hold", ["score", "score-why", "score-why"])
    assert [(r.name, r.zh, r.en, r.action) for r in answer.reasons[1:]] == [
        ("big", "big偏高", "big is high", None),
        ("n1h", "近1小时付款次数偏高", "payments in 1 h is high", None),
    ]


def test_a_rule_that_reads_the_score_has_the_model_s_reasons_too() -> None:
    by_score = rule("by-score", "score > 0.5 and amount > 0", action="block")
    answer = bench(trained(0.5), (by_score,)).ask(payment(amount=5_000, **PAYER))
    assert (answer.action, codes(answer)) == ("block", ["c-by-score", "score-why"])


def test_where_a_rule_alone_asked_for_the_action_the_model_gives_no_reasons() -> None:
    harder = rule("harder", "amount > 0", action="block")
    answer = bench(trained(), (harder,)).ask(payment(amount=5_000, **PAYER))
    assert (answer.action, codes(answer)) == ("block", ["c-harder", "score"])


def test_the_screen_keeps_a_rule_on_the_score() -> None:
    by_score = rule("by-score", "score > 0.5", action="hold")
    never = rule("never", "n1h > 100")
    made = bench(trained(0.5), (never, by_score))
    assert codes(made.ask(payment("a", time=EARLIER, amount=1, **PAYER))) == []
    assert codes(made.ask(payment("b", amount=5_000, **PAYER)))[0] == "c-by-score"


def test_a_challenger_is_recorded_and_changes_nothing() -> None:
    alone, shadowed = bench(trained()), bench(trained())
    shadowed.decider.score_by(trained(), trained(9.0, name="second"))
    for i, amount in enumerate((1, 5_000, 1, 7_000)):
        a, b = (one.ask(payment(f"p{i}", amount=amount, **PAYER)) for one in (alone, shadowed))
        assert (a.action, a.reasons, a.score, a.points) == (b.action, b.reasons, b.score, b.points)
        assert a.challenger_score is None
        assert b.challenger_score is not None
    assert (b.challenger_score or 0) > 0.999
    assert b.versions.challenger == shadowed.decider.challenger_version
    assert shadowed.decider.counters["challenger_raised"] == 2


def test_a_challenger_s_fault_changes_nothing() -> None:
    class Faulty(NoModel):
        version = "faulty"

        def __call__(self, row: Any, features: Any) -> float:
            raise MemoryError

    made = bench(trained())
    made.decider.score_by(trained(), Faulty())
    answer = made.ask(payment(amount=1, **PAYER))
    assert (answer.action, answer.unsure, answer.challenger_score) == ("allow", False, None)
    assert made.decider.counters["challenger_errors"] == 1


@pytest.mark.parametrize(
    "features", [(), (msgspec.structs.replace(COUNT, define="count of payments by payer.account over 2h"),)]
)
@pytest.mark.parametrize("required", [True, False])
def test_a_model_that_does_not_fit_is_not_in_force_and_told_of(features: Any, required: bool) -> None:
    made = bench(trained(), policy=Policy(model_required=required, unsure="hold"), features=features)
    assert "n1h" in made.decider.model_trouble["model"]
    answer = made.ask(payment(amount=5_000, **PAYER))
    assert (answer.score, answer.versions.model) == (None, None)
    assert (answer.action, codes(answer)) == (("hold", ["model-missing"]) if required else ("allow", []))


def test_a_swap_between_two_payments_counts_on() -> None:
    made = bench(trained())
    made.ask(payment("a", time=EARLIER, amount=1, **PAYER))
    made.decider.score_by(trained(3.0, name="other"))
    answer = made.ask(payment("b", amount=1, **PAYER))
    assert answer.score == 1 / (1 + np.exp(2.0))  # -4, and 2 for the second payment within the hour
    made.decider.score_by(NoModel())
    assert made.ask(payment("c", amount=1, **PAYER)).score is None


def test_what_the_desk_hands_over_is_proved_again() -> None:
    folder = seal(manifest(), {"trees.txt": trees(3.0), "report.html": b"<p>"})
    good = Pair(write(folder.manifest), folder.trees)
    models, trouble = take_over(msgspec.msgpack.encode(Handed(model=good)))
    assert (models["model"].version, trouble) == (trained_version(folder.manifest), {})
    other = Pair(good.manifest, trees(4.0))
    renamed = Pair(write(msgspec.structs.replace(folder.manifest, name="x")), folder.trees)
    for bad in (other, renamed, Pair(b"{", b"")):
        models, trouble = take_over(msgspec.msgpack.encode(Handed(model=good, challenger=bad)))
        assert list(models) == ["model"]
        assert list(trouble) == ["challenger"]
    assert take_over(b"\xc1")[0] == {}


def trained_version(model: Model) -> str:
    return f"{model.name}@{model.version[:12]}"
