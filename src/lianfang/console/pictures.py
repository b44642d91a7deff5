"""What a page of one decision draws: features with their past, the payment's fields in groups, a network of its subjects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from lianfang.console.found import address
from lianfang.console.shown import masked, when
from lianfang.console.words import Lang, sayer
from lianfang.engines.features import compile_plan, declare
from lianfang.engines.rules import features_of as declared_of
from lianfang.infra.finding import Related, Shown
from lianfang.infra.lake.views import COARSE, PERSONAL
from lianfang.kernel.instant import instant
from lianfang.services.decide.publisher import Publisher
from lianfang.wire import Payment, RuleSet, catalogue

CHARTS_MAX: Final = 16
"""Small charts a page; the features that fired rules read come first."""
NODES_MAX: Final = 30
_GROUPS: Final = ("payer", "payee", "device", "network", "place", "merchant", "session")
_UNNAMED: Final = re.compile(r"x\d+")


class Feature(NamedTuple):
    """One feature of a decision. `read`: a rule that fired reads it. `spark`: what its small chart shows, None: no chart."""

    name: str
    value: float | None
    define: str
    read: bool
    spark: dict[str, Any] | None


def features_of(shown: Shown, publisher: Publisher, past: Sequence[Shown]) -> list[Feature]:
    """Every feature as recorded; where the lake does not know its names yet, those in force if they are of this version."""
    signature, defines = _named(publisher)
    current = shown.decision.versions.features == signature
    read = _read_by_rules(shown, publisher.ruleset, defines)
    made = []
    for name, value in _renamed(shown, current, defines):
        made.append(Feature(name, value, defines.get(name, "") if current else "", name in read, None))
    made.sort(key=lambda one: (not one.read, not one.value))
    told = [dict(_renamed(one, one.decision.versions.features == signature, defines)) for one in past]
    charted = 0
    for i, one in enumerate(made):
        points = [float(point) for row in told if (point := row.get(one.name)) is not None]
        if charted == CHARTS_MAX or len(points) < 2 or not (one.read or one.value):
            continue
        charted += 1
        spec = {"bare": True, "x": list(range(len(points))), "series": [{"name": one.name, "data": points}]}
        made[i] = one._replace(spark=spec)
    return made


def _named(publisher: Publisher) -> tuple[str, dict[str, str]]:
    """Signature of the features in force, and name to declaration in their order; computed once a rule set."""
    ruleset = publisher.ruleset
    if _NAMED[0][0] is not ruleset:
        features = declared_of(ruleset)
        plan = compile_plan(declare(features))
        _NAMED[0] = (ruleset, (plan.signature, {one.name: one.define for one in features}))
    return _NAMED[0][1]


_NAMED: Final[list[tuple[RuleSet | None, tuple[str, dict[str, str]]]]] = [(None, ("", {}))]


def _renamed(shown: Shown, current: bool, defines: dict[str, str]) -> list[tuple[str, float | None]]:
    values = list(shown.features.items())
    if current and len(values) == len(defines) and values and _UNNAMED.fullmatch(values[0][0]):
        return [(name, value) for name, (_, value) in zip(defines, values, strict=True)]
    return values


def _read_by_rules(shown: Shown, ruleset: RuleSet, defines: dict[str, str]) -> set[str]:
    fired = {one.name for one in shown.decision.reasons if one.source == "rule"}
    read: set[str] = set()
    for rule in ruleset.rules:
        if rule.id in fired:
            read |= set(re.findall(r"\w+", rule.when)) & set(defines)
    return read


class Told(NamedTuple):
    """One field of a payment: its path, its value as text, whether it is about a person."""

    path: str
    text: str
    personal: bool


def story(payment: Payment, zone: ZoneInfo) -> list[tuple[str, list[Told]]]:
    """The payment's fields that it has, in groups: of the payment itself, then of each of its parts."""
    groups: dict[str, list[Told]] = {"payment": [], **{name: [] for name in _GROUPS}}
    for path in catalogue():
        value: Any = payment
        for step in path.split("."):
            value = getattr(value, step)
        if value is None:
            continue
        text = when(instant(value), zone) if isinstance(value, datetime) else str(value)
        group = path.split(".")[0]
        groups[group if group in groups else "payment"].append(Told(path, text, path in PERSONAL or path in COARSE))
    return [(name, told) for name, told in groups.items() if told]


def network(shown: Shown, related: Sequence[Related], lang: Lang) -> dict[str, Any]:
    """Accounts and devices of this payment and of those related to it. A page holds only their masked names."""
    say = sayer(lang)
    ids: dict[tuple[str, str], int] = {}
    nodes: list[dict[str, Any]] = []
    edges: dict[tuple[int, int], dict[str, Any]] = {}
    everything = [shown, *(one for group in related for one in group.decisions)]
    for one in everything:
        payment, stopped = one.payment, one.decision.action in ("hold", "block")
        ends = [
            _node(ids, nodes, kind, value)
            for kind, value in (
                ("account", payment.payer.account),
                ("account", payment.payee.account),
                ("merchant", payment.merchant.id),
                ("device", payment.device.id),
            )
        ]
        payer, payee, merchant, device = ends
        for end in (payee, merchant):
            if end is not None:
                nodes[end]["bad"] = nodes[end]["bad"] or stopped
                if payer is not None:
                    edges.setdefault((payer, end), {"from": f"n{payer}", "to": f"n{end}"})
        if device is not None and payer is not None:
            edges.setdefault((payer, device), {"from": f"n{payer}", "to": f"n{device}"})
        if one is shown:
            for end in (payer, payee, merchant):
                if end is not None:
                    nodes[end]["centre"] = True
        elif payer is not None:
            nodes[payer].setdefault("address", address(payment.id, one.seq))
    for node in nodes:
        node["label"] = f"{say('word.' + node['kind'])} {node['label']}"
    return {"nodes": nodes, "edges": list(edges.values())}


def _node(ids: dict[tuple[str, str], int], nodes: list[dict[str, Any]], kind: str, value: str | None) -> int | None:
    if value is None:
        return None
    number = ids.get((kind, value))
    if number is None:
        if len(nodes) >= NODES_MAX:
            return None
        number = ids[kind, value] = len(nodes)
        nodes.append({"id": f"n{number}", "label": masked(value), "kind": kind, "bad": False, "centre": False})
    return number
