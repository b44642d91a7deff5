"""Money is a whole number of minor units with its currency. Never a float.

The codes and exponents are ISO 4217 (list one, active codes that payments use).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, get_args

from lianfang.kernel.errors import InputError

CurrencyCode = Literal[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD",
    "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP",
    "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP",
    "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
    "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD",
    "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
    "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB",
    "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL",
    "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VED", "VES",
    "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
]  # fmt: skip

_NO_MINOR_UNIT: Final = frozenset(  # ISO 4217: 0 decimals
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_THREE_DECIMALS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])

CURRENCIES: Final = frozenset(get_args(CurrencyCode))


def exponent(currency: str) -> int:
    """Decimals of a currency's minor unit, by ISO 4217. Raises `InputError` for a code we do not know."""
    if currency not in CURRENCIES:
        raise InputError(f"{currency!r} is not an active ISO 4217 currency code")
    if currency in _NO_MINOR_UNIT:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def minor_units(amount: str, currency: str) -> int:
    """`"12.30"`, `"CNY"` as 1230. Refuses more decimals than the currency has."""
    try:
        scaled = Decimal(amount).scaleb(exponent(currency))
        whole = int(scaled)
    except (ArithmeticError, ValueError) as why:
        raise InputError(f"{amount!r} is not an amount of money") from why
    if scaled != whole:
        raise InputError(f"{amount!r} has more decimals than {currency} allows ({exponent(currency)})")
    return whole


def major_text(amount_minor: int, currency: str) -> str:
    """1230, `"CNY"` as `"12.30"`: for people to read, never to compute with."""
    places = exponent(currency)
    return f"{Decimal(amount_minor).scaleb(-places):,.{places}f}"
