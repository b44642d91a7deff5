"""How our names map to ISO 20022. One table, for people and for the message converters.

Ours are payer and payee because cards, QR codes and wallets have them too; ISO's debtor and creditor are the same roles.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Mapping(NamedTuple):
    """Our path, the ISO 20022 element (pacs.008 `CdtTrfTxInf` unless said otherwise), and a remark."""

    ours: str
    iso: str
    remark: str = ""


ISO_20022: Final = (
    Mapping("id", "PmtId/EndToEndId", "the payer's reference, kept along the chain"),
    Mapping("time", "AccptncDtTm", "GrpHdr/CreDtTm where it is absent"),
    Mapping("amount", "IntrBkSttlmAmt", "minor units by the currency's exponent"),
    Mapping("currency", "IntrBkSttlmAmt/@Ccy", "ISO 4217"),
    Mapping("payer.account", "DbtrAcct/Id", "IBAN, or Othr/Id"),
    Mapping("payer.name", "Dbtr/Nm"),
    Mapping("payer.phone", "Dbtr/CtctDtls/MobNb"),
    Mapping("payer.id_document", "Dbtr/Id/PrvtId/Othr/Id", "OrgId for organisations"),
    Mapping("payer.member", "DbtrAgt/FinInstnId", "BICFI, or ClrSysMmbId"),
    Mapping("payee.account", "CdtrAcct/Id", "IBAN, or Othr/Id"),
    Mapping("payee.name", "Cdtr/Nm"),
    Mapping("payee.phone", "Cdtr/CtctDtls/MobNb"),
    Mapping("payee.id_document", "Cdtr/Id/PrvtId/Othr/Id", "OrgId for organisations"),
    Mapping("payee.member", "CdtrAgt/FinInstnId", "BICFI, or ClrSysMmbId"),
    Mapping("memo", "RmtInf/Ustrd"),
    Mapping("corrects", "OrgnlTxRef", "of a new instruction that replaces an earlier one"),
    Mapping("card", "caaa.001 Card/PlainCardData/PAN", "acceptor messages; a token where possible"),
    Mapping("merchant.id", "caaa.001 Mrchnt/Id/Id"),
    Mapping("merchant.category", "caaa.001 Mrchnt/CmonNm; MrchntCtgyCd", "ISO 18245"),
    Mapping("merchant.terminal", "caaa.001 POI/Id/Id"),
)
