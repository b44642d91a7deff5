"""Fixed tables of the made-up world. Names are assembled from common parts; none is anybody's."""

from __future__ import annotations

from typing import Final, NamedTuple

KINDS: Final = ("transfer", "card", "qr", "withdrawal", "topup", "crypto")
TRANSFER, CARD, QR, WITHDRAWAL, TOPUP, CRYPTO = range(6)
CHANNELS: Final = ("mobile", "web", "counter", "atm", "pos", "phone", "api")
MOBILE, WEB, COUNTER, ATM, POS, PHONE, API = range(7)
AUTHENTICATIONS: Final = ("none", "password", "otp", "biometric", "passkey", "token", "pin")
NO_AUTH, PASSWORD, OTP, BIOMETRIC, PASSKEY, TOKEN, PIN = range(7)

CRIMES: Final = (
    "brushing_rebate",
    "fake_investment",
    "fake_shopping",
    "fake_customer_service",
    "fake_loan",
    "fake_credit_repair",
    "impersonated_acquaintance",
    "impersonated_police",
    "romance",
    "game_trade",
    "account_takeover",
    "card_testing",
    "fake_merchant",
    "fake_app",
    "fake_qr",
    "false_refund",
    "rights_agent",
    "gambling",
    "mule",
)
"""What a payment belongs to; the first ten are the MPS list of June 2024. `mule`: the money of any of them on its run."""
MULE: Final = CRIMES.index("mule")

CRIME_NAMES: Final = {
    "brushing_rebate": ("刷单返利", "paid tasks that stop paying"),
    "fake_investment": ("虚假投资理财", "fake investment"),
    "fake_shopping": ("虚假购物服务", "goods that never come"),
    "fake_customer_service": ("冒充电商物流客服", "fake customer service"),
    "fake_loan": ("虚假贷款", "fees for a loan that never comes"),
    "fake_credit_repair": ("虚假征信", "fake credit repair"),
    "impersonated_acquaintance": ("冒充领导熟人", "impersonated boss or friend"),
    "impersonated_police": ("冒充公检法", "impersonated police"),
    "romance": ("婚恋交友", "romance"),
    "game_trade": ("游戏交易", "game goods that never come"),
    "account_takeover": ("账户盗用", "account takeover"),
    "card_testing": ("盗卡试卡", "stolen cards tried"),
    "fake_merchant": ("虚假商户", "fake merchant"),
    "fake_app": ("仿冒应用", "fake app"),
    "fake_qr": ("虚假二维码", "fake QR code"),
    "false_refund": ("虚假退款", "false refund"),
    "rights_agent": ("非法代理维权", "illegal rights agent"),
    "gambling": ("网络赌博", "illegal gambling"),
    "mule": ("资金转移", "money on its run"),
}
"""What a crime is called, in Chinese and English."""

ROLES: Final = ("victim", "stolen", "bait", "player", "mule", "cash_out")
"""Who pays in a story: the deceived; somebody in the owner's place; the crew, to win trust; a gambler; the crew's accounts."""
VICTIM, STOLEN, BAIT, PLAYER, RUNNER, CASH_OUT = range(6)

FINDINGS: Final = (
    "screen_share",
    "remote_control_app",
    "screen_share remote_control_app",
    "new_device",
    "emulator",
    "unknown_app",
)
"""Words of the `surroundings` column: codes with spaces between."""
SCREEN_SHARE, REMOTE_CONTROL, SHARE_AND_CONTROL, NEW_DEVICE, EMULATOR, UNKNOWN_APP = range(6)

MEMOS: Final = (
    "房租",
    "工资",
    "还款",
    "货款",
    "生活费",
    "保证金",
    "任务本金",
    "返利",
    "手续费",
    "充值",
    "红包",
    "学费",
    "装修款",
    "投资款",
    "放款",
    "拼单",
    "押金",
)
(RENT, SALARY, REPAY, GOODS, LIVING, DEPOSIT, TASK, REBATE, FEE, RECHARGE, PACKET, TUITION, WORKS, INVEST, LOAN, SHARED,
 PLEDGE) = range(17)  # fmt: skip

SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈"
)
GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文辉力宁思雨晨欣怡子轩梓涵浩然佳琪梦瑶一诺嘉俊凯"
)
OS: Final = ("android", "ios", "harmony")
MODELS: Final = ("A11", "A12 Pro", "B7", "B8 Max", "C3", "C4 Lite", "D20", "D21")
APP_VERSIONS: Final = ("8.0.2", "8.1.0", "8.1.4", "8.2.0")


class City(NamedTuple):
    """Name, and degrees (WGS 84)."""

    name: str
    latitude: float
    longitude: float


CITIES: Final = (
    City("北京", 39.90, 116.41),
    City("上海", 31.23, 121.47),
    City("广州", 23.13, 113.26),
    City("深圳", 22.54, 114.06),
    City("成都", 30.57, 104.07),
    City("重庆", 29.56, 106.55),
    City("杭州", 30.27, 120.16),
    City("武汉", 30.59, 114.31),
    City("西安", 34.34, 108.94),
    City("南京", 32.06, 118.80),
    City("天津", 39.34, 117.36),
    City("郑州", 34.75, 113.63),
    City("长沙", 28.23, 112.94),
    City("沈阳", 41.81, 123.43),
    City("青岛", 36.07, 120.38),
    City("厦门", 24.48, 118.09),
    City("昆明", 25.04, 102.72),
    City("合肥", 31.82, 117.23),
    City("福州", 26.07, 119.30),
    City("南宁", 22.82, 108.37),
)


class Trade(NamedTuple):
    """A sort of shop: ISO 18245 code, its name, the usual ticket in yuan, its share of shops."""

    category: str
    name: str
    ticket: float
    share: float


TRADES: Final = (
    Trade("5411", "超市", 55.0, 0.26),
    Trade("5812", "饭馆", 38.0, 0.24),
    Trade("5541", "加油站", 260.0, 0.05),
    Trade("5651", "服装店", 180.0, 0.11),
    Trade("5732", "数码店", 900.0, 0.05),
    Trade("5912", "药店", 48.0, 0.08),
    Trade("4111", "出行", 14.0, 0.07),
    Trade("7011", "酒店", 320.0, 0.04),
    Trade("7994", "游戏", 45.0, 0.05),
    Trade("5944", "珠宝店", 2_600.0, 0.02),
    Trade("5499", "便利店", 19.0, 0.03),
)
ELECTRONICS: Final = 4
GAMES: Final = 8
JEWELLERY: Final = 9
EXCHANGE: Final = Trade("6051", "数字资产平台", 1_500.0, 0.0)

MEMBER_KINDS: Final = ("bank", "payment institution", "platform")
BANK, INSTITUTION, PLATFORM = range(3)


class Profile(NamedTuple):
    """A way of living: share of people, ages from and to, median monthly income (yuan), weight of each hour, mix of kinds."""

    name: str
    share: float
    ages: tuple[int, int]
    income: float
    hours_week: tuple[int, ...]
    hours_weekend: tuple[int, ...]
    kinds: tuple[float, ...]
    """Shares in the order of KINDS."""


_WORK = (1, 0, 0, 0, 0, 1, 3, 9, 12, 6, 5, 9, 18, 9, 5, 5, 6, 9, 18, 17, 14, 11, 7, 3)
_FREE = (2, 1, 0, 0, 0, 0, 1, 3, 7, 11, 14, 15, 16, 13, 12, 13, 13, 14, 16, 15, 12, 10, 8, 4)
_NIGHT = (14, 10, 7, 4, 2, 1, 1, 2, 3, 3, 4, 6, 9, 8, 7, 7, 8, 9, 11, 12, 12, 13, 15, 16)
_EARLY = (0, 0, 0, 0, 1, 4, 11, 16, 15, 13, 12, 10, 6, 4, 5, 7, 8, 8, 6, 4, 2, 1, 0, 0)
PROFILES: Final = (
    Profile("worker", 0.52, (22, 60), 8_500.0, _WORK, _FREE, (0.26, 0.13, 0.49, 0.025, 0.085, 0.01)),
    Profile("student", 0.14, (18, 24), 2_200.0, _FREE, _FREE, (0.29, 0.05, 0.53, 0.01, 0.115, 0.005)),
    Profile("night", 0.08, (20, 45), 7_000.0, _NIGHT, _NIGHT, (0.28, 0.11, 0.47, 0.025, 0.09, 0.025)),
    Profile("trader", 0.10, (25, 60), 15_000.0, _WORK, _WORK, (0.41, 0.13, 0.35, 0.045, 0.05, 0.015)),
    Profile("retired", 0.16, (60, 84), 4_200.0, _EARLY, _EARLY, (0.21, 0.16, 0.49, 0.08, 0.06, 0.0)),
)
WORKER, STUDENT, NIGHT, TRADER, RETIRED = range(5)
