"""API keys: only the text opens, for its scopes, at its rate, until its end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.kernel.errors import AccessError, InputError
from lianfang.kernel.instant import SECOND, Instant
from lianfang.services.identity.keys import ROTATION_GRACE_S, SCOPES, ApiKey, Issued, KeyRing, issue, rotate

NOW = Instant(1_777_600_000 * SECOND)


def counted() -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield number.to_bytes(32, "big")


class Clocks:
    """A wall clock and a monotonic one, moved by the test."""

    def __init__(self) -> None:
        self.wall = int(NOW)
        self.ticks = 100.0
        self._bytes = counted()

    def random(self, size: int) -> bytes:
        return next(self._bytes)[-size:]

    def ring(self, *keys: ApiKey) -> KeyRing:
        return KeyRing(keys, lambda: self.wall, lambda: self.ticks)


def bearer(issued: Issued) -> bytes:
    return b"Bearer " + issued.text.encode()


def refusal(ring: KeyRing, header: bytes | None, scope: str = "decide", cost: int = 1) -> AccessError:
    with pytest.raises(AccessError) as caught:
        ring(header, scope, cost)
    return caught.value


def test_a_key_opens_its_scopes_and_no_others() -> None:
    clocks = Clocks()
    made = issue(["decide", "read", "decide"], NOW, clocks.random, note="app")
    assert made.key.scopes == ("decide", "read")
    ring = clocks.ring(made.key)
    for scope in SCOPES:
        if scope in made.key.scopes:
            assert ring(bearer(made), scope).id == made.key.id
        else:
            assert refusal(ring, bearer(made), scope).code == "wrong-scope"


def test_only_the_hash_is_kept() -> None:
    made = issue(["read"], NOW, Clocks().random)
    assert made.text.startswith(f"lf_{made.key.id}_")
    assert made.key.digest == hashlib.sha256(made.text.encode()).hexdigest()
    assert made.text.rsplit("_", 1)[1] not in repr(made.key)


def test_a_stolen_digest_is_no_key() -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random)
    ring = clocks.ring(made.key)
    for stolen in (
        made.key.digest,
        made.key.id,
        f"lf_{made.key.id}_{made.key.digest}",
        made.text[:-1],
        made.text + "a",
    ):
        assert refusal(ring, b"Bearer " + stolen.encode()).code == "bad-key"


def test_headers_are_read_strictly() -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random)
    ring = clocks.ring(made.key)
    assert refusal(ring, None).code == "no-key"
    for bad in (b"", b"Bearer", b"Bearer ", made.text.encode(), b"Basic " + made.text.encode(), b"Bearer \xff\xfe"):
        assert refusal(ring, bad).code == "bad-key"
    assert ring(b"bearer " + made.text.encode(), "decide").id == made.key.id


@settings(max_examples=100, deadline=None)
@given(header=st.binary(max_size=60))
def test_no_bytes_open_a_ring_but_the_keys(header: bytes) -> None:
    clocks = Clocks()
    ring = clocks.ring(issue(["decide"], NOW, clocks.random).key)
    assert refusal(ring, header).code == "bad-key"


def test_a_key_ends_when_it_says() -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random, lifetime_s=60)
    ring = clocks.ring(made.key)
    clocks.wall += 60 * SECOND - 1
    ring(bearer(made), "decide")
    clocks.wall += 1
    assert refusal(ring, bearer(made)).code == "bad-key"


def test_rotation_gives_both_keys_a_while_together() -> None:
    clocks = Clocks()
    old = issue(["decide", "read"], NOW, clocks.random, note="app", rate_per_s=7.0)
    ending, new = rotate(old.key, NOW, clocks.random)
    assert (new.key.scopes, new.key.note, new.key.rate_per_s) == (old.key.scopes, "app", 7.0)
    assert ending.successor == new.key.id
    ring = clocks.ring(ending, new.key)
    ring(bearer(old), "decide")
    ring(bearer(new), "decide")
    clocks.wall += ROTATION_GRACE_S * SECOND
    assert refusal(ring, bearer(old)).code == "bad-key"
    ring(bearer(new), "decide")
    with pytest.raises(InputError, match="already rotated"):
        rotate(ending, NOW, clocks.random)


def test_rotation_never_lengthens_a_life() -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random, lifetime_s=10)
    ending, _ = rotate(made.key, NOW, clocks.random)
    assert ending.expires_at == made.key.expires_at


def test_the_rate_is_a_bucket_that_fills_again() -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random, rate_per_s=2.0)
    ring = clocks.ring(made.key)
    for _ in range(2):
        ring(bearer(made), "decide")
    refused = refusal(ring, bearer(made))
    assert (refused.code, refused.retry_after_s) == ("rate-limited", 0.5)
    clocks.ticks += 0.5
    ring(bearer(made), "decide")
    assert refusal(ring, bearer(made)).code == "rate-limited"
    clocks.ticks += 1_000
    for _ in range(2):
        ring(bearer(made), "decide")
    assert refusal(ring, bearer(made)).code == "rate-limited"


def test_a_batch_larger_than_the_burst_waits_for_a_full_bucket_and_leaves_a_debt() -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random, rate_per_s=10.0)
    ring = clocks.ring(made.key)
    ring(bearer(made), "decide", 100)
    refused = refusal(ring, bearer(made))
    assert refused.retry_after_s == pytest.approx(9.1)
    clocks.ticks += 9.0
    assert refusal(ring, bearer(made)).code == "rate-limited"
    clocks.ticks += 0.2
    ring(bearer(made), "decide")


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 20)), max_size=60))
def test_no_pattern_of_asking_gets_more_than_the_rate(steps: list[tuple[float, int]]) -> None:
    clocks = Clocks()
    made = issue(["decide"], NOW, clocks.random, rate_per_s=5.0)
    ring = clocks.ring(made.key)
    began, got = clocks.ticks, 0
    for after, cost in steps:
        clocks.ticks += after
        allowed_before = made.key.burst + (clocks.ticks - began) * made.key.rate_per_s - got
        try:
            ring(bearer(made), "decide", cost)
        except AccessError as why:
            assert why.retry_after_s is not None
            assert why.retry_after_s > 0
            continue
        assert allowed_before >= min(cost, made.key.burst) - 1e-6
        got += cost


def test_replacing_keys_keeps_the_buckets_of_those_that_stay() -> None:
    clocks = Clocks()
    stays, goes = (issue(["decide"], NOW, clocks.random, rate_per_s=1.0) for _ in range(2))
    ring = clocks.ring(stays.key, goes.key)
    ring(bearer(stays), "decide")
    ring.replace([stays.key])
    assert refusal(ring, bearer(stays)).code == "rate-limited"
    assert refusal(ring, bearer(goes)).code == "bad-key"


@pytest.mark.parametrize("scopes", [[], ["root"], ["decide", "DECIDE"]])
def test_unknown_scopes_are_refused(scopes: list[str]) -> None:
    with pytest.raises(InputError, match="scope"):
        issue(scopes, NOW, Clocks().random)
