"""The alliance's taxonomy: what a tag may say, in both languages, with where others file the same.

`f3`: techniques of MITRE Fight Fraud Framework 1.1. `misp`: predicates of MISP's `attck4fraud` galaxy. Categories are only
ever added; one that is given up stays readable.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

Category = Literal[
    "mule", "scam_payee", "paid_tasks", "fake_investment", "fake_shop", "fake_service", "fake_loan", "fake_credit",
    "impersonated_chief", "impersonated_police", "romance", "gaming", "takeover", "stolen_card", "card_testing",
    "phishing", "remote_control", "malicious_app", "fake_merchant", "false_refund", "gambling", "crypto_ramp",
    "identity_theft", "account_trade", "rights_agent", "victim_at_risk",
]  # fmt: skip


class Filed(NamedTuple):
    """One category: what people read, and its crosswalk. An empty crosswalk says that others have no such thing."""

    zh: str
    en: str
    f3: tuple[str, ...] = ()
    misp: tuple[str, ...] = ()


_SCAM: Final = ("Scam", "Authorised Push Payment Fraud")
_CREDENTIALS: Final = ("Compromised Account Credentials", "MITM - Man-in-the-Middle Attack")
_IDENTITY: Final = ("Compromised Personally Identifiable Information (PII)", "Identity Spoofing (or entity hacking)")
TAXONOMY: Final[dict[Category, Filed]] = {
    "mule": Filed("跑分账户（资金中转）", "Mule: money passes through", ("F1047", "T1586"), ("Money Mules",)),
    "scam_payee": Filed("诈骗收款方", "Receives money of a scam", ("F1047",), _SCAM),
    "paid_tasks": Filed("刷单返利", "Paid tasks with rebate", ("F1032", "F1025.001"), _SCAM),
    "fake_investment": Filed("虚假投资理财", "Fake investment", ("F1020.002",), ("Investment Fraud",)),
    "fake_shop": Filed("虚假购物", "Fake shop", ("F1020.002", "F1021"), ("Buying/Renting Fraud",)),
    "fake_service": Filed(
        "冒充电商物流客服", "Impersonates a shop's or carrier's service", ("F1032",), ("Vishing", *_SCAM)
    ),
    "fake_loan": Filed("虚假贷款", "Fake loan", ("F1020",), _SCAM),
    "fake_credit": Filed("虚假征信", "Fake credit record service", ("F1032",), _SCAM),
    "impersonated_chief": Filed(
        "冒充领导、熟人", "Impersonates a superior or friend", ("F1031", "F1040"), ("CEO/BEC Fraud",)
    ),
    "impersonated_police": Filed(
        "冒充公检法", "Impersonates police or court", ("F1032", "F1040.002"), ("Vishing", *_SCAM)
    ),
    "romance": Filed("婚恋交友诈骗", "Romance scam", ("F1029",), ("Romance Scam",)),
    "gaming": Filed("游戏交易诈骗", "Game trade scam", ("F1028",), ("Buying/Renting Fraud",)),
    "takeover": Filed("账户盗用", "Account takeover", ("F1006",), _CREDENTIALS),
    "stolen_card": Filed("盗刷银行卡", "Stolen card", ("F1011", "F1028"), ("Compromised Payment Cards",)),
    "card_testing": Filed("银行卡试探", "Card testing", ("F1012",), ("BIN Attack",)),
    "phishing": Filed(
        "钓鱼网站、短信", "Phishing site or message", ("T1660", "T1598", "F1020.002"), ("Phishing", "Smishing")
    ),
    "remote_control": Filed("远程控制、屏幕共享", "Remote control or screen sharing", ("T1219", "T1113"), ("Malware",)),
    "malicious_app": Filed("恶意应用", "Malicious app", ("T1453",), ("Malware", "Mobile Fraud")),
    "fake_merchant": Filed("虚假商户", "Fake merchant", ("F1021", "F1027"), ("Merchant Fraud",)),
    "false_refund": Filed("虚假退款", "False refund", ("F1024", "F1043"), ("First Party (Friendly) Fraud",)),
    "gambling": Filed("网络赌博", "Online gambling", ("F1026",)),
    "crypto_ramp": Filed(
        "虚拟币兑换洗钱", "Laundering through crypto exchange", ("F1018",), ("Cryptocurrency Exchange",)
    ),
    "identity_theft": Filed("冒用身份", "Stolen or made-up identity", ("F1031", "T1585"), _IDENTITY),
    "account_trade": Filed("买卖账户", "Account bought or sold", ("T1650", "T1586"), ("Money Mules",)),
    "rights_agent": Filed("非法代理维权", "Illegal rights agent", ("F1024",)),
    "victim_at_risk": Filed("潜在受害人", "Likely victim, to be protected", ("F1029",)),
}
"""In a fixed order; a place in it, plus one, is the category's number in tables: new ones go to the end."""
assert set(TAXONOMY) == set(get_args(Category))
CATEGORY_CODES: Final[tuple[Category, ...]] = tuple(TAXONOMY)
