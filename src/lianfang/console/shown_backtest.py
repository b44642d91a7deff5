"""A backtest's figures as a page shows them. They may have been attached by hand, so every part may be missing or wrong."""

from __future__ import annotations

from typing import Any, Final

from lianfang.kernel.errors import InputError
from lianfang.kernel.money import exponent

RULES_SHOWN: Final = 40
SAMPLES_SHOWN: Final = 20
CHANGES: Final = ("newly_stopped", "newly_let_through")


def shown_backtest(found: dict[str, Any]) -> dict[str, Any] | None:
    """Figures of the set, of the one in force, of what would change; None for a report of another shape."""
    try:
        return _shown(found)
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    sides = [_side(found["set"])] + ([_side(found["current"])] if "current" in found else [])
    changes = found.get("changes", {}).get("kinds", {})
    samples = [
        {**{name: one.get(name) for name in ("id", "time", "amount", "currency", "label", "before", "after")},
         "change": one["change"], "why": list(one.get("reasons_after") or one.get("reasons_before") or [])}
        for one in found.get("samples", [])
        if one["change"] in CHANGES
    ]  # fmt: skip
    now = {one["name"]: one for one in found["current"]["items"]} if "current" in found else {}
    items = [_item(one, now.get(one["name"]), "current" in found) for one in found["set"]["items"]]
    return {
        "period": {name: str(found["period"][name])[:10] for name in ("from", "until", "labels_as_of")},
        "rows": int(found["history"]["rows"]),
        "sides": sides,
        "items": sorted(items, key=lambda one: (not one["changed"], -one["hits"]))[:RULES_SHOWN],
        "items_more": max(len(items) - RULES_SHOWN, 0),
        "changes": [_change(name, one) for name, one in changes.items()],
        "samples": samples[:SAMPLES_SHOWN],
        "weeks": _weeks(found),
        "money": _money_chart(sides),
    }


def _side(side: dict[str, Any]) -> dict[str, Any]:
    whole = side["whole"]
    return {
        "payments": int(side["payments"]),
        "touched": int(whole["hits"]),
        "by_action": {name: int(n) for name, n in side["by_action"].items()},
        "frauds": int(side["by_label"]["fraud"]),
        "caught": int(whole["frauds"]),
        "wrongly": int(whole["genuine"]),
        **{name: _share(whole[name]) for name in ("precision", "recall", "false_alarms")},
        "hours": float(whole["analyst_hours"]),
        "money": [_money(currency, one) for currency, one in whole["money"].items()],
    }


def _money(currency: str, one: dict[str, Any]) -> dict[str, Any]:
    return {
        "currency": str(currency),
        "stopped": int(one["stopped"]["value"]),
        "wrongly_stopped": int(one["wrongly_stopped"]["value"]),
        "missed": int(one["missed"]),
    }


def _share(one: dict[str, Any]) -> dict[str, float] | None:
    """A share with its interval; None where there was nothing to share."""
    value = one["value"]
    return None if value is None or value != value else {name: float(one[name]) for name in ("value", "low", "high")}


def _item(one: dict[str, Any], now: dict[str, Any] | None, compared: bool) -> dict[str, Any]:
    before = int(now["hits"]) if now is not None else 0
    return {
        "name": str(one["name"]),
        "hits": int(one["hits"]),
        "before": before,
        "changed": compared and before != int(one["hits"]),
        "frauds": int(one["frauds"]),
        "genuine": int(one["genuine"]),
        "precision": _share(one["precision"]),
        "false_alarms": _share(one["false_alarms"]),
        "money": [_money(currency, money) for currency, money in one["money"].items()],
    }


def _change(name: str, one: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, **{label: int(one["payments"][label]) for label in ("fraud", "genuine", "unknown")},
            "money": [(c, int(m["fraud"]), int(m["genuine"])) for c, m in one["money"].items()]}  # fmt: skip


def _weeks(found: dict[str, Any]) -> dict[str, Any]:
    """Payments touched by week, of the set and of the one in force."""
    weeks = found["set"]["weeks"]
    series = [{"name": "set", "data": [int(w["touched"]) for w in weeks]}]
    if "current" in found:
        series.append({"name": "current", "data": [int(w["touched"]) for w in found["current"]["weeks"]]})
    return {"x": [str(w["begins"])[:10] for w in weeks], "series": series}


def _money_chart(sides: list[dict[str, Any]]) -> dict[str, Any]:
    """Whole currency units that each side would have stopped of frauds and of genuine payments, first currency."""
    first = [side["money"][0] for side in sides if side["money"]]
    return {
        "currency": first[0]["currency"] if first else "",
        **{
            name: [one[name] / 10 ** exponent(one["currency"]) for one in first]
            for name in ("stopped", "wrongly_stopped", "missed")
        },
    }
