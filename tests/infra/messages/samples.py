"""Messages that the tests begin with, of our own making."""

from __future__ import annotations

SPACE = "urn:iso:std:iso:20022:tech:xsd:"


def transfer(
    *,
    amount: str = "100.00",
    currency: str = "EUR",
    name: str = "Erika Mustermann",
    iban: str = "DE89370400440532013000",
    reference: str = "T1",
    memo: str = "Rent",
) -> str:
    """One `CdtTrfTxInf`, with a payer's account that is no IBAN."""
    return f"""<CdtTrfTxInf>
  <PmtId><EndToEndId>E-{reference}</EndToEndId><TxId>{reference}</TxId></PmtId>
  <IntrBkSttlmAmt Ccy="{currency}">{amount}</IntrBkSttlmAmt>
  <AccptncDtTm>2026-05-01T08:00:00+08:00</AccptncDtTm>
  <ChrgBr>SLEV</ChrgBr>
  <Dbtr><Nm>{name}</Nm><PstlAdr><TwnNm>Köln</TwnNm><Ctry>DE</Ctry></PstlAdr></Dbtr>
  <DbtrAcct><Id><Othr><Id>6222020200112233445</Id></Othr></Id></DbtrAcct>
  <DbtrAgt><FinInstnId><BICFI>ICBKCNBJ</BICFI></FinInstnId></DbtrAgt>
  <CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>102100099996</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>
  <Cdtr><Nm>张三</Nm></Cdtr>
  <CdtrAcct><Id><IBAN>{iban}</IBAN></Id></CdtrAcct>
  <RmtInf><Ustrd>{memo}</Ustrd></RmtInf>
</CdtTrfTxInf>"""


def pacs008(*transfers: str, version: str = "08", said: int | None = None, extra: str = "") -> str:
    """A pacs.008 with these transfers; `said` is its `NbOfTxs`, `extra` follows it in the header."""
    body = "".join(transfers or (transfer(),))
    count = len(transfers) or 1
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="{SPACE}pacs.008.001.{version}"><FIToFICstmrCdtTrf>
<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-05-01T00:00:00</CreDtTm><NbOfTxs>{count if said is None else said}</NbOfTxs>{extra}
<SttlmInf><SttlmMtd>CLRG</SttlmMtd></SttlmInf></GrpHdr>
{body}</FIToFICstmrCdtTrf></Document>"""


PAIN_001_03 = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="{SPACE}pain.001.001.03"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>P1</MsgId><CreDtTm>2026-05-01T08:00:00Z</CreDtTm><NbOfTxs>2</NbOfTxs><CtrlSum>1500</CtrlSum>
<InitgPty><Nm>Shop</Nm></InitgPty></GrpHdr>
<PmtInf><PmtInfId>I1</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt>2026-05-02</ReqdExctnDt>
<Dbtr><Nm>Shop</Nm></Dbtr><DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>
<DbtrAgt><FinInstnId><BIC>COBADEFF</BIC></FinInstnId></DbtrAgt>
<CdtTrfTxInf><PmtId><EndToEndId>A</EndToEndId></PmtId><Amt><InstdAmt Ccy="JPY">1000</InstdAmt></Amt>
<Cdtr><Nm>Taro</Nm></Cdtr></CdtTrfTxInf>
<CdtTrfTxInf><PmtId><EndToEndId>NOTPROVIDED</EndToEndId></PmtId><Amt><InstdAmt Ccy="JPY">500</InstdAmt></Amt>
<Cdtr><Nm>Jiro</Nm></Cdtr></CdtTrfTxInf>
</PmtInf></CstmrCdtTrfInitn></Document>"""

CAMT_054 = f"""<?xml version="1.0"?>
<Document xmlns="{SPACE}camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>N1</MsgId><CreDtTm>2026-05-01T08:00:00Z</CreDtTm></GrpHdr>
<Ntfctn><Id>1</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>
<Ntry><Amt Ccy="EUR">7.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-05-01</Dt></BookgDt>
<BkTxCd/><NtryDtls><TxDtls><Refs><TxId>T9</TxId></Refs>
<RltdPties><Dbtr><Pty><Nm>Anna</Nm></Pty></Dbtr></RltdPties></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">2.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BkTxCd/></Ntry>
</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"""

CAMT_056 = f"""<?xml version="1.0"?>
<Document xmlns="{SPACE}camt.056.001.08"><FIToFIPmtCxlReq>
<Assgnmt><Id>C1</Id><Assgnr><Agt><FinInstnId><BICFI>ICBKCNBJ</BICFI></FinInstnId></Agt></Assgnr>
<Assgne><Agt><FinInstnId><BICFI>COBADEFF</BICFI></FinInstnId></Agt></Assgne><CreDtTm>2026-05-02T08:00:00Z</CreDtTm></Assgnmt>
<Undrlyg><TxInf><OrgnlEndToEndId>E-T1</OrgnlEndToEndId><OrgnlTxId>T1</OrgnlTxId>
<CxlRsnInf><Rsn><Cd>FRAD</Cd></Rsn><AddtlInf>The payer was deceived</AddtlInf></CxlRsnInf></TxInf></Undrlyg>
</FIToFIPmtCxlReq></Document>"""
