"""The benchmark's traffic: whose time passes as a bank's does, and a known share of which the pack's rules look for."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec

from lianfang.app.bench.decide import Sizes
from lianfang.app.bench.scenario import BACK, SPELL_SHARE, STEP_US, Traffic, today, traffic_start
from lianfang.wire import Payment, read_payment

ACCOUNTS = 50_000


def test_each_payment_of_the_traffic_can_be_read_and_is_one_step_after_the_one_before() -> None:
    begins = traffic_start()
    read = [read_payment(body) for body in Traffic(ACCOUNTS).bodies(50, begins)]
    at = [round(one.time.timestamp() * 1e6) for one in read]
    assert [later - earlier for earlier, later in pairwise(at)] == [STEP_US] * 49
    assert at[0] == begins


def test_the_same_seed_gives_the_same_payments() -> None:
    assert list(Traffic(ACCOUNTS, seed=4).bodies(200, 0)) == list(Traffic(ACCOUNTS, seed=4).bodies(200, 0))


def test_a_small_share_belongs_to_spells_and_most_accounts_pay_seldom() -> None:
    traffic = Traffic(ACCOUNTS)
    paid = [msgspec.convert(traffic.payment(i * STEP_US), Payment) for i in range(30_000)]
    called = sum(bool(one.session.call_in_progress) for one in paid) / len(paid)
    assert 0 < called < SPELL_SHARE
    times = Counter(one.payer.account for one in paid)
    often = sum(n for n in times.values() if n > 10)
    assert 0 < often < len(paid) * SPELL_SHARE


def test_a_payment_asked_for_by_its_payer_belongs_to_no_spell() -> None:
    traffic = Traffic(ACCOUNTS)
    paid = [msgspec.convert(traffic.payment(0, payer=7), Payment) for _ in range(500)]
    assert {one.payer.account for one in paid} == {f"622202{7:013d}"}
    assert not any(one.session.call_in_progress for one in paid)


def test_no_run_of_the_benchmark_begins_before_the_one_before_has_ended_or_reaches_the_clock() -> None:
    for sizes in (Sizes(), Sizes.quick()):
        begins = [sizes.starts(run) for run in range(2 * sizes.rounds + 1)]
        assert all(later - earlier >= sizes.requests * STEP_US for earlier, later in pairwise(begins))
        assert sizes.rate * (sizes.seconds + 3) <= sizes.requests
        assert begins[-1] - sizes.begins <= BACK
    assert today() - traffic_start() <= BACK + 1_000_000
