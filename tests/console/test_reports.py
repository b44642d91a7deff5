"""Reports: found by day and kind, opened harmlessly, and no name leads anywhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.sync_api import expect

from lianfang.console.reports import listed, opened, parsed
from lianfang.console.signed import COOKIE
from lianfang.infra.asgi import NotFoundError
from tests.console.conftest import Console, Walk

HOSTILE: Final = (
    "<!doctype html><html lang=en><title>a report</title><style>h1{color:#123}</style><h1>drift</h1>"
    "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title = 'taken over'\">"
)
NO_NAMES: Final = (
    "../records.sqlite", "watch-2026-11-23.html/../x", "watch-2026-11-23.html\n", "watch-2026-13-01.html",
    "watch-2026-11-23",
    "watch-2026-11-23.exe", "WATCH-2026-11-23.html", "hash.key", "", ".",
    "watch-\u0662026-11-23.html", "watch-2026-11-23.html\x00",
)  # fmt: skip


@pytest.fixture
def written(console: Console) -> Iterator[Path]:
    """Two reports and things that are none, on a real node's disk."""
    folder = console.node.files.reports
    files = {
        "watch-2026-11-16.html": HOSTILE,
        "watch-2026-11-16.json": json.dumps({"features_drifted": 0, "rules_drifted": 0}),
        "watch-2026-11-23.html": HOSTILE,
        "watch-2026-11-23.json": json.dumps({"made_at": 1, "features_drifted": 2, "rules_drifted": 1}),
        "review-2026-11-01.html": HOSTILE, "review-2026-11-01.json": json.dumps({"proposals": [{}], "candidates": [{}, {}]}),
        "review-2026-11-01.candidates.yaml": "{}", "notes.txt": "nothing",
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "watch-2026-11-09.html").symlink_to(console.node.files.root / "hash.key")
    yield folder
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_reports_are_listed_the_newest_first_with_what_they_found(
    console: Console, walk: Walk, written: Path, lang: str
) -> None:
    walker = walk("wang", lang)
    page = walker.open("/console/reports")
    rows = page.locator("tbody tr")
    assert [rows.nth(i).locator("th").inner_text() for i in range(rows.count())] == [
        "2026-11-23", "2026-11-16", "2026-11-01",
    ]  # fmt: skip
    expect(rows.nth(0)).to_contain_text(
        "2 numbers and 1 hit rates drifted" if lang == "en" else "2 项数值、1 项命中率漂移"
    )
    expect(rows.nth(1)).to_contain_text("No drift" if lang == "en" else "未见漂移")
    expect(rows.nth(2)).to_contain_text("1 proposals, 2 candidate rules" if lang == "en" else "1 条建议，2 条候选规则")
    walker.look("reports-some")
    walker.sound()


def test_a_report_opens_and_can_do_nothing(console: Console, walk: Walk, written: Path) -> None:
    walker = walk("wang", "en")
    page = walker.open("/console/reports")
    with page.context.expect_page() as came:
        page.get_by_role("link", name="Open").first.click()
    report = came.value
    report.wait_for_load_state("load")
    assert report.url.endswith("/console/reports/watch-2026-11-23.html")
    expect(report.get_by_role("heading", name="drift")).to_be_visible()
    assert report.title() == "a report"
    walker.sound()
    said = _get(console, "watch-2026-11-23.html")
    assert said.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert said.headers["x-content-type-options"] == "nosniff"
    assert _get(console, "review-2026-11-01.json").headers["content-disposition"].startswith("attachment")


def _get(console: Console, name: str) -> httpx.Response:
    return httpx.get(
        f"{console.base}/console/reports/{name}", cookies={COOKIE: console.secrets["wang"]}, trust_env=False, timeout=30
    )


@pytest.mark.parametrize(
    "name",
    [
        "..%2Frecords.sqlite",
        "%2e%2e%2fhash.key",
        "notes.txt",
        "watch-2026-11-09.html",
        "watch-2026-01-01.html",
        "watch-2026-11-23.html%00",
    ],
)
def test_no_name_leads_out_of_the_folder_or_to_what_is_no_report(console: Console, written: Path, name: str) -> None:
    said = _get(console, name)
    assert said.status_code == 404
    assert "nothing" not in said.text.split("<body>")[0]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_no_report_is_refused_before_the_disk_is_asked(tmp_path: Path, name: str) -> None:
    assert parsed(name) is None
    with pytest.raises(NotFoundError):
        opened(tmp_path, name)


def test_links_pipes_and_folders_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "watch-2026-11-01.html")
    (tmp_path / "watch-2026-11-02.html").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "watch-2026-11-03.html").symlink_to(tmp_path / "secret")
    for day in ("01", "02", "03"):
        with pytest.raises(NotFoundError):
            opened(tmp_path, f"watch-2026-11-{day}.html")
    assert listed(tmp_path) == []
    assert listed(tmp_path / "missing") == []


def test_a_broken_json_loses_its_figures_and_not_the_list(tmp_path: Path) -> None:
    (tmp_path / "watch-2026-11-01.json").write_text("{")
    (found,) = listed(tmp_path)
    assert (found.kind, found.endings, found.figures.features_drifted) == ("watch", ("json",), None)


def test_reports_are_for_those_who_are_signed_in(console: Console, written: Path) -> None:
    said = httpx.get(f"{console.base}/console/reports/watch-2026-11-23.html", trust_env=False)
    assert said.status_code == 303
