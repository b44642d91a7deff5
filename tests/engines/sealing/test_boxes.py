"""Boxes: one key opens them, for one use; every other way is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.sealing import SealingKey, box_for
from lianfang.kernel.errors import EvidenceError

KEY = SealingKey(b"\1" * 32)


@settings(max_examples=30, deadline=None)
@given(plain=st.binary(max_size=300), info=st.binary(max_size=40))
def test_the_key_opens_its_box_for_its_use(plain: bytes, info: bytes) -> None:
    box = box_for(KEY.public, plain, info)
    assert KEY.open(box, info) == plain
    with pytest.raises(EvidenceError):
        KEY.open(box, info + b"x")
    with pytest.raises(EvidenceError):
        SealingKey(b"\2" * 32).open(box, info)


@pytest.mark.parametrize("at", [0, 31, 32, -1])
def test_an_altered_box_is_refused(at: int) -> None:
    box = bytearray(box_for(KEY.public, b"share", b"use"))
    box[at] ^= 1
    with pytest.raises(EvidenceError):
        KEY.open(bytes(box), b"use")


@pytest.mark.parametrize("box", [b"", b"x", bytes(32), bytes(48)], ids=len)
def test_what_is_no_box_is_refused(box: bytes) -> None:
    with pytest.raises(EvidenceError):
        KEY.open(box, b"use")


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32)], ids=len)
def test_what_is_no_key_is_refused(public: bytes) -> None:
    with pytest.raises(EvidenceError):
        box_for(public, b"x", b"use")
