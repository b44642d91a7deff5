"""The taxonomy: complete in both languages, and its crosswalk names what exists elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from lianfang.wire import CATEGORY_CODES, TAXONOMY

F3 = set(json.loads((Path(__file__).parents[1] / "vectors/f3-1.1-ids.json").read_text("utf-8")))
"""Ids of the techniques of MITRE F3 1.1."""
MISP = {
    "Phishing", "Smishing", "Vishing", "Scam", "Authorised Push Payment Fraud", "Money Mules", "Investment Fraud", "Romance Scam",
    "Buying/Renting Fraud", "CEO/BEC Fraud", "Compromised Payment Cards", "Compromised Account Credentials",
    "Compromised Personally Identifiable Information (PII)", "Identity Spoofing (or entity hacking)", "Cryptocurrency Exchange",
    "MITM - Man-in-the-Middle Attack", "BIN Attack", "Malware", "Mobile Fraud", "Merchant Fraud", "First Party (Friendly) Fraud",
}  # fmt: skip
"""Values of MISP's attck4fraud galaxy that ours are filed under."""


def test_every_category_has_both_names_once() -> None:
    names = [*(f.zh for f in TAXONOMY.values()), *(f.en for f in TAXONOMY.values())]
    assert len(names) == len(set(names)) == 2 * len(CATEGORY_CODES)
    assert all(any(c >= "\u4e00" for c in f.zh) and f.en.isascii() for f in TAXONOMY.values())


def test_the_crosswalk_names_techniques_that_exist() -> None:
    assert {i for f in TAXONOMY.values() for i in f.f3} <= F3
    assert {v for f in TAXONOMY.values() for v in f.misp} == MISP


def test_numbers_of_categories_do_not_move() -> None:
    assert CATEGORY_CODES[:3] == ("mule", "scam_payee", "paid_tasks")
    assert CATEGORY_CODES.index("victim_at_risk") == 25
