"""How our names map to ISO 20022: the one table, for people (docs/reference/messages.md) and for the converters.

Ours are payer and payee because cards, QR codes and wallets have them too; ISO's debtor and creditor are the same roles.
A path is written from the element below `Document`'s child. Of several places the first that is there is read, and the
first whose form fits is written; places of the form `Read...` are only read.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from lianfang.wire.decision import Action

Form = Literal[
    "Amount",
    "BIC",
    "Country",
    "Date",
    "DateTime",
    "IBAN",
    "Lines140",
    "Max4Text",
    "Max34Text",
    "Max35Text",
    "Max140Text",
    "Money",
    "Number",
    "Phone",
    "ReadDate",
    "ReadDateTime",
    "ReadPhone",
    "ReadText",
    "Reasons",
    "UUID",
]
"""How a value is written in the message. `Money` is an attribute's amount with its currency in one text, `100.00 USD`;
`Reasons` are codes with lines of text."""


class Place(NamedTuple):
    """Where in the message, and in which form."""

    path: str
    form: Form


class Mapping(NamedTuple):
    """Our path, the places of the message that hold it, best first, and a remark."""

    ours: str
    places: tuple[Place, ...]
    remark: str = ""


class Message(NamedTuple):
    """One message: its name, the element below `Document`, where one transaction begins, the versions read, and the rows."""

    name: str
    element: str
    transaction: str
    versions: tuple[str, ...]
    written: str
    rows: tuple[Mapping, ...]
    fixed: tuple[tuple[str, str], ...] = ()
    """(path, text) of what the message must hold where nothing of ours fills it."""

    @property
    def known(self) -> tuple[str, ...]:
        """The namespaces that are read."""
        return tuple(namespace(self.name, version) for version in self.versions)


NOT_PROVIDED: Final = "NOTPROVIDED"
"""Stands in messages where something must and nothing is known; read as nothing."""


def namespace(name: str, version: str) -> str:
    """`urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08`."""
    return f"urn:iso:std:iso:20022:tech:xsd:{name}.001.{version}"


def _row(ours: str, *places: tuple[str, Form], remark: str = "") -> Mapping:
    return Mapping(ours, tuple(Place(*place) for place in places), remark)


def _versions(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{n:02d}" for n in range(first, last + 1))


def _party(ours: str, at: str, via: tuple[str, ...] = ("",)) -> tuple[Mapping, ...]:
    """`via`: elements between the role and the party; later versions of statements have a choice there."""

    def row(name: str, *places: tuple[str, Form], remark: str = "") -> Mapping:
        return _row(name, *((f"{at}{v}/{path}", form) for path, form in places for v in via), remark=remark)

    return (
        row(f"{ours}.name", ("Nm", "Max140Text")),
        row(
            f"{ours}.phone",
            ("CtctDtls/MobNb", "Phone"),
            ("CtctDtls/PhneNb", "ReadPhone"),
            remark="+86-138... is +86138... here",
        ),
        row(
            f"{ours}.id_document",
            ("Id/PrvtId/Othr/Id", "Max35Text"),
            ("Id/OrgId/Othr/Id", "ReadText"),
            ("Id/OrgId/AnyBIC", "ReadText"),
            ("Id/OrgId/BICOrBEI", "ReadText"),
            ("Id/OrgId/LEI", "ReadText"),
            remark="an organisation's is written as a person's",
        ),
        row(f"attributes.{ours}_country", ("CtryOfRes", "Country"), ("PstlAdr/Ctry", "ReadText")),
        row(f"attributes.{ours}_email", ("CtctDtls/EmailAdr", "Max140Text")),
    )


def _account(ours: str, at: str) -> tuple[Mapping, ...]:
    return (
        _row(
            f"{ours}.account",
            (f"{at}/Id/IBAN", "IBAN"),
            (f"{at}/Id/Othr/Id", "Max34Text"),
            remark="check digits are checked; written as IBAN where it is one",
        ),
        _row(f"attributes.{ours}_account_alias", (f"{at}/Prxy/Id", "Max140Text")),
    )


def _agent(ours: str, at: str) -> Mapping:
    return _row(
        ours,
        (f"{at}/FinInstnId/BICFI", "BIC"),
        (f"{at}/FinInstnId/BIC", "ReadText"),
        (f"{at}/FinInstnId/ClrSysMmbId/MmbId", "Max35Text"),
        (f"{at}/FinInstnId/Othr/Id", "ReadText"),
        (f"{at}/FinInstnId/LEI", "ReadText"),
        remark="a BIC, else the clearing system's member number",
    )


def _kind_of_payment(at: str) -> tuple[Mapping, ...]:
    return (
        _row(
            "attributes.service_level",
            (f"{at}/PmtTpInf/SvcLvl/Cd", "Max4Text"),
            (f"{at}/PmtTpInf/SvcLvl/Prtry", "Max35Text"),
        ),
        _row(
            "attributes.local_instrument",
            (f"{at}/PmtTpInf/LclInstrm/Prtry", "Max35Text"),
            (f"{at}/PmtTpInf/LclInstrm/Cd", "ReadText"),
        ),
        _row(
            "attributes.category_purpose",
            (f"{at}/PmtTpInf/CtgyPurp/Cd", "Max4Text"),
            (f"{at}/PmtTpInf/CtgyPurp/Prtry", "Max35Text"),
        ),
    )


def _what_for(at: str) -> tuple[Mapping, ...]:
    return (
        _row("attributes.purpose", (f"{at}/Purp/Cd", "Max4Text"), (f"{at}/Purp/Prtry", "Max35Text")),
        _row("memo", (f"{at}/RmtInf/Ustrd", "Lines140"), remark="lines are joined"),
        _row("attributes.creditor_reference", (f"{at}/RmtInf/Strd/CdtrRefInf/Ref", "Max35Text")),
    )


_T: Final = "CdtTrfTxInf"
PACS_008: Final = Message(
    "pacs.008",
    "FIToFICstmrCdtTrf",
    _T,
    _versions(7, 13),
    "08",
    (
        _row(
            "id",
            (f"{_T}/PmtId/UETR", "UUID"),
            (f"{_T}/PmtId/TxId", "Max35Text"),
            remark="without either it is made of the message's other references",
        ),
        _row("attributes.instruction_id", (f"{_T}/PmtId/InstrId", "Max35Text")),
        _row("attributes.end_to_end_id", (f"{_T}/PmtId/EndToEndId", "Max35Text")),
        _row("attributes.tx_id", (f"{_T}/PmtId/TxId", "Max35Text"), remark="where the UETR is the id"),
        *_kind_of_payment(_T),
        _row("amount", (f"{_T}/IntrBkSttlmAmt", "Amount"), remark="and `currency`, from its `Ccy`; minor units"),
        _row(
            "attributes.settlement_date",
            (f"{_T}/IntrBkSttlmDt", "Date"),
            ("GrpHdr/IntrBkSttlmDt", "ReadDate"),
        ),
        _row(
            "time",
            (f"{_T}/AccptncDtTm", "DateTime"),
            (f"{_T}/AddtlDtTm/AccptncDtTm", "ReadDateTime"),
            ("GrpHdr/CreDtTm", "ReadDateTime"),
        ),
        _row("attributes.instructed_amount", (f"{_T}/InstdAmt", "Money")),
        _row("attributes.exchange_rate", (f"{_T}/XchgRate", "Number")),
        _row("attributes.charge_bearer", (f"{_T}/ChrgBr", "Max4Text")),
        _agent("attributes.instructing_member", f"{_T}/InstgAgt"),
        _row("attributes.ultimate_payer", (f"{_T}/UltmtDbtr/Nm", "Max140Text")),
        *_party("payer", f"{_T}/Dbtr"),
        *_account("payer", f"{_T}/DbtrAcct"),
        _agent("payer.member", f"{_T}/DbtrAgt"),
        _agent("payee.member", f"{_T}/CdtrAgt"),
        *_party("payee", f"{_T}/Cdtr"),
        *_account("payee", f"{_T}/CdtrAcct"),
        _row("attributes.ultimate_payee", (f"{_T}/UltmtCdtr/Nm", "Max140Text")),
        *_what_for(_T),
    ),
    (
        ("GrpHdr/SttlmInf/SttlmMtd", "CLRG"),
        (f"{_T}/PmtId/EndToEndId", NOT_PROVIDED),
        (f"{_T}/ChrgBr", "SLEV"),
        (f"{_T}/Dbtr/Nm", NOT_PROVIDED),
        (f"{_T}/DbtrAgt/FinInstnId/Othr/Id", NOT_PROVIDED),
        (f"{_T}/CdtrAgt/FinInstnId/Othr/Id", NOT_PROVIDED),
        (f"{_T}/Cdtr/Nm", NOT_PROVIDED),
    ),
)

_P: Final = "PmtInf"
_PT: Final = "PmtInf/CdtTrfTxInf"
PAIN_001: Final = Message(
    "pain.001",
    "CstmrCdtTrfInitn",
    _PT,
    _versions(3, 13),
    "09",
    (
        _row("id", (f"{_PT}/PmtId/UETR", "UUID"), remark="without it, made of the message's other references"),
        _row("attributes.instruction_id", (f"{_PT}/PmtId/InstrId", "Max35Text")),
        _row("attributes.end_to_end_id", (f"{_PT}/PmtId/EndToEndId", "Max35Text")),
        _row("time", ("GrpHdr/CreDtTm", "DateTime")),
        *(
            Mapping(row.ours, row.places + outer.places, row.remark)
            for row, outer in zip(_kind_of_payment(_PT), _kind_of_payment(_P), strict=True)
        ),
        _row(
            "attributes.execution_date",
            (f"{_P}/ReqdExctnDt/Dt", "Date"),
            (f"{_P}/ReqdExctnDt/DtTm", "ReadText"),
            (f"{_P}/ReqdExctnDt", "ReadDate"),
        ),
        *_party("payer", f"{_P}/Dbtr"),
        *_account("payer", f"{_P}/DbtrAcct"),
        _agent("payer.member", f"{_P}/DbtrAgt"),
        _row("attributes.ultimate_payer", (f"{_PT}/UltmtDbtr/Nm", "Max140Text"), (f"{_P}/UltmtDbtr/Nm", "ReadText")),
        _row("attributes.charge_bearer", (f"{_PT}/ChrgBr", "Max4Text"), (f"{_P}/ChrgBr", "ReadText")),
        _row("amount", (f"{_PT}/Amt/InstdAmt", "Amount"), remark="and `currency`, from its `Ccy`; minor units"),
        _agent("payee.member", f"{_PT}/CdtrAgt"),
        *_party("payee", f"{_PT}/Cdtr"),
        *_account("payee", f"{_PT}/CdtrAcct"),
        _row("attributes.ultimate_payee", (f"{_PT}/UltmtCdtr/Nm", "Max140Text")),
        *_what_for(_PT),
    ),
    (
        ("GrpHdr/InitgPty/Nm", NOT_PROVIDED),
        (f"{_P}/PmtMtd", "TRF"),
        (f"{_P}/Dbtr/Nm", NOT_PROVIDED),
        (f"{_P}/DbtrAcct/Id/Othr/Id", NOT_PROVIDED),
        (f"{_P}/DbtrAgt/FinInstnId/Othr/Id", NOT_PROVIDED),
        (f"{_PT}/PmtId/EndToEndId", NOT_PROVIDED),
    ),
)


def _statement(name: str, element: str, part: str, versions: tuple[str, ...]) -> Message:
    """A statement's or notification's entries; read only. An entry without details is one payment by itself."""
    entry = f"{part}/Ntry"
    at = f"{entry}/NtryDtls/TxDtls"
    parties, agents = f"{at}/RltdPties", f"{at}/RltdAgts"
    rows = (
        _row("id", (f"{at}/Refs/UETR", "UUID"), (f"{at}/Refs/TxId", "Max35Text")),
        _row("attributes.instruction_id", (f"{at}/Refs/InstrId", "Max35Text")),
        _row("attributes.end_to_end_id", (f"{at}/Refs/EndToEndId", "Max35Text")),
        _row("attributes.tx_id", (f"{at}/Refs/TxId", "Max35Text"), remark="where the UETR is the id"),
        _row(
            "attributes.servicer_reference",
            (f"{at}/Refs/AcctSvcrRef", "Max35Text"),
            (f"{entry}/AcctSvcrRef", "Max35Text"),
        ),
        _row(
            "amount",
            (f"{at}/Amt", "Amount"),
            (f"{at}/AmtDtls/TxAmt/Amt", "Amount"),
            (f"{at}/AmtDtls/InstdAmt/Amt", "Amount"),
            (f"{entry}/Amt", "Amount"),
            remark="and `currency`; the entry's amount where it holds one payment only",
        ),
        _row(
            "attributes.credit_or_debit",
            (f"{at}/CdtDbtInd", "Max4Text"),
            (f"{entry}/CdtDbtInd", "Max4Text"),
        ),
        _row(
            "time",
            (f"{at}/RltdDts/AccptncDtTm", "DateTime"),
            (f"{at}/RltdDts/TxDtTm", "DateTime"),
            (f"{entry}/BookgDt/DtTm", "DateTime"),
            (f"{entry}/BookgDt/Dt", "DateTime"),
            ("GrpHdr/CreDtTm", "DateTime"),
            remark="a bare date begins at midnight",
        ),
        *_party("payer", f"{parties}/Dbtr", ("", "/Pty")),
        *_account("payer", f"{parties}/DbtrAcct"),
        _agent("payer.member", f"{agents}/DbtrAgt"),
        _agent("payee.member", f"{agents}/CdtrAgt"),
        *_party("payee", f"{parties}/Cdtr", ("", "/Pty")),
        *_account("payee", f"{parties}/CdtrAcct"),
        *_what_for(at),
        *_account("statement", f"{part}/Acct"),
        _agent("statement.member", f"{part}/Acct/Svcr"),
    )
    return Message(name, element, at, versions, "", rows)


CAMT_052: Final = _statement("camt.052", "BkToCstmrAcctRpt", "Rpt", _versions(2, 13))
CAMT_053: Final = _statement("camt.053", "BkToCstmrStmt", "Stmt", _versions(2, 13))
CAMT_054: Final = _statement("camt.054", "BkToCstmrDbtCdtNtfctn", "Ntfctn", _versions(2, 13))


def _original(at: str) -> tuple[Mapping, ...]:
    """Which payment a message speaks of."""
    return (
        _row("instruction_id", (f"{at}/OrgnlInstrId", "Max35Text")),
        _row("end_to_end_id", (f"{at}/OrgnlEndToEndId", "Max35Text")),
        _row(
            "payment_id",
            (f"{at}/OrgnlUETR", "UUID"),
            (f"{at}/OrgnlTxId", "Max35Text"),
            (f"{at}/OrgnlEndToEndId", "ReadText"),
            remark="the UETR, else the transaction's id",
        ),
        _row("tx_id", (f"{at}/OrgnlTxId", "Max35Text")),
    )


_S: Final = "TxInfAndSts"
PACS_002: Final = Message(
    "pacs.002",
    "FIToFIPmtStsRpt",
    _S,
    _versions(3, 14),
    "10",
    (
        _row("decided_at", (f"{_S}/AccptncDtTm", "ReadDateTime"), ("GrpHdr/CreDtTm", "DateTime")),
        *_original(_S),
        _row("status", (f"{_S}/TxSts", "Max4Text"), ("OrgnlGrpInfAndSts/GrpSts", "ReadText")),
        _row("reasons", (f"{_S}/StsRsnInf", "Reasons"), ("OrgnlGrpInfAndSts/StsRsnInf", "Reasons")),
    ),
)

_C: Final = "Undrlyg/TxInf"
_ASSIGNER: Final = "Assgnmt/Assgnr/Agt/FinInstnId"
_SOURCE: Final = _row(
    "source",
    (f"{_ASSIGNER}/BICFI", "BIC"),
    (f"{_ASSIGNER}/BIC", "ReadText"),
    (f"{_ASSIGNER}/ClrSysMmbId/MmbId", "ReadText"),
    (f"{_ASSIGNER}/Othr/Id", "ReadText"),
    remark="who asks; the message's name where that is not said",
)
_NOBODY: Final = "Agt/FinInstnId/Othr/Id"
CAMT_056: Final = Message(
    "camt.056",
    "FIToFIPmtCxlReq",
    _C,
    _versions(1, 12),
    "08",
    (
        _SOURCE,
        _row("known_at", ("Assgnmt/CreDtTm", "DateTime")),
        _row("case_id", ("Assgnmt/Id", "Max35Text")),
        *_original(_C),
        _row("reasons", (f"{_C}/CxlRsnInf", "Reasons"), remark="the first code is `kind`, the lines are `note`"),
    ),
    (
        (f"Assgnmt/Assgnr/{_NOBODY}", NOT_PROVIDED),
        (f"Assgnmt/Assgne/{_NOBODY}", NOT_PROVIDED),
    ),
)

_D: Final = "CxlDtls/TxInfAndSts"
CAMT_029: Final = Message(
    "camt.029",
    "RsltnOfInvstgtn",
    _D,
    _versions(3, 14),
    "09",
    (
        _SOURCE,
        _row("known_at", ("Assgnmt/CreDtTm", "DateTime")),
        _row("case_id", ("Assgnmt/Id", "Max35Text")),
        _row("conclusion", ("Sts/Conf", "Max4Text"), remark="CNCL cancelled, RJCR rejected, PDCR pending"),
        *_original(_D),
        _row("status", (f"{_D}/TxCxlSts", "Max4Text")),
        _row("reasons", (f"{_D}/CxlStsRsnInf", "Reasons")),
    ),
    (
        (f"Assgnmt/Assgnr/{_NOBODY}", NOT_PROVIDED),
        (f"Assgnmt/Assgne/{_NOBODY}", NOT_PROVIDED),
    ),
)

MESSAGES: Final = (PACS_008, PAIN_001, PACS_002, CAMT_056, CAMT_029, CAMT_052, CAMT_053, CAMT_054)

STATUS_OF_ACTION: Final[dict[Action, str]] = {"allow": "ACCP", "challenge": "PDNG", "hold": "PDNG", "block": "RJCT"}
"""ISO 20022 ExternalPaymentTransactionStatus1Code of each action: accepted after checks, pending, rejected."""
ACTION_OF_STATUS: Final[dict[str, Action]] = {
    "RJCT": "block",
    "BLCK": "block",
    "CANC": "block",
    "PDNG": "hold",
    "PATC": "challenge",
}
"""The action behind a status that is read; `RCVD` and what nobody knows is `hold`, the accepting ones (`AC..`) `allow`."""
REASON_OF_BLOCK: Final = "FRAD"
"""ExternalStatusReason1Code of a payment that a rule, a list or the model blocks: originated fraudulently."""
REASON_OTHERWISE: Final = "NARR"
"""... and of everything else: the reason stands in the lines of text."""
REASON_OF_REFUSAL: Final = {"conflict": "DUPL"}
"""ExternalStatusReason1Code of a payment that was not decided, by the refusal's code; else `NARR`."""
