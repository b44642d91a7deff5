"""One subject, one text: what is the same is written the same, what is none is refused without being repeated."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.engines.subjects import canonical, normalise
from lianfang.engines.subjects.identity import check_character
from lianfang.engines.subjects.normal import _KINDS
from lianfang.kernel.errors import InputError
from lianfang.wire.listing import SubjectKind

SAME: list[tuple[SubjectKind, list[str], str]] = [
    ("phone", ["13800138000", "１３８００１３８０００"], "+8613800138000"),
    ("phone", ["+86 138 0013 8000", "+86-138-0013-8000", "008613800138000"], "+8613800138000"),
    ("phone", ["+1 650 253 0000"], "+16502530000"),
    ("id_document", ["11010519491231002X", "11010519491231002x", "110105 19491231 002X"], "11010519491231002X"),
    ("id_document", ["SG:s1234567d"], "SG:S1234567D"),
    ("account", ["6222 0212 3456 7890", "6222-0212-3456-7890"], "6222021234567890"),
    ("account", ["GB82 WEST 1234 5698 7654 32", "gb82west12345698765432"], "GB82WEST12345698765432"),
    ("account", ["102100099996:6222021234567890"], "102100099996:6222021234567890"),
    ("card", ["4111 1111 1111 1111"], "4111111111111111"),
    ("ip", ["2001:DB8::0:1", "2001:0db8:0000:0000:0000:0000:0000:0001"], "2001:db8::1"),
    ("ip", ["::ffff:192.0.2.1", "192.0.2.1"], "192.0.2.1"),
    ("email", ["Zhang.San@Example.COM"], "zhang.san@example.com"),
    ("domain", ["Bücher.Example.", "xn--bcher-kva.example"], "xn--bcher-kva.example"),
    ("domain", ["支付。example"], "xn--bnq875c.example"),
    ("url", ["http://Example.com", "example.com/", "http://example.com:80/#top", "HTTP://EXAMPLE.com/./a/.."], "http://example.com/"),
    ("url", ["https://example.com/%25%32%35", "https://example.com/%25"], "https://example.com/%25"),
    ("url", ["http://example.com//a///b/../c?q=1#x"], "http://example.com/a/c?q=1"),
    ("wallet_address", ["0x52908400098527886E0F7030069857D2E4169EE7"], "0x52908400098527886e0f7030069857d2e4169ee7"),
    ("wallet_address", ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"], "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("wifi", ["AA:BB:cc:00:11:22", "aabb.cc00.1122"], "aabbcc001122"),
    ("device", ["Dev-1"], "dev-1"),
]  # fmt: skip
NONE: list[tuple[SubjectKind, str, str]] = [
    ("phone", "hello", "no phone number"),
    ("phone", "123", "length"),
    ("id_document", "110105194912310021", "check character"),
    ("id_document", "110105491231002", "15-place"),
    ("id_document", "11010519491331002X", "date of birth"),
    ("id_document", "??", "17 digits"),
    ("id_document", "S:1", "another country"),
    ("account", "GB82WEST12345698765433", "check digits"),
    ("account", "a/b", "letters and digits"),
    ("card", "4111111111111112", "check digit"),
    ("card", "4111", "12 to 19"),
    ("ip", "1.2.3", "no IPv4"),
    ("email", "nobody", "name@host"),
    ("domain", "a..b", "domain"),
    ("url", "ftp://example.com", "http"),
    ("url", "http://[::1", "malformed"),
    ("wallet_address", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum"),
    ("device", "dev 1", "at most 64"),
    ("device", "", "1 to 256"),
    ("device", "a\u202eb", "control"),
    ("device", "a\x00b", "control"),
]


@pytest.mark.parametrize(("kind", "written", "normal"), [(k, w, n) for k, ws, n in SAME for w in ws], ids=str)
def test_what_is_the_same_is_written_the_same(kind: SubjectKind, written: str, normal: str) -> None:
    assert normalise(kind, written) == normal
    assert normalise(kind, normal) == normal
    assert canonical(kind, written) == kind.encode() + b"\0" + normal.encode()


@pytest.mark.parametrize(("kind", "written", "why"), NONE, ids=str)
def test_what_is_none_is_refused_and_not_repeated(kind: SubjectKind, written: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        normalise(kind, written)
    assert len(written) < 4 or written not in str(refused.value)


@pytest.mark.parametrize("kind", sorted(_KINDS))
@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_is_normalised_or_refused_and_twice_is_once(kind: SubjectKind, text: str) -> None:
    try:
        once = normalise(kind, text)
    except InputError:
        return
    assert normalise(kind, once) == once


@given(st.from_regex(r"[1-9][0-9]{16}", fullmatch=True))
def test_one_wrong_digit_is_always_found(first17: str) -> None:
    right = check_character(first17)
    other = first17[:-1] + str((int(first17[-1]) + 1) % 10)
    assert check_character(other) != right
