"""Models at their page: brought in shadow, made to score, drafted, taken away; papers that can do no harm."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lianfang.console.model_pages import score_chart
from lianfang.infra.models import write_model
from lianfang.wire import Input, Model
from tests.app.node.test_models import manifest, trees
from tests.console.conftest import Console, Walk
from tests.console.test_changing import HOSTILE, confirm, decided, fill_reason

REASON = {"Lianfang-Reason": "test"}


def bring(console: Console, folder: Path) -> Model:
    """A model of one field, in shadow at the node, with a card and a report that try to run scripts."""
    inputs = (Input(name="first", define="amount"), Input(name="big", define="amount / 100", zh="金额", en="amount"))
    files = {
        "trees.txt": trees(5.0),
        "card.md": f"# {HOSTILE}".encode(),
        "report.html": b"<h1>report</h1><script>1</script>",
    }
    made = write_model(folder / "m", manifest(name="paged", features=(), inputs=inputs), files).manifest
    body = {
        "role": "challenger", "files": {name: raw.decode() for name, raw in files.items()},
        "manifest": json.loads((folder / "m" / "model.json").read_bytes()),
    }  # fmt: skip
    answer = console.http.put(console.told.desk + "/v1/model", json=body, headers=REASON)
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
def brought(console: Console, tmp_path: Path) -> Iterator[Model]:
    yield bring(console, tmp_path)
    for role in ("model", "challenger"):
        console.http.delete(console.told.desk + f"/v1/model?role={role}", headers=REASON)


def test_a_model_goes_from_shadow_into_force_and_out(console: Console, walk: Walk, brought: Model) -> None:
    short = brought.version[:12]
    chen = walk("chen", "en")
    page = chen.open("/console/models")
    assert page.get_by_role("row").filter(has_text="paged").get_by_text("In shadow", exact=True).is_visible()
    fill_reason(chen, f"load-{short}", "it did well in shadow")
    confirm(chen, f"load-{short}")
    assert page.get_by_role("row").filter(has_text="paged").get_by_text("In force", exact=True).is_visible()
    end = time.monotonic() + 20
    while decided(console, f"scored-{time.monotonic_ns()}", 100_000).get("score") is None:
        assert time.monotonic() < end
        time.sleep(0.2)
    page.locator("#score-chart").wait_for(state="attached", timeout=20_000)
    page.wait_for_timeout(300)
    chen.look("models-scored")
    page.get_by_role("link", name="paged").click()
    page.get_by_text(HOSTILE).wait_for()
    assert page.locator("main img").count() == 0
    chen.look("model")
    report = page.request.get(chen.base + f"/console/models/{brought.version}/report")
    assert "sandbox" in report.headers["content-security-policy"]
    chen.open("/console/models")
    fill_reason(chen, f"unload-{short}", "enough of the test")
    confirm(chen, f"unload-{short}")
    assert page.get_by_text("No longer in use").is_visible()
    fill_reason(chen, f"draft-{short}", "by the book this time")
    confirm(chen, f"draft-{short}")
    assert page.get_by_text(brought.version).first.is_visible()
    fill_reason(chen, "withdraw", "enough of the test")
    confirm(chen, "withdraw")
    chen.sound()


def test_a_histogram_s_buckets_are_taken_apart() -> None:
    text = 'lianfang_score_bucket{le="0.5",role="model"} 3.0\nlianfang_score_bucket{role="model",le="+Inf"} 4.0\n'
    chart = score_chart(text, {"model": "in force", "challenger": "shadow"})
    assert chart["x"] == ["0.5", "1"]
    assert [one["data"] for one in chart["series"]] == [[75.0, 25.0]]
    assert score_chart("nothing", {})["series"] == []
