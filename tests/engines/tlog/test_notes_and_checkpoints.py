"""Signed notes, keys, checkpoints, cosignatures and proof files: one spelling each, and no signature that is not one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.tlog import (
    COSIGNATURE,
    ED25519,
    EMPTY_ROOT,
    Checkpoint,
    LoggedProof,
    Note,
    Signature,
    SignerKey,
    VerifierKey,
    check_quorum,
    check_witnesses,
    cosign,
    leaf_hash,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    parse_proof_file,
    parse_signature,
    parse_signer,
    parse_verifier,
    prove_inclusion,
    sign,
    sign_checkpoint,
    verify_note,
    verify_proof_file,
    with_cosignatures,
)
from lianfang.engines.tlog.note import NOTE_BYTES_MAX, SIGNATURES_MAX
from lianfang.kernel.errors import EvidenceError, InputError
from tests.engines.tlog.made import LOG, ORIGIN, WITNESS_KEYS, WITNESSES, checkpoint_of, entries_of, reader_of, signed

PETERNEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETERNEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERNEUMANN_NOTE = (
    PETERNEUMANN_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of golang.org/x/mod/sumdb/note."""

NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="+"), min_size=1, max_size=20
)
LINES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
CHECKPOINTS = st.builds(
    Checkpoint,
    LINES,
    st.integers(1, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(LINES, max_size=2).map(tuple),
)
SEEDS = st.binary(min_size=32, max_size=32)


def test_the_example_of_the_go_reference_verifies() -> None:
    key = parse_verifier(PETERNEUMANN_KEY)
    note = parse_note(PETERNEUMANN_NOTE.encode())
    assert [one.key for one in verify_note(note, [key])] == [key]
    assert (note.text, str(key)) == (PETERNEUMANN_TEXT, PETERNEUMANN_KEY)


@settings(deadline=None)
@given(NAMES, st.sampled_from([ED25519, COSIGNATURE]), SEEDS)
def test_keys_are_read_as_they_were_written(name: str, kind: int, seed: bytes) -> None:
    signer = SignerKey(name, kind, seed)
    assert parse_verifier(str(signer.verifier)) == signer.verifier
    assert parse_signer(signer.secret_text()).verifier == signer.verifier
    assert signer.secret_text().split("+", 4)[4] not in repr(signer)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a+b", "a b+00000000+AA==", PETERNEUMANN_KEY.replace("c74f20a3", "c74f20a4"), PETERNEUMANN_KEY[:-1],
        PETERNEUMANN_KEY.replace("c7", "C7"), "n+00000000+AQ==", "n+00000000+" + "A" * 44, PETERNEUMANN_KEY + "\n",
    ],
)  # fmt: skip
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_verifier(text)


def test_a_private_key_is_never_quoted() -> None:
    secret = LOG.secret_text()
    for wrong in (secret.replace("+", "-"), secret[:-4], secret.replace(ORIGIN, "other"), "x" + secret):
        with pytest.raises(InputError) as why:
            parse_signer(wrong)
        assert secret.split("+", 4)[4][:20] not in str(why.value)


@settings(deadline=None)
@given(
    st.lists(LINES, min_size=1, max_size=4),
    st.lists(st.tuples(NAMES, st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=80)), min_size=1, max_size=4),
)
def test_a_note_is_read_as_it_was_written(lines: list[str], signatures: list[tuple[str, int, bytes]]) -> None:
    note = Note("".join(f"{line}\n" for line in lines), tuple(Signature(*one) for one in signatures))
    assert parse_note(bytes(note)) == note


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ab\n\u2014 A=+/\x1f", max_size=60).map(str.encode))
def test_hostile_bytes_are_no_note_or_the_one_they_spell(data: bytes) -> None:
    try:
        note = parse_note(data)
    except EvidenceError:
        return
    assert bytes(note) == data


@settings(deadline=None)
@given(st.integers(0, len(PETERNEUMANN_NOTE.encode()) - 1), st.integers(1, 255))
def test_a_changed_byte_of_a_note_is_refused(at: int, change: int) -> None:
    data = bytearray(PETERNEUMANN_NOTE.encode())
    data[at] ^= change
    with pytest.raises(EvidenceError):
        verify_note(parse_note(bytes(data)), [parse_verifier(PETERNEUMANN_KEY)])


@pytest.mark.parametrize(
    "data",
    [
        b"", b"text\n", b"text\n\n", b"text\n\n\n", b"text\n\xe2\x80\x94 a AAAAAAA=\n", b"text\n\n\xe2\x80\x94 a AAAAAAA=",
        b"text\n\n\xe2\x80\x94 a AAAAAA==\n", b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n", b"text\n\n- a AAAAAAA=\n",
        b"text\n\n\xe2\x80\x94 a AAAAAAA\n", b"te\x00xt\n\n\xe2\x80\x94 a AAAAAAA=\n", b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n",
        b"text\r\n\n\xe2\x80\x94 a AAAAAAA=\n", b"text\n\n\xe2\x80\x94 a AAAAAAB=\n",
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_note(data)


def test_a_note_has_limits() -> None:
    line = "— a AAAAAAA=\n"
    assert len(parse_note(("t\n\n" + line * SIGNATURES_MAX).encode()).signatures) == SIGNATURES_MAX
    with pytest.raises(EvidenceError, match="at most 64 signatures"):
        parse_note(("t\n\n" + line * (SIGNATURES_MAX + 1)).encode())
    with pytest.raises(EvidenceError, match="bytes"):
        parse_note(b"t" * NOTE_BYTES_MAX + b"\n\n" + line.encode())


def test_unknown_signatures_are_ignored_and_alone_do_not_count() -> None:
    note = signed(entries_of(3))
    stranger = SignerKey("stranger", ED25519, b"s" * 32)
    both = Note(note.text, (sign(note.text, stranger), *note.signatures))
    assert [one.key.name for one in verify_note(both, [LOG.verifier])] == [ORIGIN]
    with pytest.raises(EvidenceError, match="no trusted signature"):
        verify_note(Note(note.text, both.signatures[:1]), [LOG.verifier])
    with pytest.raises(EvidenceError, match="nobody"):
        verify_note(note, [])


def test_a_false_signature_under_a_known_key_spoils_the_note() -> None:
    note = signed(entries_of(3))
    false = Signature(ORIGIN, LOG.verifier.id, bytes(64))
    with pytest.raises(EvidenceError, match="is false"):
        verify_note(Note(note.text, (*note.signatures, *note.signatures, false)), [LOG.verifier])
    short = Signature(ORIGIN, LOG.verifier.id, b"x")
    with pytest.raises(EvidenceError, match="is false"):
        verify_note(Note(note.text, (short,)), [LOG.verifier])


def test_one_key_that_signed_twice_counts_once() -> None:
    note = signed(entries_of(3))
    assert len(verify_note(Note(note.text, note.signatures * 2), [LOG.verifier])) == 1


@settings(deadline=None)
@given(CHECKPOINTS)
def test_a_checkpoint_is_read_as_it_was_written(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(str(checkpoint)) == checkpoint
    signed_by = open_checkpoint(bytes(sign_checkpoint(checkpoint, LOG)), [LOG.verifier], checkpoint.origin)
    assert signed_by.checkpoint == checkpoint


@settings(deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"\A[ab]{0,2}\n[0-9]{0,2}\n[A-Za-z0-9+/=]{40,46}\n([ab]\n)?\Z"))
def test_hostile_text_is_no_checkpoint_or_the_one_it_spells(text: str) -> None:
    try:
        checkpoint = parse_checkpoint(text)
    except EvidenceError:
        return
    assert str(checkpoint) == text


@pytest.mark.parametrize(
    "change",
    [
        ("\n5\n", "\n05\n"), ("\n5\n", "\n-5\n"), ("\n5\n", "\n+5\n"), ("\n5\n", "\n5 \n"), ("\n5\n", "\n9223372036854775808\n"),
        ("\n5\n", "\n\n5\n"), ("\n5\n", "\n٥\n"), ("=\n", "\n"), ("=\n", "=\n\n"), ("=\n", "="), (ORIGIN, ""), ("\n5\n", "\n0\n"),
    ],
)  # fmt: skip
def test_another_spelling_of_a_checkpoint_is_refused(change: tuple[str, str]) -> None:
    text = str(checkpoint_of(entries_of(5)))
    assert change[0] in text
    with pytest.raises(EvidenceError):
        parse_checkpoint(text.replace(*change))


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, EMPTY_ROOT), Checkpoint("a\nb", 1, EMPTY_ROOT), Checkpoint("a", -1, EMPTY_ROOT),
        Checkpoint("a", 1 << 63, EMPTY_ROOT), Checkpoint("a", 1, b""), Checkpoint("a", 1, EMPTY_ROOT, ("",)),
        Checkpoint("a\x07", 1, EMPTY_ROOT), Checkpoint("\ud800", 1, EMPTY_ROOT),
    ],
)  # fmt: skip
def test_a_checkpoint_that_could_not_be_read_is_not_signed(checkpoint: Checkpoint) -> None:
    with pytest.raises(InputError):
        sign_checkpoint(checkpoint, LOG)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    with pytest.raises(EvidenceError, match="not of 'other'"):
        open_checkpoint(bytes(signed(entries_of(3))), [LOG.verifier], "other")


def cosigned(count: int, at_s: int = 1_000) -> Note:
    note = signed(entries_of(5))
    return with_cosignatures(note, [cosign(note.text, one, at_s + n) for n, one in enumerate(WITNESSES[:count])])


def test_a_cosignature_verifies_with_its_time() -> None:
    found = check_quorum(parse_note(bytes(cosigned(3))), WITNESS_KEYS, 3)
    assert [(one.key.name, one.at_s) for one in found] == [(f"w{n}.example.org", 1_000 + n) for n in range(3)]


@settings(deadline=None)
@given(st.integers(0, 4), st.integers(1, 4))
def test_a_quorum_counts_distinct_witnesses(count: int, quorum: int) -> None:
    note = cosigned(count)
    if count >= quorum:
        assert len(check_quorum(note, WITNESS_KEYS, quorum)) == count
    else:
        with pytest.raises(EvidenceError, match=f"{count} of the {quorum} witnesses"):
            check_quorum(note, WITNESS_KEYS, quorum)


def test_a_cosignature_from_the_future_does_not_count() -> None:
    assert len(check_quorum(cosigned(3), WITNESS_KEYS, 2, latest_s=1_001)) == 2
    with pytest.raises(EvidenceError, match=r"w2\.example\.org"):
        check_quorum(cosigned(3), WITNESS_KEYS, 3, latest_s=1_001)


def test_a_cosignature_is_bound_to_its_time_and_text() -> None:
    line = cosigned(1).signatures[1]
    later = Signature(line.name, line.key_id, (2_000).to_bytes(8, "big") + line.data[8:])
    with pytest.raises(EvidenceError, match="is false"):
        check_quorum(with_cosignatures(cosigned(1), [later]), WITNESS_KEYS, 1)
    with pytest.raises(EvidenceError, match="is false"):
        check_quorum(Note(signed(entries_of(6)).text, (line,)), WITNESS_KEYS, 1)


def test_a_time_past_the_limit_is_refused() -> None:
    text = cosigned(0).text
    with pytest.raises(InputError, match="seconds"):
        cosign(text, WITNESSES[0], 1 << 63)
    line = Signature(WITNESSES[0].name, WITNESS_KEYS[0].id, b"\xff" * 8 + bytes(64))
    with pytest.raises(EvidenceError, match="is false"):
        check_quorum(Note(text, (line,)), WITNESS_KEYS, 1)


def test_log_and_witness_keys_do_not_sign_for_each_other() -> None:
    text = cosigned(0).text
    with pytest.raises(InputError, match="cosignature key"):
        cosign(text, LOG, 1)
    with pytest.raises(InputError, match="cosignature key"):
        sign(text, WITNESSES[0])
    with pytest.raises(EvidenceError):
        cosign("no checkpoint\n", WITNESSES[0], 1)


def test_witnesses_that_are_one_are_refused() -> None:
    alias = VerifierKey("alias", COSIGNATURE, WITNESS_KEYS[0].public)
    same_name = VerifierKey(WITNESS_KEYS[0].name, COSIGNATURE, WITNESS_KEYS[1].public)
    for witnesses, quorum in (
        ([WITNESS_KEYS[0], alias], 1),
        ([WITNESS_KEYS[0], same_name], 1),
        ([LOG.verifier], 1),
        (WITNESS_KEYS, 0),
        (WITNESS_KEYS, 5),
        ((), 1),
    ):
        with pytest.raises(InputError):
            check_witnesses(witnesses, quorum)


def test_a_newer_cosignature_takes_the_older_ones_place() -> None:
    note = cosigned(2)
    again = with_cosignatures(note, [cosign(note.text, WITNESSES[0], 9_000)])
    assert len(again.signatures) == len(note.signatures)
    assert max(one.at_s or 0 for one in check_quorum(again, WITNESS_KEYS, 2)) == 9_000


def proof_of(index: int, size: int, extra: bytes | None = None) -> LoggedProof:
    hashes = tuple(prove_inclusion(reader_of(entries_of(size)), index, size))
    note = signed(entries_of(size))
    return LoggedProof(index, hashes, with_cosignatures(note, [cosign(note.text, WITNESSES[0], 5)]), extra)


@settings(deadline=None)
@given(st.integers(1, 40), st.data(), st.none() | st.binary(max_size=20))
def test_a_proof_file_is_read_as_it_was_written_and_proves_its_entry(
    size: int, data: st.DataObject, extra: bytes | None
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = proof_of(index, size, extra)
    read = parse_proof_file(bytes(proof))
    assert read == proof
    leaf = leaf_hash(entries_of(size)[index])
    signed_by = verify_proof_file(read, leaf, LOG.verifier, ORIGIN, WITNESS_KEYS, 1)
    assert signed_by.checkpoint.size == size
    with pytest.raises(EvidenceError):
        verify_proof_file(read, leaf_hash(b"other"), LOG.verifier, ORIGIN)
    with pytest.raises(EvidenceError):
        verify_proof_file(read, leaf, LOG.verifier, ORIGIN, WITNESS_KEYS, 2)


@settings(deadline=None)
@given(st.data())
def test_a_changed_byte_of_a_proof_file_is_refused(data: st.DataObject) -> None:
    whole = bytearray(bytes(proof_of(7, 21)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        verify_proof_file(
            parse_proof_file(bytes(whole)), leaf_hash(entries_of(21)[7]), LOG.verifier, ORIGIN, WITNESS_KEYS, 1
        )


@pytest.mark.parametrize(
    "data",
    [
        b"", b"c2sp.org/tlog-proof@v1\n\n", b"c2sp.org/tlog-proof@v2\nindex 0\n\nx", b"c2sp.org/tlog-proof@v1\nindex 01\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra ?\nindex 0\n\nx", b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx", b"x" * 1_000_000,
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + b"A" * 43 + b"=\n" * 70 + b"\nx",
    ],
)  # fmt: skip
def test_what_is_no_proof_file_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_proof_file(data)


@pytest.mark.parametrize("line", ["", "— a", "— a ", "- a AAAAAAA=", "— a b AAAAAAA="])
def test_what_is_no_signature_line_is_refused(line: str) -> None:
    with pytest.raises(EvidenceError):
        parse_signature(line)
