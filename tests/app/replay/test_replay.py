"""A replay gives what live decisions give, and its figures can be checked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lianfang.app.commands.decide import MemoryJournal
from lianfang.app.replay import Replay, as_json, book_of, find_mapping, load_rules, replay
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.engines.rules import read_rules_text
from lianfang.engines.scoring import NoModel
from lianfang.infra.history import native_mapping
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, SECOND, moment
from lianfang.services.decide import RISK_STEP, Decider, hot_path
from lianfang.wire import SEVERITY, ListEntry, RuleSet, read_payment

START = 20_000 * DAY
RULES = """
[[features]]
name = "n_24h"
define = "count of payments by payer.account over 24h"

[[rules]]
id = "large"
zh = "大额"
en = "Large"
when = "amount >= 10_000"
action = "block"
points = 100
code = "large"

[[rules]]
id = "again"
zh = "再次"
en = "Again"
when = "n_24h >= 2"
points = 60
code = "again"

[[rules]]
id = "known"
zh = "常客"
en = "Known"
when = "n_24h >= 1"
points = -5
code = "known"

[[rules]]
id = "watched"
zh = "试行"
en = "On trial"
when = "amount == 700"
action = "hold"
code = "watched"
mode = "shadow"
"""


def _rules() -> RuleSet:
    return read_rules_text(RULES, format="toml")


def _history(path: Path, rows: list[dict[str, Any]]) -> Path:
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}
    columns["time"] = [moment(int(t or 0)) for t in columns["time"]]
    pq.write_table(pa.table(columns), path)
    return path


def _row(number: int, amount: int, payer: str, label: int | None, at_s: int | None = None) -> dict[str, Any]:
    return {
        "id": f"t{number}",
        "time": START + (number * 60 if at_s is None else at_s) * SECOND,
        "kind": "transfer",
        "amount": amount,
        "currency": "CNY",
        "payer.account": payer,
        "label": label,
    }


ROWS = [
    _row(1, 500, "a", 0),
    _row(2, 20_000, "b", 1),  # large: block, fraud
    _row(3, 600, "a", 0),  # known
    _row(4, 700, "a", 1),  # known + again: 55 points: challenge, fraud; watched in shadow
    _row(5, 30_000, "c", 0),  # large: block, genuine
    _row(6, 800, "d", 1),  # nothing: missed fraud
    _row(7, 900, "e", None),  # unknown
]


def _job(path: Path, **changes: Any) -> Replay:
    return Replay(path, native_mapping(), book_of(_rules(), [], REPLAY_KEY), **changes)


def test_a_small_history_gives_the_figures_computed_by_hand(tmp_path: Path) -> None:
    result = replay(_job(_history(tmp_path / "h.parquet", ROWS)))
    assert result.actions.tolist() == [
        SEVERITY[a] for a in ("allow", "block", "allow", "challenge", "block", "allow", "allow")
    ]
    step = RISK_STEP
    assert result.risk.tolist() == [0, 3 * step + 100, -5, step + 55, 3 * step + 100, 0, 0]
    said = as_json(result, {})
    value = {f["name"]: f["value"] for f in said["figures"]}
    # frauds at ranks: one tied with a genuine at the top, then one alone, then one tied with t1 (0); t3 (-5) below
    assert value["auc"] == pytest.approx((0.5 + 1 + 1 + 1 + 1 + 0 + 0.5 + 1 + 0) / 9)
    assert value["average_precision"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    assert value["card_precision_at_100"] == pytest.approx(3 / 100)
    assert (value["money_stopped_CNY"], value["money_challenged_CNY"], value["money_missed_CNY"]) == (20_000, 700, 800)
    assert (value["money_wrongly_stopped_CNY"], value["money_wrongly_challenged_CNY"]) == (30_000, 0)
    assert (value["allow"], value["challenge"], value["hold"], value["block"]) == (4, 1, 0, 2)
    rules = {r["rule"]: (r["hits"], r["fraud"], r["precision"], r["recall"]) for r in said["rules"]}
    assert rules["large"] == (2, 1, 0.5, pytest.approx(1 / 3))
    assert rules["known"] == (2, 1, 0.5, pytest.approx(1 / 3))
    assert rules["again"] == (1, 1, 1.0, pytest.approx(1 / 3))
    assert rules["watched (shadow)"][0] == 1


def test_the_past_fills_windows_and_is_not_judged(tmp_path: Path) -> None:
    path = _history(tmp_path / "h.parquet", ROWS)
    result = replay(_job(path, since=ROWS[3]["time"], until=ROWS[5]["time"]))
    assert result.counted == 3
    assert result.actions.tolist() == [SEVERITY["challenge"], SEVERITY["block"]]


def test_a_limit_is_a_limit_of_rows_read(tmp_path: Path) -> None:
    assert len(replay(_job(_history(tmp_path / "h.parquet", ROWS), limit=2)).actions) == 2


def test_a_row_with_an_id_seen_before_is_counted_and_not_judged_again(tmp_path: Path) -> None:
    result = replay(_job(_history(tmp_path / "h.parquet", [*ROWS, ROWS[1]])))
    assert result.repeated == 1
    assert len(result.actions) == len(ROWS)
    assert result.tally.figures()[0].hits == 2


def test_a_history_without_labels_has_decisions_and_no_quality(tmp_path: Path) -> None:
    bare = [{k: v for k, v in row.items() if k != "label"} for row in ROWS]
    said = as_json(replay(_job(_history(tmp_path / "h.parquet", bare))), {})
    names = {f["name"] for f in said["figures"]}
    assert "block" in names
    assert "auc" not in names


def test_the_trace_holds_what_was_seen_and_answered(tmp_path: Path) -> None:
    replay(_job(_history(tmp_path / "h.parquet", ROWS), trace=tmp_path / "out" / "trace.parquet"))
    trace = pq.read_table(tmp_path / "out" / "trace.parquet").to_pylist()
    assert [row["action"] for row in trace] == ["allow", "block", "allow", "challenge", "block", "allow", "allow"]
    assert trace[3]["reasons"] == ["points", "again", "known"]
    assert trace[3]["shadow"] == ["watched"]
    assert trace[3]["feature.n_24h"] == 2.0
    assert [row["label"] for row in trace] == [0, 1, 0, 1, 0, 1, -1]


def test_two_replays_are_the_same(tmp_path: Path) -> None:
    path = _history(tmp_path / "h.parquet", ROWS)
    first, second = replay(_job(path)), replay(_job(path))
    assert np.array_equal(first.risk, second.risk)


payments = st.lists(
    st.fixed_dictionaries(
        {
            "gap_s": st.integers(0, 40_000),
            "amount": st.sampled_from([1, 699, 700, 9_999, 10_000]),
            "payer": st.sampled_from(["a", "b", None]),
            "payee": st.sampled_from(["m", "n", None]),
            "number": st.integers(0, 12),
        }
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payments)
def test_a_replay_decides_as_live_payment_by_payment(tmp_path: Path, drawn: list[dict[str, Any]]) -> None:
    entries = [ListEntry(list="mules", effect="watch", subject="account", value="m", purpose="p", source="s")]
    book = book_of(_rules(), entries, REPLAY_KEY)
    hot = hot_path(book, REPLAY_KEY, memory_bytes=1 << 24, ids_remembered=1_024)
    live = Decider(book, hot, MemoryJournal(), NoModel(), lambda: 0)
    at, rows, answers, seen = START, [], [], set()
    for one in drawn:
        at += one["gap_s"] * SECOND
        row = _row(one["number"], one["amount"], "", None) | {"time": at}
        row |= {"payer.account": one["payer"], "payee.account": one["payee"]}
        rows.append(row)
        if one["number"] in seen:
            continue  # live it would be answered again or refused; a replay skips it
        seen.add(one["number"])
        payment = {
            "id": row["id"], "time": moment(at).isoformat(), "kind": "transfer", "amount": one["amount"],
            "currency": "CNY", "payer": {"account": one["payer"]}, "payee": {"account": one["payee"]},
        }  # fmt: skip
        raw = msgspec.json.encode(payment)
        answers.append(msgspec.json.decode(live.decide(raw, read_payment(raw), at)[1]))
    if not rows:
        return
    for row in rows:
        row.pop("label")
    table = {
        n: pa.array([r[n] for r in rows], pa.string())
        for n in ("id", "kind", "currency", "payer.account", "payee.account")
    }
    table["time"] = pa.array([r["time"] for r in rows], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    table["amount"] = pa.array([r["amount"] for r in rows], pa.int64())
    pq.write_table(pa.table(table), tmp_path / "h.parquet")
    result = replay(Replay(tmp_path / "h.parquet", native_mapping(), book))
    assert result.actions.tolist() == [SEVERITY[a["action"]] for a in answers]
    assert (result.risk % RISK_STEP).tolist() == [a.get("points", 0) % RISK_STEP for a in answers]
    assert result.repeated == len(rows) - len(answers)


def test_the_mapping_is_found_for_the_handbooks_columns_and_refused_with_advice_for_others(tmp_path: Path) -> None:
    names = [
        "TRANSACTION_ID",
        "TX_DATETIME",
        "CUSTOMER_ID",
        "TERMINAL_ID",
        "TX_AMOUNT",
        "TX_FRAUD",
        "TX_FRAUD_SCENARIO",
    ]
    pq.write_table(pa.table({name: [1] for name in names}), tmp_path / "h.parquet")
    found = find_mapping(tmp_path / "h.parquet")
    assert found.where.endswith("fdh/mapping.toml")
    assert found.rules is not None
    assert len(load_rules([found.rules]).rules) > 10
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="--mapping"):
        find_mapping(tmp_path / "other.parquet")
