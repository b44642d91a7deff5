"""The oblivious function: the RFC's own vectors, two independent implementations, and what must be refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voprf import ristretto as other

from lianfang.engines.oprf import BATCH_MAX, base, blinded, derive_key, evaluated, finalized, prove, scalar_from, verify
from lianfang.engines.oprf.group import IDENTITY, add, hash_to_scalar, inverse, multiply, number, scalar
from lianfang.engines.oprf.suite import Mode, contexts, finish, hashed, sized
from lianfang.kernel.errors import EvidenceError, InputError

ROOT = Path(__file__).parents[3]
SUITES = json.loads((ROOT / "tests/vectors/oprf-rfc9497-ristretto255.json").read_text("utf-8"))
CASES = [(s, v) for s in SUITES for v in s["vectors"]]
NOBLE = ROOT / "web/node_modules/@noble/curves/ed25519.js"


def parts(text: str) -> list[bytes]:
    return [bytes.fromhex(x) for x in text.split(",")]


def test_there_are_all_eight_of_the_rfc() -> None:
    assert [(s["mode"], len(s["vectors"])) for s in SUITES] == [(0, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: f"mode {s['mode']}")
def test_the_private_key_is_derived_from_the_seed(suite: dict[str, Any]) -> None:
    key = derive_key(bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"]), suite["mode"])
    assert key.hex() == suite["skSm"]
    if "pkSm" in suite:
        assert base(key).hex() == suite["pkSm"]


@pytest.mark.parametrize(("suite", "vector"), [c for c in CASES if c[0]["mode"] < 2], ids=str)
def test_the_vectors_of_modes_0_and_1_come_out(suite: dict[str, Any], vector: dict[str, Any]) -> None:
    mode: Mode = suite["mode"]
    key = bytes.fromhex(suite["skSm"])
    inputs, blinds = parts(vector["Input"]), parts(vector["Blind"])
    sent = [blinded(i, b, mode) for i, b in zip(inputs, blinds, strict=True)]
    assert sent == parts(vector["BlindedElement"])
    answers = evaluated(key, sent)
    assert answers == parts(vector["EvaluationElement"])
    if mode == 1:
        proof = prove(key, base(key), sent, answers, bytes.fromhex(vector["Proof"]["r"]))
        assert proof.hex() == vector["Proof"]["proof"]
        verify(base(key), sent, answers, proof)
    outputs = [finalized(i, b, a) for i, b, a in zip(inputs, blinds, answers, strict=True)]
    assert outputs == parts(vector["Output"])


@pytest.mark.parametrize(("suite", "vector"), [c for c in CASES if c[0]["mode"] == 2], ids=str)
def test_the_vectors_of_mode_2_come_out_of_the_same_primitives(suite: dict[str, Any], vector: dict[str, Any]) -> None:
    """The alliance does not use POPRF (its 1/(k + m) cannot be shared out); the group operations are held by it all the same."""
    key, info = bytes.fromhex(suite["skSm"]), bytes.fromhex(vector["Info"])
    tweak = hash_to_scalar(b"Info" + sized(info), contexts(2).scalar)
    tweaked = scalar(number(key) + number(tweak))
    inputs, blinds = parts(vector["Input"]), parts(vector["Blind"])
    sent = [multiply(b, hashed(i, 2)) for i, b in zip(inputs, blinds, strict=True)]
    assert sent == parts(vector["BlindedElement"])
    answers = evaluated(inverse(tweaked), sent)
    assert answers == parts(vector["EvaluationElement"])
    for item, blind, answer, output in zip(inputs, blinds, answers, parts(vector["Output"]), strict=True):
        unblinded = multiply(inverse(blind), answer)
        assert hashlib.sha512(sized(item) + sized(info) + sized(unblinded) + b"Finalize").digest() == output


@settings(max_examples=30, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), data=st.binary(min_size=1, max_size=200), info=st.binary(max_size=40))
def test_the_rust_implementation_agrees_both_ways(seed: bytes, data: bytes, info: bytes) -> None:
    theirs = other.Evaluator.from_seed(seed, info)
    key = derive_key(seed, info)
    assert theirs.public_key.serialize() == base(key)
    blind = scalar_from(os.urandom(64))
    sent = blinded(data, blind)
    said = theirs.evaluate(other.BlindedInput.deserialize(sent)).serialize()
    answer, proof = evaluated(key, [sent])[0], None
    assert answer in said
    proof = said.replace(answer, b"", 1)[-64:]
    verify(base(key), [sent], [answer], proof)
    assert finalized(data, blind, answer) == theirs.evaluate_known_input(data)


def noble(script: str) -> Any:
    """What a script says that has `ristretto255_oprf` as `o`, `hex`, and `un` (from hex)."""
    text = f"import {{ ristretto255_oprf as o }} from {json.dumps(NOBLE.as_uri())};"
    text += (
        "const hex = (b) => Buffer.from(b).toString('hex'); const un = (s) => Uint8Array.from(Buffer.from(s, 'hex'));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", text + script],
        capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},  # type: ignore[attr-defined]
    )  # fmt: skip
    return json.loads(done.stdout)


def test_noble_curves_agree_on_random_inputs() -> None:
    assert NOBLE.exists(), "npm's packages are not there: make .venv/.ready-extras"
    seed, items = os.urandom(32), [os.urandom(n + 1) for n in range(20)]
    blinds = [scalar_from(os.urandom(64)) for _ in items]
    sent = [blinded(i, b) for i, b in zip(items, blinds, strict=True)]
    said = noble(
        f"const sent = {json.dumps([s.hex() for s in sent])}.map(un), items = {json.dumps([i.hex() for i in items])}.map(un),"
        f"blinds = {json.dumps([b.hex() for b in blinds])}.map(un);"
        f"const k = o.voprf.deriveKeyPair(un('{seed.hex()}'), un('{b'lianfang'.hex()}'));"
        "const e = o.voprf.blindEvaluateBatch(k.secretKey, k.publicKey, sent);"
        "const out = o.voprf.finalizeBatch(items.map((input, i) => ({ input, blind: blinds[i], evaluated: e.evaluated[i], "
        "blinded: sent[i] })), k.publicKey, e.proof);"
        "console.log(JSON.stringify({ public: hex(k.publicKey), answers: e.evaluated.map(hex), proof: hex(e.proof), "
        "out: out.map(hex) }));"
    )
    key = derive_key(seed, b"lianfang")
    answers = evaluated(key, sent)
    assert said["public"] == base(key).hex()
    assert said["answers"] == [a.hex() for a in answers]
    verify(base(key), sent, answers, bytes.fromhex(said["proof"]))
    assert said["out"] == [finalized(i, b, a).hex() for i, b, a in zip(items, blinds, answers, strict=True)]


@pytest.fixture(name="honest")
def honest_answer() -> tuple[bytes, list[bytes], list[bytes], bytes]:
    key = derive_key(bytes(32), b"test")
    sent = [blinded(bytes((i,)), scalar_from(os.urandom(64))) for i in range(4)]
    answers = evaluated(key, sent)
    return key, sent, answers, prove(key, base(key), sent, answers, scalar_from(os.urandom(64)))


Honest = tuple[bytes, list[bytes], list[bytes], bytes]


@settings(max_examples=40, deadline=None)
@given(bit=st.integers(0, 511))
def test_a_proof_with_one_bit_changed_is_refused(bit: int) -> None:
    key = derive_key(bytes(32), b"test")
    sent = [blinded(b"x", scalar_from(b"\7" * 64))]
    answers = evaluated(key, sent)
    proof = bytearray(prove(key, base(key), sent, answers, scalar_from(b"\5" * 64)))
    proof[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EvidenceError):
        verify(base(key), sent, answers, bytes(proof))


def test_a_proof_of_another_key_of_other_answers_or_of_another_order_is_refused(honest: Honest) -> None:
    key, sent, answers, proof = honest
    verify(base(key), sent, answers, proof)
    with pytest.raises(EvidenceError, match="announced key"):
        verify(base(scalar(7)), sent, answers, proof)
    with pytest.raises(EvidenceError, match="announced key"):
        verify(base(key), sent, answers[::-1], proof)
    with pytest.raises(EvidenceError, match="announced key"):
        verify(base(key), sent, [add(answers[0], base(scalar(1))), *answers[1:]], proof)
    with pytest.raises(EvidenceError, match="as many answers"):
        verify(base(key), sent, answers[1:], proof)


@pytest.mark.parametrize(
    "bad", [IDENTITY, b"\xff" * 32, b"\x01" + bytes(31), bytes(31), bytes(33)], ids=lambda b: b.hex()[:8]
)
def test_an_element_that_is_none_is_refused(bad: bytes, honest: Honest) -> None:
    key, sent, answers, proof = honest
    with pytest.raises(EvidenceError, match="element"):
        evaluated(key, [bad])
    with pytest.raises(EvidenceError):
        verify(base(key), sent, [bad, *answers[1:]], proof)
    with pytest.raises(EvidenceError):
        finalized(b"x", scalar(3), bad)


def test_sizes_have_limits(honest: Honest) -> None:
    key = honest[0]
    with pytest.raises(InputError, match=f"1 to {BATCH_MAX}"):
        prove(key, base(key), [], [], scalar(3))
    with pytest.raises(InputError, match="65535"):
        hashed(bytes(65_536))
    with pytest.raises(InputError, match="64 random bytes"):
        scalar_from(bytes(32))
    with pytest.raises(EvidenceError, match="no inverse"):
        inverse(bytes(32))
    with pytest.raises(EvidenceError, match="canonical"):
        number(b"\xff" * 32)


@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=64))
def test_two_blinds_of_one_input_give_one_output(data: bytes) -> None:
    key = derive_key(bytes(32), b"test")
    one, two = (scalar_from(os.urandom(64)) for _ in range(2))
    outputs = [finalized(data, b, evaluated(key, [blinded(data, b)])[0]) for b in (one, two)]
    assert outputs[0] == outputs[1] == finish(data, multiply(key, hashed(data)))
