"""What the decision benchmark decides: 60 features, 100 rules, list entries, accounts, and payments of about 1 KB.

Made up, seeded, the same each time. The rules are of the kinds people write. Time passes as it does at a bank with so many
accounts, however fast the payments are sent: each is `STEP_US` after the one before.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from lianfang.app.replay import load_rules
from lianfang.kernel.instant import DAY, HOUR, moment
from lianfang.services.decide import LIST_SCHEMA
from lianfang.services.decide.book import merge
from lianfang.wire import Feature, Policy, Rule, RuleSet

SEED: Final = 20_261_001
LISTS: Final = tuple(f"mules_{i}" for i in range(5)) + tuple(f"devices_{i}" for i in range(3))
STEP_US: Final = 20_000
"""From one payment's time to the next: four a day for each of a million accounts. At one a microsecond, as it was before, every
account would soon have paid a dozen times within ten minutes, which no account does and which rules rightly take for fraud."""
BACK: Final = 18 * HOUR
"""So long before now the traffic begins: room for more payments than the benchmark sends."""
PAST: Final = 60 * DAY
"""So long before that the accounts' past begins: in a shorter one, every account would be new, which rules look for."""
SPELL_SHARE: Final = 0.03
"""Of payments: so many belong to a spell that the starting pack's rules may take for fraud."""
SPELLS: Final = 40
"""Under way at the same time, each of `SPELL_LENGTH` payments."""
SPELL_LENGTH: Final = 16
KEYS: Final = ("payer.account", "payee.account", "device.id", "network.ip", "merchant.id")


def features() -> tuple[Feature, ...]:
    """60 declarations over six keys: exact and bucketed windows, distinct counts, pairs, filters, a ratio."""
    texts: list[str] = []
    for key in KEYS:
        texts += [
            f"{what} of payments by {key} over {window}"
            for what, window in (
                ("count", "1h"), ("count", "24h"), ("sum(amount)", "24h"), ("max(amount)", "24h"), ("mean(amount)", "7d"),
                ("count", "30d"), ("sum(amount)", "7d"),
            )
        ]  # fmt: skip
    texts += [
        f"distinct(payee.account) of payments by {k} over {w}"
        for k in ("payer.account", "device.id")
        for w in ("1h", "24h", "30d")
    ]
    texts += [
        f"distinct(payer.account) of payments by {k} over 24h" for k in ("payee.account", "device.id", "network.ip")
    ]
    texts += ["distinct(payer.account) of payments by payee.account over 7d including this"]
    texts += [
        f"seconds since {w} payment by {k} over 90d"
        for w in ("first", "last")
        for k in (*KEYS[:2], "payer.account, payee.account")
    ]
    texts += [
        "count of payments by payer.account, payee.account over 30d",
        "sum(amount) of payments by payer.account, payee.account over 24h",
    ]
    texts += [f"count of payments where amount > 100000 by {k} over 24h" for k in KEYS[:2]]
    texts += ['sum(amount) of payments where kind == "transfer" by payer.account over 24h including this']
    texts += [
        "count of payments by card over 1h",
        "count of payments where session.screen_shared by payee.account over 24h",
        "max(amount) of payments by payer.account over 1h including this",
    ]
    made = [Feature(name=f"f{i:02}", define=text) for i, text in enumerate(texts)]
    made.append(Feature(name=f"f{len(made):02}", define="ratio of f00 to f01"))
    assert len(made) == 60, len(made)
    return tuple(made)


def rules() -> tuple[Rule, ...]:
    """100 rules in five families, each reading two to four values."""
    made = []
    counts = [f.name for f in features() if f.define.startswith(("count", "distinct"))]
    sums = [f.name for f in features() if f.define.startswith(("sum", "max", "mean"))]
    for i in range(100):
        a, b, c = counts[i % len(counts)], counts[(i * 7 + 3) % len(counts)], sums[i % len(sums)]
        large = 5_000_000 + 1_000_000 * i
        family = (
            f'amount > {large // 5} and {a} > {1 + i % 5} and kind in ("transfer", "crypto")',
            f"{a} > {300 + i} and {b} > {50 + i} and not session.call_in_progress",
            f"payee.account in mules_{i % 5} or (device.id in devices_{i % 3} and amount > {large // 10})",
            f"session.screen_shared and amount > {large // 200} and {c} < {large}",
            f'starts_with(payee.account, "62{i:02}9999") and hour(time) < 6 and {a} / ({b} + 1) > {10 + i}',
        )
        made.append(
            Rule(
                id=f"bench.{i:03}",
                zh=f"基准规则 {i}",
                en=f"Benchmark rule {i}",
                when=family[i % 5],
                action=("challenge", "hold", "block")[i % 3],
                code=f"B{i:03}",
            )
        )
    return tuple(made)


def ruleset() -> RuleSet:
    """Policy, features and rules."""
    return RuleSet(policy=Policy(), features=features(), rules=rules())


def ruleset_with_pack() -> RuleSet:
    """The same with the whole starting pack beside it, and the pack's policy."""
    return merge([msgspec.structs.replace(ruleset(), policy=None), load_rules(())])


def list_entries(entries: int) -> pa.Table:
    """`entries` made-up subjects on eight lists; none of them pays or is paid in the traffic."""
    index = np.arange(entries) % len(LISTS)
    kinds = np.where(index < 5, "account", "device")
    values = [f"{'listed-device' if name >= 5 else '62179900'}{i:012d}" for i, name in enumerate(index.tolist())]
    columns = [
        [LISTS[i] for i in index.tolist()],
        ["watch"] * entries,
        kinds.tolist(),
        values,
        ["benchmark"] * entries,
        ["made up"] * entries,
        [None] * entries,
        [None] * entries,
        ["both"] * entries,
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, LIST_SCHEMA, strict=True)], schema=LIST_SCHEMA)


class Spell(NamedTuple):
    """Payments of a kind that rules look for: one account pays many, many pay one, or somebody is talked into paying."""

    kind: str
    account: int


class Traffic:
    """Payments between `accounts` accounts: half of them from a busy tenth, a fifth at merchants, some of a `Spell`."""

    def __init__(self, accounts: int, seed: int = SEED) -> None:
        self.accounts = accounts
        self._random = random.Random(seed)  # noqa: S311 - a benchmark's traffic
        self._count = 0
        self._spells = [self._spell() for _ in range(SPELLS)]

    def _spell(self) -> Spell:
        return Spell(self._random.choice(("sends", "gathers", "coached")), self._random.randrange(self.accounts))

    def _next_spell(self) -> Spell | None:
        """The spell that the next payment belongs to, if to any; now and then one ends and another begins."""
        draw = self._random
        if draw.random() >= SPELL_SHARE:
            return None
        i = draw.randrange(SPELLS)
        if draw.random() < 1 / SPELL_LENGTH:
            self._spells[i] = self._spell()
        return self._spells[i]

    def payment(self, at: int, payer: int | None = None) -> dict[str, Any]:
        """One payment at `at` (us) as plain JSON values, about 1 KB as text. `payer`: an ordinary one by this account."""
        draw = self._random
        n = self.accounts
        spell = self._next_spell() if payer is None else None
        if payer is None:
            payer = draw.randrange(n // 10) if draw.random() < 0.5 else draw.randrange(n)
        if spell and spell.kind != "gathers":
            payer = spell.account
        payee = (payer * 31 + draw.randrange(20) * 7_919) % n  # everyone has about twenty payees
        if spell:
            payee = spell.account if spell.kind == "gathers" else draw.randrange(n)
        coached = spell is not None and spell.kind == "coached"
        self._count += 1
        shop = spell is None and draw.random() < 0.2
        return {
            "id": f"bench-{self._count:012d}",
            "time": moment(at).isoformat().replace("+00:00", "Z"),
            "kind": "qr" if shop else "transfer",
            "amount": int(draw.lognormvariate(13.5 if coached else 9.5, 1.2)),
            "currency": "CNY",
            "channel": "mobile",
            "payer": {
                "account": f"622202{payer:013d}",
                "name": "张晓明",
                "phone": f"+861990000{payer % 10_000:04d}",
                "id_document": f"11010119900101{payer % 10_000:04d}",
                "member": "ICBKCNBJ",
            },
            "payee": {
                "account": f"621700{payee:013d}",
                "name": "李小芳",
                "phone": f"+861990001{payee % 10_000:04d}",
                "member": "PCBCCNBJ",
            },
            "device": {
                "id": f"device-{payer % (n // 2 + 1):024d}",
                "os": "Android 14",
                "model": "Xiaomi 14 Pro",
                "app_version": "8.2.1",
                "rooted": False,
            },
            "network": {
                "ip": f"10.{payer % 256}.{payer // 256 % 256}.{draw.randrange(4)}",
                "wifi": "aa:bb:cc:dd:ee:ff",
                "vpn": False,
            },
            "place": {"country": "CN", "city": "上海", "latitude": 31.2304, "longitude": 121.4737},
            **({"merchant": {"id": f"merchant-{payee % 20_000:08d}", "category": "5411"}} if shop else {}),
            "session": {
                "id": f"session-{self._count:016d}",
                "authentication": "biometric",
                "failed_attempts": 0,
                "screen_shared": draw.random() < (0.3 if coached else 0.002),
                "call_in_progress": coached,
            },
            "attributes": {"segment": "retail", "tenure_days": payer % 4_000, "limit_raised": False},
            "memo": "五月房租",
        }

    def bodies(self, count: int, at: int, step_us: int = STEP_US) -> Iterator[bytes]:
        """`count` payments as JSON bytes, the first at `at`."""
        for i in range(count):
            yield json.dumps(self.payment(at + i * step_us), ensure_ascii=False).encode()


def traffic_start() -> int:
    """When the traffic begins, in microseconds; the accounts' past lies before."""
    return today() - BACK


def today() -> int:
    """Now, in microseconds."""
    return int(datetime.now(UTC).timestamp() * 1e6)  # noqa: TID251 - app may read a clock
