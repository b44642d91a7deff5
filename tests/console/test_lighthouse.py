"""Lighthouse, from its npm package in the real browser: the accessibility of every page is at least 95."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from lianfang.console.navigation import NAVIGATION
from lianfang.console.signed import COOKIE
from tests.console.browsing import FLAGS, ROOT, chromium
from tests.console.conftest import Console
from tests.services_required import missing

WANTED: Final = 0.95
SCRIPT: Final = ROOT / "web" / "lighthouse.mjs"
NODE: Final = Path(sys.executable).parent / "node"


@pytest.mark.slow
def test_every_page_scores_at_least_95(console: Console) -> None:
    if not (ROOT / "web" / "node_modules" / "lighthouse").is_dir():
        missing("Lighthouse is not installed (make test installs it)")
    pages = [console.base + address for _, entries in NAVIGATION for _, address, _ in entries]
    scores = measured(console, [*pages, console.base + "/console/me"])
    assert len(scores) == len(pages) + 1
    assert not {url: told for url, told in scores.items() if (told["score"] or 0) < WANTED}


def measured(console: Console, pages: list[str]) -> dict[str, dict[str, Any]]:
    """What Lighthouse says of each page, in one browser."""
    with tempfile.TemporaryDirectory() as profile:
        flags = [*FLAGS, "--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen([chromium(), *flags], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            assert browser.stderr
            port = next(found[1] for line in browser.stderr if (found := re.search(r"ws://[^:]+:(\d+)/", line)))
            cookie = f"{COOKIE}={console.secrets['chen']}"
            told = subprocess.run(
                [str(NODE), str(SCRIPT), port, cookie, *pages], capture_output=True, text=True, timeout=300, check=False
            )
        finally:
            browser.terminate()
            browser.wait()
            if browser.stderr:
                browser.stderr.close()
    assert told.returncode == 0, told.stderr[-2000:]
    found_pages = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    return {one["url"]: one for one in found_pages}
