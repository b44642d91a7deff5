"""The witness: every answer of tlog-witness, and never two histories."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.tlog import (
    ED25519,
    Note,
    Request,
    Seen,
    SignerKey,
    Witness,
    check_quorum,
    leaf_hashes,
    parse_request,
    parse_signature,
    prove_consistency,
    root_of,
    sign,
    with_cosignatures,
)
from lianfang.engines.tlog.witness import REQUEST_BYTES_MAX, SIZE_TYPE, Answer
from lianfang.kernel.errors import EvidenceError, InputError
from tests.engines.tlog.made import LOG, ORIGIN, WITNESS_KEYS, WITNESSES, entries_of, reader_of, signed

OURS = entries_of(60)
THEIRS = [*OURS[:20], *entries_of(40, tag=b"fork")]


class Kept:
    """A memory in memory; `overtaken` makes another request win the race once."""

    def __init__(self) -> None:
        self.by_origin: dict[str, Seen] = {}
        self.overtaken: Seen | None = None

    def seen(self, origin: str) -> Seen | None:
        return self.by_origin.get(origin)

    def replace(self, origin: str, old: Seen | None, new: Seen) -> bool:
        if self.overtaken is not None:
            self.by_origin[origin], self.overtaken = self.overtaken, None
        if self.by_origin.get(origin) != old:
            return False
        self.by_origin[origin] = new
        return True


def make() -> tuple[Witness, Kept]:
    kept = Kept()
    return Witness(WITNESSES[0], {ORIGIN: [LOG.verifier]}, kept), kept


def ask(old: int, new: int, entries: list[bytes] = OURS) -> Request:
    proof = prove_consistency(reader_of(entries[:new]), old, new) if old else []
    return Request(old, tuple(proof), signed(entries[:new]))


def send(witness: Witness, request: Request, at_s: int = 1_700_000_000) -> Answer:
    return witness.add_checkpoint(bytes(request), at_s)


def test_a_growing_log_is_cosigned_step_by_step() -> None:
    witness, kept = make()
    for old, new in ((0, 1), (1, 20), (20, 20), (20, 60)):
        request = ask(old, new)
        answer = send(witness, request)
        assert answer.status == 200
        cosigned = with_cosignatures(request.note, [parse_signature(answer.body.decode().rstrip("\n"))])
        assert [one.at_s for one in check_quorum(cosigned, WITNESS_KEYS, 1)] == [1_700_000_000]
        assert kept.by_origin[ORIGIN] == Seen(new, root_of(leaf_hashes(OURS[:new])))


def test_an_empty_log_is_cosigned_and_may_then_grow() -> None:
    witness, _ = make()
    assert send(witness, ask(0, 0)).status == 200
    assert send(witness, ask(0, 7)).status == 200


@pytest.mark.parametrize("old", [0, 5, 30])
def test_another_old_size_gets_the_remembered_one(old: int) -> None:
    witness, _ = make()
    send(witness, ask(0, 20))
    assert send(witness, ask(old, 40)) == Answer(409, b"20\n", SIZE_TYPE)


def test_a_fork_of_the_same_size_is_a_conflict_and_is_told() -> None:
    witness, kept = make()
    send(witness, ask(0, 30))
    before = dict(kept.by_origin)
    request = Request(30, (), signed(THEIRS[:30]))
    assert send(witness, request) == Answer(409, b"30\n", SIZE_TYPE, fork=True)
    assert kept.by_origin == before


def test_a_fork_of_a_larger_size_cannot_be_proved() -> None:
    witness, kept = make()
    send(witness, ask(0, 30))
    before = dict(kept.by_origin)
    for proof in (prove_consistency(reader_of(THEIRS[:50]), 30, 50), []):
        answer = send(witness, Request(30, tuple(proof), signed(THEIRS[:50])))
        assert answer.status == 422
    assert kept.by_origin == before


def test_a_proof_from_an_empty_tree_is_refused() -> None:
    witness, _ = make()
    assert send(witness, Request(0, (bytes(32),), signed(OURS[:4]))).status == 422


def test_an_unknown_log_is_not_found() -> None:
    witness, _ = make()
    assert send(witness, Request(0, (), signed(OURS, origin="other"))).status == 404


def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden() -> None:
    witness, kept = make()
    text = signed(OURS).text
    impostor = SignerKey(ORIGIN, ED25519, b"i" * 32)
    assert send(witness, Request(0, (), Note(text, (sign(text, impostor),)))).status == 403
    assert kept.by_origin == {}


def test_an_old_size_past_the_new_is_a_bad_request() -> None:
    witness, _ = make()
    assert send(witness, Request(61, (), signed(OURS))).status == 400


def test_a_request_that_was_overtaken_is_not_signed() -> None:
    witness, kept = make()
    send(witness, ask(0, 10))
    kept.overtaken = Seen(40, root_of(leaf_hashes(OURS[:40])))
    assert send(witness, ask(10, 20)) == Answer(409, b"40\n", SIZE_TYPE)
    assert kept.by_origin[ORIGIN].size == 40


def test_what_the_memory_cannot_keep_is_not_signed() -> None:
    class Broken(Kept):
        def replace(self, origin: str, old: Seen | None, new: Seen) -> bool:
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        send(Witness(WITNESSES[0], {ORIGIN: [LOG.verifier]}, Broken()), ask(0, 3))


def test_a_log_key_is_no_witness_key() -> None:
    with pytest.raises(InputError):
        Witness(LOG, {}, Kept())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 60)), max_size=12))
def test_whatever_is_asked_all_that_is_signed_is_one_history(asked: list[tuple[bool, int, int]]) -> None:
    witness, _ = make()
    signed_trees: list[tuple[int, bool]] = []
    for ours, a, b in asked:
        old, new = sorted((a, b))
        entries = OURS if ours else THEIRS
        if send(witness, ask(old, new, entries)).status == 200:
            signed_trees.append((new, ours))
    assert [size for size, _ in signed_trees] == sorted(size for size, _ in signed_trees)
    assert len({ours for size, ours in signed_trees if size > 20}) <= 1


@settings(deadline=None)
@given(st.integers(0, 1 << 62), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes]) -> None:
    request = Request(old, tuple(proof), signed(OURS[:3]))
    assert parse_request(bytes(request)) == request


@settings(deadline=None)
@given(st.binary(max_size=120) | st.text(alphabet="old 0123\n\u2014A=", max_size=60).map(str.encode))
def test_hostile_requests_are_bad_requests(data: bytes) -> None:
    witness, _ = make()
    assert witness.add_checkpoint(data, 1).status == 400


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_of_a_request_is_never_signed_as_another_tree(data: st.DataObject) -> None:
    witness, kept = make()
    send(witness, ask(0, 20))
    whole = bytearray(bytes(ask(20, 60)))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    answer = witness.add_checkpoint(bytes(whole), 1)
    assert answer.status in (400, 403, 404, 409, 422)
    assert kept.by_origin[ORIGIN].size == 20


def test_requests_have_limits() -> None:
    with pytest.raises(EvidenceError, match="at most"):
        parse_request(b"old 0\n\n" + b"x" * REQUEST_BYTES_MAX)
    with pytest.raises(EvidenceError, match="63 hashes"):
        parse_request(bytes(Request(1, (bytes(32),) * 64, signed(OURS[:3]))))
