"""A backtest's figures can be checked by hand; its actions are the live decider's; what was not known is not used."""

from __future__ import annotations

import json
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
from lianfang.app.learn.backtest import Backtest, Outcome, backtest, names
from lianfang.app.learn.backtest_figures import as_json, figures
from lianfang.app.learn.backtest_report import page
from lianfang.app.learn.sides import sides_of
from lianfang.app.replay.run import FOREVER, REPLAY_KEY
from lianfang.engines.features import state as state_module
from lianfang.engines.scoring import NoModel
from lianfang.infra.history import native_mapping
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, SECOND, moment
from lianfang.services.decide import Decider, ListBook, hot_path, list_table, rule_book
from lianfang.services.learn import RefusedHistoryError
from lianfang.wire import ACTIONS, Feature, ListEntry, Policy, RuleSet, read_payment
from tests.services.decide.twins import rule

START = 20_000 * DAY
NOW = START + 400 * DAY
NO_LISTS = ListBook(list_table([]), REPLAY_KEY, "none")
COUNTED = (Feature(name="n_24h", define="count of payments by payer.account over 24h"),)
FRAUDS = (Feature(name="bad_30d", define="count of frauds by payee.account over 30d"),)
RULES = RuleSet(
    features=COUNTED,
    rules=(
        rule("large", "amount >= 10_000", action="block"),
        rule("again", "n_24h >= 2", points=60),
        rule("known", "n_24h >= 1", points=-5),
        rule("watched", "amount == 700", action="hold", mode="shadow"),
        rule("quiet", "amount > 1_000_000", action="block"),
    ),
)


def row(number: int, amount: int, payer: str, label: int | None, days: float, known_days: float | None = None) -> Any:
    """A payment `days` after the start; a fraud is known `known_days` after the start."""
    return {
        "id": f"t{number}",
        "time": START + int(days * DAY) + number * SECOND,
        "kind": "transfer",
        "amount": amount,
        "currency": "CNY",
        "payer.account": payer,
        "payee.account": "m",
        "label": label,
        "known_at": None if known_days is None else START + int(known_days * DAY),
    }


ROWS = [
    row(1, 500, "a", 0, 0),
    row(2, 20_000, "b", 1, 0, 1),  # large: block, fraud
    row(3, 600, "a", 0, 0.1),  # known: allow
    row(4, 700, "a", 1, 0.2, 2),  # known, again: 55 points: challenge, fraud; watched in shadow
    row(5, 30_000, "c", 0, 7),  # large: block, genuine
    row(6, 800, "d", 1, 7, 8),  # nothing: missed
    row(7, 40_000, "e", 1, 8, 30),  # large: block, fraud, but known only after the end
    row(8, 900, "f", 0, 9),  # two days before the end: too young to be genuine
    row(9, 50_000, "g", 0, 11),  # large: block, unknown
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = {name: pa.array([one[name] for one in rows]) for name in rows[0]}
    for name in ("time", "known_at"):
        table[name] = pa.array([one[name] for one in rows], pa.int64()).cast(pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(table), path)
    return path


def run(path: Path, rules: RuleSet = RULES, **changes: Any) -> Outcome:
    given_ = {"since": -FOREVER, "label_delay": 3 * DAY} | changes
    return backtest(Backtest(rules, path, native_mapping(), NO_LISTS, NOW, **given_))


def test_memory_given_back_on_the_way_changes_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    rows = [
        row(i, int(amount), f"p{i // 20 + payer}", int(fraud), i / 800, i / 800 + 2 if fraud else None)
        for i, (amount, payer, fraud) in enumerate(
            zip(rng.integers(1, 30_000, 32_000), rng.integers(0, 200, 32_000), rng.random(32_000) < 0.05, strict=True)
        )
    ]
    path = write(tmp_path / "h.parquet", rows)
    bad = rule("bad", "bad_30d >= 1 and n_24h > 0", points=30)
    rules = msgspec.structs.replace(RULES, features=(*COUNTED, *FRAUDS), rules=(*RULES.rules, bad))
    monkeypatch.setattr(state_module, "RECLAIM_WORDS", 1 << 40)
    never = run(path, rules)
    monkeypatch.setattr(state_module, "RECLAIM_WORDS", 1_000)
    swept = run(path, rules)
    assert (swept.tallies[0].counts == never.tallies[0].counts).all()
    after, before = (one.sides[0].replayer.decider.hot.state for one in (swept, never))
    assert after.keys < before.keys / 2
    assert after.arena_bytes < before.arena_bytes * 2 / 3


def test_a_small_history_gives_the_figures_computed_by_hand(tmp_path: Path) -> None:
    said = as_json(figures(run(write(tmp_path / "h.parquet", ROWS))))
    whole, items = said["set"]["whole"], {one["name"]: one for one in said["set"]["items"]}
    assert said["set"]["by_label"] == {"unknown": 3, "genuine": 3, "fraud": 3}
    assert said["set"]["by_action"] == {"allow": 4, "challenge": 1, "hold": 0, "block": 4}
    assert (whole["hits"], whole["frauds"], whole["genuine"], whole["unknown"]) == (5, 2, 1, 2)
    assert whole["precision"]["value"] == pytest.approx(2 / 3)
    assert whole["recall"]["value"] == pytest.approx(2 / 3)
    assert whole["false_alarms"]["value"] == pytest.approx(1 / 3)
    assert whole["analyst_hours"] == pytest.approx(4 * 6 / 60)
    money = whole["money"]["CNY"]
    assert (money["stopped"]["value"], money["wrongly_stopped"]["value"]) == (20_000, 30_000)
    assert (money["challenged"], money["missed"]) == (700, 800)
    large = items["large"]
    assert (large["hits"], large["frauds"], large["genuine"], large["unknown"]) == (4, 1, 1, 2)
    assert large["alone"] == {"frauds": 1, "genuine": 1, "unknown": 2}
    assert large["fires_with"] == []
    assert items["known"]["fires_with"] == [
        {"name": "again", "hits": 1, "share": 0.5, "frauds": 1},
        {"name": "watched (shadow)", "hits": 1, "share": 0.5, "frauds": 1},
    ]
    assert items["again"]["alone"]["frauds"] == 0
    assert items["watched (shadow)"]["hits"] == 1
    assert said["set"]["never_fired"] == ["quiet"]
    assert [week["payments"] for week in said["set"]["weeks"]] == [4, 4, 1], "weeks begin on Mondays"
    assert said["set"]["weeks"][0]["money_stopped"] == {"CNY": 20_000}


def test_against_the_current_set_it_says_what_changes_with_payments_to_open(tmp_path: Path) -> None:
    current = msgspec.structs.replace(
        RULES, rules=(rule("large", "amount >= 30_000", action="block"), *RULES.rules[1:])
    )
    found = figures(run(write(tmp_path / "h.parquet", ROWS), current=current))
    said = as_json(found)
    newly = said["changes"]["kinds"]["newly_stopped"]
    assert newly["payments"] == {"unknown": 0, "genuine": 0, "fraud": 1}
    assert newly["money"]["CNY"]["fraud"] == 20_000
    assert sum(sum(one["payments"].values()) for one in said["changes"]["kinds"].values()) == 1
    (sample,) = said["samples"]
    assert (sample["change"], sample["id"], sample["before"], sample["after"]) == (
        "newly_stopped",
        "t2",
        "allow",
        "block",
    )
    assert (sample["reasons_before"], sample["reasons_after"]) == ([], ["large"])
    assert "t2" in page(found)
    back = as_json(figures(run(tmp_path / "h.parquet", current, current=RULES)))
    assert back["changes"]["kinds"]["newly_let_through"]["payments"]["fraud"] == 1


def test_sets_whose_features_mean_different_things_are_counted_apart(tmp_path: Path) -> None:
    other = msgspec.structs.replace(
        RULES, features=(Feature(name="n_24h", define="count of payments by payee.account over 24h"),)
    )
    path = write(tmp_path / "h.parquet", ROWS)
    both = as_json(figures(run(path, current=other)))
    assert both["set"]["whole"] == as_json(figures(run(path)))["set"]["whole"]
    assert both["current"]["whole"] == as_json(figures(run(path, other)))["set"]["whole"]


def test_a_label_that_comes_after_the_end_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path / "h.parquet", ROWS)
    assert run(path).tallies[0].counts[:, 0, 2].sum() == 3
    early = run(path, until=START + int(1.5 * DAY))
    assert early.tallies[0].counts[:, 0, 2].sum() == 1, "of t2 and t4 only t2 was known by then"
    assert early.tallies[0].counts[:, 0, 1].sum() == 0, "and nothing was old enough to be called genuine"


def test_features_of_frauds_see_only_what_was_known_then(tmp_path: Path) -> None:
    rules = RuleSet(features=FRAUDS, rules=(rule("bad", "bad_30d >= 2", action="hold"),))
    outcome = run(write(tmp_path / "h.parquet", ROWS), rules)
    held = outcome.tallies[0].counts[:, 0, :, 2].sum(axis=1)
    # Two frauds are known from day 2: of the days 0, 7, 8, 9, 11 all but the first.
    assert held.nonzero()[0].tolist() == [7, 8, 9, 11]


def test_the_delay_is_found_from_the_reports_and_asked_for_where_nobody_says(tmp_path: Path) -> None:
    path = write(tmp_path / "h.parquet", ROWS)
    assert run(path, label_delay=None).delay == 16 * DAY
    bare = write(tmp_path / "b.parquet", [{**one, "known_at": None} for one in ROWS])
    table = pq.read_table(bare).drop_columns(["known_at"])
    pq.write_table(table, bare)
    with pytest.raises(InputError, match="--label-delay"):
        run(bare, label_delay=None)
    assert run(bare).tallies[0].counts[:, 0, 2].sum() == 4, "three days after its payment the fourth is known too"


def test_a_history_without_labels_has_hits_and_no_shares(tmp_path: Path) -> None:
    bare = [{k: v for k, v in one.items() if k != "label"} for one in ROWS]
    said = as_json(figures(run(write(tmp_path / "h.parquet", bare))))
    assert said["set"]["whole"]["unknown"] == said["set"]["whole"]["hits"] == 5
    assert np.isnan(said["set"]["whole"]["precision"]["value"])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: rows[::-1], "sort the history by time"),
        (lambda rows: [*rows[:5], {**rows[5], "known_at": START}, *rows[6:]], "a fraud known before its payment"),
        (lambda rows: [{**one, "time": one["time"] // 1_000} for one in rows], "before 2000"),
        (lambda rows: [{**one, "amount": 5} for one in rows], "minor units"),
    ],
)
def test_a_bad_history_is_refused_with_rows_and_why(tmp_path: Path, spoil: Any, says: str) -> None:
    with pytest.raises(RefusedHistoryError, match=says):
        run(write(tmp_path / "h.parquet", spoil(ROWS)))


def test_a_repeated_id_is_left_out_and_counted(tmp_path: Path) -> None:
    outcome = run(write(tmp_path / "h.parquet", [*ROWS, {**ROWS[8], "time": ROWS[8]["time"] + SECOND}]))
    assert outcome.repeated == 1
    assert outcome.tallies[0].counts[:, 0].sum() == len(ROWS)


def test_a_period_without_payments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--from"):
        run(write(tmp_path / "h.parquet", ROWS), since=START + 100 * DAY)


CONDITIONS = (
    "amount >= 5_000",
    "n_24h >= 1",
    "amount / n_24h > 900",
    "bad_30d > 0",
    'kind in ("qr", "crypto")',
    "payee.account in mules and amount > 10",
    'not contains(payee.account, "m")',
    "payer.account is None or hour(time) < 3",
    'number("tenure") < 5',
)
rules_drawn = st.lists(
    st.tuples(
        st.sampled_from(CONDITIONS),
        st.sampled_from([None, "allow", "challenge", "hold", "block"]),
        st.integers(-20, 120),
        st.sampled_from(["live", "shadow"]),
        st.sampled_from(["all", "first"]),
        st.sampled_from([1.0, 0.5]),
    ),
    min_size=1,
    max_size=7,
)
payments_drawn = st.lists(
    st.tuples(
        st.integers(0, 40_000),
        st.sampled_from([100, 999, 5_000, 20_000]),
        st.sampled_from(["a", "b", None]),
        st.sampled_from(["m", "n"]),
        st.sampled_from(["transfer", "qr"]),
    ),
    min_size=1,
    max_size=20,
)
policies = st.builds(Policy, watch_points=st.integers(0, 60), hold_points=st.just(70), veto_most=st.just("challenge"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules_drawn, payments_drawn, policies, st.sampled_from(["watch", "veto", "block", "allow"]))
def test_every_payment_is_judged_as_live(tmp_path: Path, rules: Any, drawn: Any, policy: Policy, effect: Any) -> None:
    made = tuple(
        rule(f"r{i}", when, action=action, points=points, mode=mode, lane=lane, share=share)
        for i, (when, action, points, mode, lane, share) in enumerate(rules)
    )
    ruleset = RuleSet(policy=policy, features=COUNTED + FRAUDS, rules=made)
    entries = [ListEntry(list="mules", effect=effect, subject="account", value="m", purpose="p", source="s")]
    lists = ListBook(list_table(entries), REPLAY_KEY, "one")
    book = rule_book(ruleset, lists)
    hot = hot_path(book, REPLAY_KEY, memory_bytes=1 << 24, ids_remembered=1_024)
    live = Decider(book, hot, MemoryJournal(), NoModel(), lambda: 0)
    (side,) = sides_of(ruleset, None, lists, (), NoModel())
    at, rows, answers = START, [], []
    for i, (gap, amount, payer, payee, kind) in enumerate(drawn):
        at += gap * SECOND
        rows.append({**row(i, amount, payer, 0, 0), "time": at, "payee.account": payee, "kind": kind})
        payment = {
            "id": f"t{i}", "time": moment(at).isoformat(), "kind": kind, "amount": amount, "currency": "CNY",
            "payer": {"account": payer}, "payee": {"account": payee},
        }  # fmt: skip
        raw = msgspec.json.encode(payment)
        answers.append(json.loads(live.decide(raw, read_payment(raw), at)[1]))
    columns = {path: [one.get(path) for one in rows] for path in side.plain}
    of = side.rows(columns, len(rows))
    judged = side.replayer.judge_steps(of, side.replayer.step(of), side.hints(columns, len(rows)))
    assert [ACTIONS[action] for action in judged.actions] == [answer["action"] for answer in answers]
    assert judged.points.tolist() == [answer.get("points", 0) for answer in answers]
    fired = {place: names(side, why) for place, why in judged.reasons}
    shadow = dict(judged.shadow)
    for place, answer in enumerate(answers):
        said = {one["name"] for one in answer.get("reasons", []) if one["source"] == "rule" and one["name"] != "points"}
        assert {name for name in fired.get(place, ()) if not name.startswith(("list ", "unsure "))} == said
        assert list(shadow.get(place, ())) == list(answer.get("shadow", []))
    path = write(tmp_path / "h.parquet", rows)
    outcome = backtest(
        Backtest(ruleset, path, native_mapping(), lists, NOW + 40 * DAY, since=-FOREVER, label_delay=DAY)
    )
    by_action = outcome.tallies[0].counts[:, 0].sum(axis=(0, 1))
    assert by_action.tolist() == np.bincount(judged.actions, minlength=4).tolist()
