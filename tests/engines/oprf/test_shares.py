"""t of n: any t holders give what the whole key gives, fewer give nothing, and a false share is found."""

from __future__ import annotations

import os
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.oprf import base, blinded, check_share, combined, deal, evaluated, scalar_from, share_key, weights
from lianfang.engines.oprf.group import multiply, scalar
from lianfang.kernel.errors import EvidenceError, InputError


def dealt(threshold: int, holders: int) -> tuple[bytes, list[bytes], list[bytes]]:
    coefficients = [scalar_from(os.urandom(64)) for _ in range(threshold)]
    return (coefficients[0], *deal(coefficients, holders))


def test_any_three_of_five_answer_as_the_whole_key_would() -> None:
    key, shares, commitments = dealt(3, 5)
    sent = [blinded(bytes((i,)), scalar_from(os.urandom(64))) for i in range(3)]
    whole = evaluated(key, sent)
    for places in combinations(range(1, 6), 3):
        assert combined({x: evaluated(shares[x - 1], sent) for x in places}, 3) == whole
    assert commitments[0] == base(key)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_t_of_any_n_answer_alike(data: st.DataObject) -> None:
    holders = data.draw(st.integers(1, 9))
    threshold = data.draw(st.integers(1, holders))
    places = data.draw(st.permutations(range(1, holders + 1)))[:threshold]
    key, shares, _ = dealt(threshold, holders)
    sent = [blinded(b"x", scalar_from(os.urandom(64)))]
    assert combined({x: evaluated(shares[x - 1], sent) for x in places}, threshold) == evaluated(key, sent)


def test_two_of_three_needed_do_not_give_it() -> None:
    key, shares, _ = dealt(3, 5)
    sent = [blinded(b"x", scalar_from(os.urandom(64)))]
    answers = {x: evaluated(shares[x - 1], sent) for x in (1, 2)}
    with pytest.raises(InputError, match="3 holders"):
        combined(answers, 3)
    assert combined(answers, 2) != evaluated(key, sent)


def test_every_share_has_its_public_key_from_the_commitments_alone() -> None:
    _, shares, commitments = dealt(3, 5)
    for x, share in enumerate(shares, 1):
        assert share_key(commitments, x) == base(share)
        check_share(share, commitments, x)
        with pytest.raises(EvidenceError, match=f"place {x}"):
            check_share(scalar(99), commitments, x)


def test_weights_add_up_to_one() -> None:
    element = base(scalar(1))
    total = combined({x: [element] for x in (2, 3, 5)}, 3)
    assert total == [element]
    assert set(weights([2, 3, 5])) == {2, 3, 5}
    assert multiply(weights([1])[1], element) == element


@pytest.mark.parametrize("places", [[1, 1], [0, 1], [1, 33], [-1]], ids=str)
def test_places_that_are_none_are_refused(places: list[int]) -> None:
    with pytest.raises(InputError, match="distinct numbers"):
        weights(places)


@pytest.mark.parametrize(("threshold", "holders"), [(0, 3), (4, 3), (1, 33)])
def test_a_sharing_that_cannot_be_is_refused(threshold: int, holders: int) -> None:
    with pytest.raises(InputError, match="t of n"):
        deal([scalar(3)] * threshold, holders)
