"""Against counting through: whatever is asked in whatever order, never more than allowed; who tries is told of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, HOUR, SECOND
from lianfang.services.keyholding.metering import RECENT, SENTENCES, Asked, Level, Meter, QuotaError, Rates

NOW = 1_700_000_000 * SECOND
RATES = Rates()


def meter(rates: Rates = RATES) -> Meter:
    return Meter(rates, {}, {}, ())


def asked(count: int = 1, lane: str = "query", person: str = "p1", **more: object) -> Asked:
    values = {
        "member": "bank-a",
        "declared": 1_000,
        "kind": "phone",
        "purpose": "anti_fraud",
        "epoch": "2026Q4",
        **more,
    }
    return Asked(person=person, lane=lane, tokens=count, **values)  # type: ignore[arg-type]


def test_counting_through_phone_numbers_runs_dry_and_rings_within_2000_tries() -> None:
    one, tries = meter(), 0

    def count_through() -> None:
        nonlocal tries
        for tries in range(2_000):
            one.charge(asked(person=f"p{tries // 100}"), NOW + tries * SECOND // 10)  # ten a second, ever new people

    with pytest.raises(QuotaError) as refused:
        count_through()
    assert tries < 2_000
    assert "quota is used up" in str(refused.value)
    assert refused.value.retry_after_s is not None
    assert {alarm.code for alarm in one.alarms} == {"quota-dry", "misses"}
    assert {alarm.member for alarm in one.alarms} == {"bank-a"}


def test_one_person_runs_dry_long_before_the_member() -> None:
    one = meter()
    one.charge(asked(300), NOW)
    with pytest.raises(QuotaError, match="this person's"):
        one.charge(asked(), NOW)
    one.charge(asked(person="p2"), NOW)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 60), st.integers(-HOUR, 6 * HOUR), st.sampled_from(["p1", "p2", "p3"]), st.booleans()),
        max_size=60,
    )
)
def test_never_more_than_the_bucket_and_its_refill_whatever_the_order_of_times(
    steps: list[tuple[int, int, str, bool]],
) -> None:
    one, now, latest, spent = meter(), NOW, NOW, 0
    for count, passed, person, consumer in steps:
        now += passed
        latest = max(latest, now)
        try:
            one.charge(asked(count, person=person, consumer=consumer), now)
        except QuotaError:
            continue
        spent += count * (RATES.price_miss_consumer if consumer else RATES.price_miss)
    refilled = (latest - NOW) / DAY * RATES.member_refill_per_day
    assert spent <= RATES.member_capacity + math.ceil(refilled)


def test_what_is_refused_takes_nothing() -> None:
    one = meter()
    one.charge(asked(100), NOW)
    before = one.levels["m/bank-a"].amount
    with pytest.raises(QuotaError):
        one.charge(asked(1_000), NOW)
    assert one.levels["m/bank-a"].amount == before
    with pytest.raises(InputError, match="at least one"):
        one.charge(asked(0), NOW)


def test_a_hit_costs_less_once_it_is_told_and_each_tag_once() -> None:
    one = meter()
    one.charge(asked(), NOW)
    assert one.opened("bank-a", "p1", ["t1", "t1"], NOW) == RATES.price_miss - RATES.price_hit
    assert one.opened("bank-a", "p1", ["t1"], NOW) == 0
    assert one.levels["m/bank-a"].amount == RATES.member_capacity - RATES.price_hit
    assert one.confirmed("bank-a", "p1", ["pay-1", "pay-1"]) == 1
    assert one.confirmed("bank-a", "p1", ["pay-1"]) == 0
    assert one.opened("bank-a", "p1", ["t2", "t3"], NOW) == 4
    assert one.levels["m/bank-a"].amount == RATES.member_capacity, "never fuller than full"


def test_questions_that_lead_somewhere_raise_no_alarm() -> None:
    one, now = meter(), NOW
    for i in range(3 * RECENT):
        now += 60 * SECOND
        one.charge(asked(person=f"p{i % 9}"), now)
        one.confirmed("bank-a", f"p{i % 9}", [f"pay-{i}"])
    assert one.alarms == []


def test_a_member_gets_as_many_bulk_tokens_as_it_declared_and_a_little_more() -> None:
    one = meter()
    assert one.charge(asked(1_000, "bulk"), NOW).more == 50
    one.charge(asked(50, "bulk"), NOW)
    with pytest.raises(QuotaError, match="declared 1,000"):
        one.charge(asked(1, "bulk"), NOW + 30 * DAY)
    assert [alarm.code for alarm in one.alarms] == ["bulk-over"]
    one.charge(asked(1, "bulk", kind="account"), NOW)
    one.charge(asked(1, "bulk", epoch="2027Q1"), NOW)


def test_a_restart_refills_nothing() -> None:
    one = meter()
    one.charge(asked(250), NOW)
    one.charge(asked(1_000, "bulk"), NOW)
    one.opened("bank-a", "p1", ["t1"], NOW)
    again = Meter(RATES, {k: Level(v.amount, v.at) for k, v in one.levels.items()}, dict(one.used), set(one.given))
    with pytest.raises(QuotaError):
        again.charge(asked(60), NOW)
    with pytest.raises(QuotaError):
        again.charge(asked(51, "bulk"), NOW)
    assert again.opened("bank-a", "p1", ["t1"], NOW) == 0
    assert {"m/bank-a", "p/bank-a/p1", "given:bank-a/tag/t1", "bank-a/phone/anti_fraud/2026Q4"} <= one.changed


def test_a_drained_bucket_says_when_it_is_full() -> None:
    one = meter()
    left = one.charge(asked(300), NOW)
    assert left.more == 0
    assert left.full_at == NOW + 900 * DAY // RATES.person_refill_per_day


def test_an_alarm_rings_once_a_day_and_in_both_languages() -> None:
    one = meter()
    for _ in range(3):
        with pytest.raises(QuotaError):
            one.charge(asked(2_000), NOW)
    assert len(one.alarms) == 1
    with pytest.raises(QuotaError):
        one.charge(asked(2_000), NOW + DAY)
    assert len(one.alarms) == 2
    assert all(zh and en and zh != en for zh, en in SENTENCES.values())
