"""Hostile XML at the door: each trick is refused or normalised, and the refusal says which and where."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lianfang.infra.messages import UnknownMessageError, parse, read_payments_of
from lianfang.infra.messages.xml import XML_BYTES_MAX, XML_DEPTH_MAX
from lianfang.kernel.errors import InputError, TooLargeError
from lianfang.wire import Payment
from tests.infra.messages.samples import SPACE, pacs008, transfer


def read(text: str | bytes) -> Payment:
    return read_payments_of(parse(text if isinstance(text, bytes) else text.encode())).payments[0]


def refused(text: str | bytes, kind: type[InputError] = InputError) -> InputError:
    with pytest.raises(kind) as caught:
        read(text)
    return caught.value


def with_doctype(doctype: str, name: str = "&e;") -> str:
    text = pacs008(transfer(name=name))
    return text.replace("<Document", f"{doctype}<Document", 1)


def ten_times(level: int) -> str:
    return f"&lol{level or ''};" * 10


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{i} "{ten_times(i - 1)}">' for i in range(1, 10))
    + "]>"
)


@pytest.mark.parametrize(
    "doctype",
    [
        LAUGHS.replace("lol9", "e"),
        '<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd">',
        '<!DOCTYPE d [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
        '<!DOCTYPE d [<!ENTITY e "harmless">]>',
    ],
    ids=["billion laughs", "external subset", "parameter entity", "internal entity"],
)
def test_document_types_are_refused_before_parsing(doctype: str) -> None:
    why = refused(with_doctype(doctype))
    assert "document type" in why.what
    assert why.where == "line 2"


def test_an_external_file_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    why = refused(with_doctype(f'<!DOCTYPE d [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'))
    assert "secret" not in str(why)


def test_nothing_is_fetched_from_the_network() -> None:
    asked: list[str] = []

    class Notes(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Notes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        refused(with_doctype(f'<!DOCTYPE d [<!ENTITY e SYSTEM "{url}/e">]>'))
        instance = "http://www.w3.org/2001/XMLSchema-instance"
        located = f'xmlns:xsi="{instance}" xsi:schemaLocation="{SPACE}x {url}/s.xsd" xmlns="{SPACE}'
        assert read(pacs008().replace(f'xmlns="{SPACE}', located)).id == "T1"
        server.shutdown()
        thread.join()
    assert asked == []


def test_an_entity_that_was_never_declared_is_refused() -> None:
    assert "well-formed" in refused(pacs008(transfer(name="&e;"))).what


def test_a_hundred_megabytes_are_refused_before_they_are_parsed() -> None:
    why = refused(b"<" * (100 << 20), TooLargeError)
    assert f"{XML_BYTES_MAX:,}" in why.what


def test_very_many_elements_are_refused() -> None:
    text = pacs008(extra="") + "<a/>" * 200_000
    assert "elements" in refused(text, TooLargeError).what


@pytest.mark.parametrize("depth", [XML_DEPTH_MAX + 1, 255, 400])
def test_deep_nesting_is_refused(depth: int) -> None:
    inner = "<a>" * depth + "</a>" * depth
    text = pacs008().replace("</CdtTrfTxInf>", f"<SplmtryData>{inner}</SplmtryData></CdtTrfTxInf>")
    assert "deeper" in refused(text, TooLargeError).what


@pytest.mark.parametrize(
    "space",
    [
        "",
        "urn:example",
        f"{SPACE}pacs.008.001.99",
        f"{SPACE}pacs.009.001.08",
        f"{SPACE}pacs.008.001.8",
        "urn:swift:xsd:x",
    ],
)
def test_a_wrong_namespace_is_refused_with_those_that_are_known(space: str) -> None:
    why = refused(pacs008().replace(f"{SPACE}pacs.008.001.08", space), UnknownMessageError)
    assert "pacs.008.001.07 to 13" in why.what


def test_an_element_of_another_namespace_inside_is_refused() -> None:
    assert refused(pacs008().replace("<ChrgBr>", '<ChrgBr xmlns="urn:x">')).where.startswith("line ")


@pytest.mark.parametrize("version", ["07", "08", "09", "10", "11", "12", "13"])
def test_known_versions_are_read(version: str) -> None:
    assert read(pacs008(version=version)).amount == 10_000


def test_two_documents_or_none_are_refused() -> None:
    one = pacs008().partition("?>")[2]
    assert "2 Documents" in refused(f"<Envelope>{one}{one}</Envelope>").what
    assert "0 Documents" in refused("<Envelope/>").what


def test_an_envelope_is_left_aside_and_said_so() -> None:
    parsed = parse(f"<Envelope><AppHdr/>{pacs008().partition('?>')[2]}</Envelope>".encode())
    assert parsed.notes == ("the envelope Envelope around the Document was left aside",)


@pytest.mark.parametrize(
    ("codec", "said"), [("gb18030", "GB18030"), ("gbk", "GBK"), ("gb18030", "gb2312"), ("latin-1", "ISO-8859-1")]
)
def test_other_encodings_that_are_said_are_normalised(codec: str, said: str) -> None:
    name = "Jörg" if codec == "latin-1" else "欧阳修"
    text = pacs008(transfer(name=name)).replace("UTF-8", said).replace("张三", "Zhang").replace("Köln", "Koeln")
    parsed = parse(text.encode(codec))
    assert read_payments_of(parsed).payments[0].payer.name == name
    assert parsed.notes == (f"{said.upper()} was read",)


def test_utf_16_with_its_mark_is_normalised() -> None:
    assert read(pacs008(transfer(name="欧阳修")).replace("UTF-8", "UTF-16").encode("utf-16")).payer.name == "欧阳修"


def test_a_byte_order_mark_is_no_text() -> None:
    assert read(b"\xef\xbb\xbf" + pacs008().encode()).id == "T1"


def test_gb18030_that_says_it_is_utf_8_is_refused_and_told_why() -> None:
    why = refused(pacs008(transfer(name="欧阳修")).encode("gb18030"))
    assert "UTF-8" in why.what
    assert "declaration must name it" in why.what


@pytest.mark.parametrize("encoding", ["UTF-7", "EBCDIC-CP-US", "x-user-defined", "UTF-32", "../../etc"])
def test_unknown_encodings_are_refused(encoding: str) -> None:
    assert encoding in refused(pacs008().replace("UTF-8", encoding)).what


def test_xml_1_1_is_refused() -> None:
    assert "1.1" in refused(pacs008().replace('version="1.0"', 'version="1.1"')).what


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_message_that_was_cut_short_is_refused_with_line_and_column(keep: float) -> None:
    text = pacs008()
    why = refused(text[: int(len(text) * keep)])
    assert why.where.startswith("line ")
    assert "column" in why.where


def test_cdata_is_text_like_any_other() -> None:
    payment = read(pacs008(transfer(name="A<![CDATA[<Nm>&amp;]]>B", memo="<![CDATA[x]]>")))
    assert payment.payer.name == "A<Nm>&amp;B"
    assert payment.memo == "x"


def test_cdata_that_would_hide_elements_hides_nothing() -> None:
    hidden = pacs008().replace("<ChrgBr>SLEV</ChrgBr>", "<![CDATA[<ChrgBr>SLEV</ChrgBr>]]>")
    refused(hidden)


def test_a_comment_inside_a_value_does_not_cut_it() -> None:
    payment = read(pacs008(transfer(iban="DE8937040044<!-- x -->0532013000", name="A<?pi x?>B")))
    assert payment.payee.account == "DE89370400440532013000"
    assert payment.payer.name == "AB"


@pytest.mark.parametrize("character", ["\u202e", "\u202a", "\u2066", "\u2069", "\x7f", "\x85"])
@pytest.mark.parametrize("escaped", [False, True])
def test_characters_that_are_no_text_are_refused_by_their_number(character: str, escaped: bool) -> None:
    put = f"&#x{ord(character):X};" if escaped else character
    why = refused(pacs008(transfer(), transfer(name=f"Anna{put}nnA", reference="T2")))
    assert f"U+{ord(character):04X}" in why.what
    assert why.where.startswith("CdtTrfTxInf[2]/Dbtr/Nm, line ")


@pytest.mark.parametrize("reference", ["&#0;", "&#x1;", "&#27;", "&#xFFFE;", "\x00", "\x1b"])
def test_control_characters_are_refused(reference: str) -> None:
    refused(pacs008(transfer(name=f"A{reference}B")))


def test_line_breaks_and_tabs_in_a_name_become_spaces() -> None:
    assert read(pacs008(transfer(name="Anna\n\t Maria"))).payer.name == "Anna Maria"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("100", "JPY", 100),
        ("100.000", "KWD", 100_000),
        ("1.234", "BHD", 1_234),
        ("5.00000", "EUR", 500),
        ("0", "CNY", 0),
    ],
)
def test_currencies_have_their_own_decimals(amount: str, currency: str, minor: int) -> None:
    assert read(pacs008(transfer(amount=amount, currency=currency))).amount == minor


@pytest.mark.parametrize(
    ("amount", "currency"), [("100.5", "JPY"), ("1.2345", "BHD"), ("1.001", "EUR"), ("1.000001", "EUR"), ("-1", "EUR")]
)
def test_amounts_with_too_many_decimals_are_refused(amount: str, currency: str) -> None:
    assert "IntrBkSttlmAmt" in refused(pacs008(transfer(amount=amount, currency=currency))).where


@pytest.mark.parametrize("currency", ["XXX", "eur", "EU", "ABC"])
def test_unknown_currencies_are_refused(currency: str) -> None:
    refused(pacs008(transfer(currency=currency)))


@pytest.mark.parametrize(
    ("iban", "why"),
    [
        ("DE88370400440532013000", "check digits"),
        ("DE8937040044053201300", "21 characters"),
        ("DE89", "form"),
        ("DE893704004405320130001", "23 characters"),
    ],
)
def test_a_wrong_iban_is_refused_and_not_repeated(iban: str, why: str) -> None:
    error = refused(pacs008(transfer(iban=iban)))
    assert why in error.what or "CdtrAcct" in error.where or "IBAN" in error.where
    assert iban not in str(error)


def test_a_refusal_by_the_schema_does_not_repeat_the_value() -> None:
    why = refused(pacs008().replace("ICBKCNBJ", "SECRETNAME'x"))
    assert "BICFI" in why.where
    assert "SECRET" not in str(why)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("ICBKCNBJ", "A" * 900_000, "form"),
        ("Erika Mustermann", "x" * 900_000, "too long"),
        ("2026-05-01T08:00:00+08:00", "2" * 900_000, "not one of its type"),
        ("100.00", "1" * 900_000, "digits"),
        ("<ChrgBr>", "<Secret>x</Secret><ChrgBr>", "not expected"),
    ],
)
def test_long_values_are_refused_in_few_words(old: str, new: str, why: str) -> None:
    error = refused(pacs008().replace(old, new))
    assert why in error.what
    assert len(str(error)) < 400


def test_of_very_many_lines_the_first_are_kept_and_the_rest_is_listed() -> None:
    many = transfer().replace("<Ustrd>Rent</Ustrd>", "<Ustrd>x</Ustrd>" * 30_000)
    found = read_payments_of(parse(pacs008(many).encode()))
    assert found.payments[0].memo == "x " * 63 + "x"
    assert ("CdtTrfTxInf/RmtInf/Ustrd[65]", 29_936) in [(one.path, one.times) for one in found.lost]


def test_counts_and_sums_that_are_not_so_are_refused() -> None:
    assert refused(pacs008(said=2)).where == "GrpHdr/NbOfTxs"
    assert refused(pacs008(extra="<CtrlSum>99</CtrlSum>")).where == "GrpHdr/CtrlSum"
    assert read(pacs008(extra="<CtrlSum>100</CtrlSum>")).id == "T1"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_is_changed_the_answer_is_a_payment_or_a_refusal(data: st.DataObject) -> None:
    raw = bytearray(pacs008().encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        assert isinstance(read(bytes(raw)), Payment)
    except InputError as why:
        assert why.what


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(raw: bytes) -> None:
    with pytest.raises(InputError):
        parse(raw)
