"""A model at a running node: put in force without a pause, swapped, put in shadow, refused, explained, taken away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lianfang.app import cli
from lianfang.infra.models import write_model
from lianfang.wire import Feature, Input, Model
from tests.app.node.test_serve import REASON, Running
from tests.engines.scoring import makers

COUNT = Feature(
    name="payer_count_1h",
    define="count of payments by payer.account over 1h",
    zh="近1小时付款次数",
    en="payments in 1 h",
)


def manifest(**changes: Any) -> Model:
    made = msgspec.structs.replace(
        makers.model(2),
        features=(COUNT,),
        inputs=(
            Input(name="payer_count_1h", define="payer_count_1h"),
            Input(name="big", define="amount / 100", zh="金额", en="amount"),
        ),
    )
    return msgspec.structs.replace(made, **changes)


def trees(leaf: float) -> bytes:
    """Above 10.00 the score is high: one tree, one split on the second input."""
    tree = (
        "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=1\nthreshold=10\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
        f"leaf_value=-4 {leaf}\nleaf_count=90 10\nis_linear=0\nshrinkage=1\n\n\n"
    )
    return f"{makers.head(2)}tree_sizes={len(tree)}\n\n{tree}end of trees\n".encode()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("models"))
    yield running
    assert running.stop()


def until(ask: Callable[[], Any], wanted: Any) -> None:
    end = time.monotonic() + 30
    while (found := ask()) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def run(node: Running, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("LIANFANG_DATA_DIR", node.settings.data_dir)
    return cli.main(["model", *arguments])


def in_force(node: Running) -> tuple[Any, Any]:
    said = node.http.get(node.told.decider + "/readyz").json()
    return said.get("model"), said.get("challenger")


def test_a_model_is_loaded_swapped_shadowed_explained_and_taken_away(
    node: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_model(tmp_path / "one", manifest(), {"trees.txt": trees(5.0), "card.md": b"# a card"}).manifest
    second = write_model(tmp_path / "two", manifest(name="two"), {"trees.txt": trees(-1.0)}).manifest
    names = [f"{one.name}@{one.version[:12]}" for one in (first, second)]
    assert node.decide("before", amount=99_00).get("score") is None

    assert run(node, "load", str(tmp_path / "one"), "--reason", "测试", monkeypatch=monkeypatch) == 0
    until(lambda: in_force(node), (names[0], None))
    allowed = node.decide("small", amount=50)
    assert (allowed["action"], round(allowed["score"], 6)) == ("allow", 0.017986)
    raised = node.decide("large", amount=99_00)
    assert (raised["action"], raised["versions"]["model"]) == ("hold", names[0])
    assert [r["code"] for r in raised["reasons"]] == ["score", "points", "FIRST", "score-why"]
    why = next(r for r in raised["reasons"] if r["code"] == "score-why")
    assert (why["name"], why["zh"], why["en"]) == ("big", "金额偏高", "amount is high")

    assert run(node, "load", str(tmp_path / "two"), "--challenger", "--reason", "beside", monkeypatch=monkeypatch) == 0
    until(lambda: in_force(node), (names[0], names[1]))
    both = node.decide("both", amount=99_00)
    assert (both["action"], both["versions"]["challenger"]) == ("hold", names[1])
    assert both["challenger_score"] == pytest.approx(0.268941, abs=1e-6)

    assert run(node, "load", str(tmp_path / "two"), "--reason", "swap", monkeypatch=monkeypatch) == 0
    until(lambda: in_force(node)[0], names[1])
    assert node.decide("swapped", amount=99_00)["score"] == pytest.approx(0.268941, abs=1e-6)
    assert (
        run(node, "load", names[0], "--reason", "back", monkeypatch=monkeypatch) == 0
    )  # a version it has, in one step
    until(lambda: in_force(node)[0], names[0])

    counted = node.http.get(node.told.decider + "/metrics").text
    assert 'lianfang_score_bucket{le="0.05",role="model"} 1.0' in counted  # `small`
    assert 'lianfang_score_count{role="challenger"} 2.0' in counted  # `both` and `swapped`, at 0.27
    assert 'lianfang_score_bucket{le="0.25",role="challenger"} 0.0' in counted

    capsys.readouterr()
    assert run(node, "explain", str(tmp_path / "one"), "--id", "large", "--json", "-", monkeypatch=monkeypatch) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["score"] == pytest.approx(raised["score"])
    assert said["inputs"][0]["name"] == "big"
    assert said["inputs"][0]["exact"] == pytest.approx(8.1)  # from -3.1, expected, to 5

    for role in ([], ["--challenger"]):
        assert run(node, "unload", *role, "--reason", "end", monkeypatch=monkeypatch) == 0
    until(lambda: in_force(node), (None, None))
    assert node.decide("after", amount=99_00).get("score") is None
    acts = [one["act"] for one in node.http.get(node.told.desk + "/v1/changes").json()["changes"]]
    assert acts[:6] == [
        "challenger.unload",
        "model.unload",
        "model.load",
        "model.load",
        "challenger.load",
        "model.load",
    ]


def put(node: Running, **brought: Any) -> Any:
    return node.http.put(node.told.desk + "/v1/model", content=msgspec.json.encode(brought), headers=REASON)


def test_what_does_not_fit_is_refused_with_which(node: Running, tmp_path: Path) -> None:
    other = Feature(name="payer_count_1h", define="count of payments by payer.account over 2h")
    absent = Feature(name="gone", define="count of payments by device.id over 1h")
    for features, match in (
        ((other,), "`count of payments by payer.account over 1h` here"),
        ((COUNT, absent), "gone is not declared"),
    ):
        folder = write_model(tmp_path / match[:5].strip("`"), manifest(features=features), {"trees.txt": trees(1.0)})
        answer = put(node, manifest=folder.manifest, files={"trees.txt": trees(1.0).decode()})
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid-model"
        assert match in answer.json()["detail"]
    changed = write_model(tmp_path / "good", manifest(), {"trees.txt": trees(1.0)}).manifest
    assert "was changed" in put(node, manifest=changed, files={"trees.txt": "other"}).json()["detail"]
    assert put(node, version="0" * 12).status_code == 400
    assert put(node).status_code == 400
    assert in_force(node) == (None, None)
