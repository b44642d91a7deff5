"""Words and their keys: the same on both sides of a search, whatever a value holds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lianfang import wire
from lianfang.engines.keyed import HashKey
from lianfang.infra.finding import codes
from lianfang.infra.finding.keys import hashed, subject_words, word
from lianfang.kernel.money import CURRENCIES
from lianfang.wire.payment import Channel, Kind
from tests.infra.finding.made import KEY


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=20))
def test_a_word_has_the_same_key_alone_and_among_others(values: list[str]) -> None:
    words = [word("payment", value) for value in values]
    together = hashed(words, KEY)
    if not any("\x1f" in one for one in words):
        assert together.tolist() == [int(hashed([one], KEY)[0]) for one in words]
    assert len(together) == len(words)
    assert (together != 0).all()


def test_keys_are_the_nodes_own() -> None:
    assert int(hashed(["payment\x1ep1"], KEY)[0]) != int(hashed(["payment\x1ep1"], HashKey(1, 2))[0])
    assert hashed([], KEY).dtype == np.uint64


def test_a_subject_is_looked_for_on_both_sides_or_one() -> None:
    assert subject_words("6222", "account") == ["payer.account\x1e6222", "payee.account\x1e6222"]
    assert subject_words("6222", "account", "payee") == ["payee.account\x1e6222"]
    assert len(subject_words("x")) == len(wire.SUBJECTS)


def test_every_word_of_the_wire_has_its_code_and_comes_back() -> None:
    from typing import get_args

    for choices, names in (
        (wire.ACTIONS, codes.ACTIONS),
        (get_args(Kind), codes.KINDS),
        (get_args(Channel), codes.CHANNELS),
    ):
        assert set(choices) == set(names)
        assert [codes.name_of(codes.code_of(one, names), names) for one in names] == list(names)
    made = {one: codes.currency_code(one) for one in CURRENCIES}
    assert {codes.currency_name(code) for code in made.values()} == CURRENCIES
    assert max(made.values()) < 1 << 16
    assert [codes.currency_code(one) for one in (None, "", "cny", "CNYX", "C1Y")] == [0] * 5
