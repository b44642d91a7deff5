"""The desk writes its own reports when they are due, keeps the newest, and says what went wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest

from lianfang.app.learn.own import own_review, own_watch
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.reports import KEPT, gauges, is_due, keep, newest, reports_keeping, write_once
from lianfang.app.settings import Settings
from lianfang.infra.lake import build
from lianfang.infra.published import RULESET, write_whole
from lianfang.kernel.instant import DAY, MINUTE, SECOND, Instant
from lianfang.wire import Feature, Rule, RuleSet, write
from tests.infra.lake.journals import NAMES, START, Writing

TODAY = date(2026, 10, 10)
RULES = RuleSet(
    features=(Feature(name="spent", define="sum(amount) of payments by payer.account over 90d"),),
    rules=(Rule(id="never", zh="从不", en="never", when="amount < 0", action="hold", code="N"),),
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> NodeFiles:
    """Twenty days, a payment every twenty minutes; in the last week twice as many are held."""
    files = NodeFiles(tmp_path_factory.mktemp("node"))
    files.make()
    written = Writing(files.journal)
    for number in range(20 * 72):
        written.number = number * 10 if number >= 13 * 72 else number * 10 + (0 if number % 5 == 0 else 1)
        written.decide(1, 20 * MINUTE)
    written.close()
    build(files.journal, files.lake, NAMES)
    write_whole(files.published / RULESET, write(RULES))
    return files


def test_the_week_is_compared_with_what_came_before_as_it_was_decided(node: NodeFiles) -> None:
    texts = own_watch(node, Instant(START + 20 * DAY + 5 * MINUTE))
    said = json.loads(texts["json"])
    assert said["made_at"] == START + 20 * DAY + 5 * MINUTE
    assert (said["recorded"], said["now"]["payments"], said["before"]["payments"]) == (True, 7 * 72, 13 * 72)
    (hit,) = said["hits"]
    assert (hit["name"], hit["rate_now"]) == ("r1", 1.0)
    assert hit["rate_before"] == pytest.approx(0.2, abs=0.01)
    assert {one["name"]: one["filling"] for one in said["drifts"]}["spent"] is True
    assert "样本不足" in texts["html"]
    assert "http" not in texts["html"]


def test_a_young_node_has_no_report_and_no_trouble(node: NodeFiles, tmp_path: Path) -> None:
    young = Instant(START + 10 * DAY)
    assert own_watch(node, young) == own_review(node, young) == {}
    empty = NodeFiles(tmp_path)
    assert own_watch(empty, young) == own_review(empty, young) == {}
    assert asyncio.run(write_once(tmp_path, "watch")) is None
    assert newest(empty.reports, "watch") is None


def test_the_review_reads_the_last_days_of_the_lake_only(node: NodeFiles) -> None:
    texts = own_review(node, Instant(START + 20 * DAY))
    said = json.loads(texts["json"])
    assert [one["rule"] for one in said["proposals"]] == ["never"]
    assert "从未命中" in texts["html"]
    assert own_review(node, Instant(START + 500 * DAY)) == {}


def test_a_report_is_due_after_so_many_days_and_the_oldest_go(tmp_path: Path) -> None:
    assert is_due(tmp_path, "watch", 7, TODAY)
    for back in range(KEPT + 5, -1, -1):
        keep(tmp_path, "watch", TODAY - timedelta(days=back), {"json": "{}", "html": "<p>"})
    keep(tmp_path, "review", TODAY - timedelta(days=400), {"json": "{}"})
    assert len(list(tmp_path.glob("watch-*.json"))) == len(list(tmp_path.glob("watch-*.html"))) == KEPT
    last = newest(tmp_path, "watch")
    assert last is not None
    assert last.name == "watch-2026-10-10.json"
    assert not is_due(tmp_path, "watch", 7, TODAY + timedelta(days=6))
    assert is_due(tmp_path, "watch", 7, TODAY + timedelta(days=7))
    assert newest(tmp_path, "review") == tmp_path / "review-2025-09-05.json"


def test_the_newest_report_is_told_as_metrics(tmp_path: Path) -> None:
    assert gauges(tmp_path, 0) == []
    body = {"made_at": START, "features_drifted": 3, "rules_drifted": 2, "hits": []}
    keep(tmp_path, "watch", TODAY, {"json": json.dumps(body)})
    found = {one.name: one.samples[0].value for one in gauges(tmp_path, START + 90 * SECOND)}
    assert found == {
        "lianfang_watch_report_age_seconds": 90,
        "lianfang_watch_features_drifted": 3,
        "lianfang_watch_rules_drifted": 2,
    }
    keep(tmp_path, "watch", TODAY + timedelta(days=1), {"json": "broken"})
    assert gauges(tmp_path, START) == []


def _kept(files: NodeFiles, trouble: dict[str, str], until: Callable[[], bool], **settings: int) -> None:
    async def keeping() -> None:
        chosen = Settings(data_dir=str(files.root), **settings)  # type: ignore[arg-type]
        task = asyncio.create_task(reports_keeping(chosen, files, trouble, first_s=0, look_s=0.1))
        while not until():
            await asyncio.sleep(0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(keeping(), 90))


def test_what_went_wrong_is_told_until_it_goes_well(tmp_path: Path) -> None:
    files = NodeFiles(tmp_path)
    files.make()
    files.lake.mkdir()
    (files.lake / "lake.json").write_text("not a manifest", "utf-8")
    trouble: dict[str, str] = {}
    _kept(files, trouble, lambda: "report watch" in trouble, review_every_days=0)
    assert "is no manifest of a lake" in trouble["report watch"]
    (files.lake / "lake.json").unlink()
    _kept(files, trouble, lambda: not trouble, review_every_days=0)
