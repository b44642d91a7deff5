"""Health: what runs and what is in force as it is, keys changed by operators only, and trouble told with what to do."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import expect

from lianfang.app.node.supervise import Node
from lianfang.app.node.watched import _settings
from lianfang.app.settings import HELP, Settings
from lianfang.console.health import ENDING, OLD_KEY, about, key_state
from lianfang.console.shown import size
from lianfang.console.signed import COOKIE
from lianfang.console.words import Lang, catalogue
from lianfang.kernel.instant import Instant
from lianfang.services.identity.keys import ApiKey
from lianfang.services.identity.store import StoredKey
from tests.console.conftest import Console, Walk

ATTACK: Final = "<img src=x onerror=alert(1)>"
NOW: Final = Instant(10 * OLD_KEY)


def issue(console: Console, note: str) -> dict[str, str]:
    """A new key over the API."""
    said = console.http.post(
        console.base + "/v1/keys", json={"scopes": ["read"], "note": note}, headers={"Lianfang-Reason": "a test"}
    )
    assert said.status_code in (200, 201), said.text
    told = said.json()
    return {"id": told["key"]["id"], "key": told["text"]}


def opens(console: Console, text: str) -> int:
    """What the desk says to a key."""
    said = httpx.get(
        console.base + "/v1/lists", headers={"Authorization": f"Bearer {text}"}, trust_env=False, timeout=30
    )
    return said.status_code


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everybody_reads_what_runs_and_what_is_in_force(console: Console, walk: Walk, lang: Lang) -> None:
    walker = walk("wang", lang)
    page = walker.open("/console/health")
    told = console.node.running
    rules = console.http.get(console.told.decider + "/readyz").json()["rules"]
    text = page.locator("main").inner_text()
    for part in (str(told.decider_pid), str(told.desk_pid), rules, told.desk):
        assert part in text
    expect(
        page.get_by_text("This node knows of no backup." if lang == "en" else "本节点不知道任何备份。")
    ).to_be_visible()
    assert page.get_by_role("button", name="Revoke" if lang == "en" else "吊销").count() == 0
    walker.sound()


def test_an_operator_rotates_a_key_and_sees_its_successor_once(console: Console, walk: Walk) -> None:
    made = issue(console, ATTACK)
    walker = walk("chen", "en")
    page = walker.open("/console/health")
    row = page.locator("tr", has_text=made["id"]).first
    expect(row).to_contain_text(ATTACK)
    assert page.locator("main img").count() == 0
    row.get_by_role("button", name="Rotate").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Reason").fill("yearly rotation")
    dialog.get_by_role("button", name="Rotate").click()
    notice = page.locator(".notice.good")
    expect(notice).to_contain_text("the new key")
    text = re.search(r"lf_[a-z0-9]+_[a-z0-9]+", notice.inner_text())
    assert text is not None
    assert opens(console, text[0]) == 200
    assert opens(console, made["key"]) == 200, "the old one works on for a day"
    walker.look("health-rotated")
    page = walker.open("/console/health")
    expect(page.locator("tr", has_text=made["id"]).first).to_contain_text("Rotated")
    assert text[0] not in page.content()
    walker.sound()


def test_an_operator_revokes_a_key_and_it_opens_nothing_more(console: Console, walk: Walk) -> None:
    made = issue(console, "to be revoked")
    assert opens(console, made["key"]) == 200
    walker = walk("chen", "zh")
    page = walker.open("/console/health")
    row = page.locator("tr", has_text=made["id"]).first
    row.get_by_role("button", name="吊销").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("理由").fill("泄露")
    dialog.get_by_role("button", name="吊销").click()
    expect(page.get_by_text("已吊销。")).to_be_visible()
    assert opens(console, made["key"]) == 401
    changes = console.http.get(console.base + "/v1/changes").text
    assert "person:chen" in changes
    assert "泄露" in changes
    walker.sound()


def test_the_last_key_of_an_admin_is_not_revoked(console: Console, walk: Walk) -> None:
    walker = walk("chen", "en")
    walker.allowed_failures = 1
    page = walker.open("/console/health")
    page.locator("tr", has_text="first key of this node").first.get_by_role("button", name="Revoke").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Reason").fill("a mistake")
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("is the last with the scope admin")).to_be_visible()
    walker.sound()


@pytest.mark.parametrize("name", ["wang", "zhao", "li"])
def test_whoever_does_not_operate_changes_no_key(console: Console, name: str) -> None:
    made = issue(console, "stays")
    said = httpx.post(
        f"{console.base}/console/health/keys/{made['id']}", data={"what": "revoke", "reason": "mischief"},
        cookies={COOKIE: console.secrets[name]}, trust_env=False, timeout=30,
    )  # fmt: skip
    assert said.status_code == 403
    assert opens(console, made["key"]) == 200


def test_trouble_is_told_with_what_to_do_until_it_is_mended(console: Console, walk: Walk) -> None:
    lake = console.node.files.lake
    aside = lake.with_name("lake-aside")
    for _ in range(100):
        if lake.exists():
            break
        time.sleep(0.2)
    lake.rename(aside)
    lake.write_text("not a folder")
    walker = walk("wang", "en")
    try:
        _until(walker, "The lake was not built", there=True)
        page = walker.page
        expect(page.get_by_text("Check free disk, then run lianfang lake build")).to_be_visible()
        walker.look("health-trouble")
    finally:
        lake.unlink(missing_ok=True)
        aside.rename(lake)
    _until(walker, "The lake was not built", there=False)
    walker.sound()


def _until(walker: Any, text: str, *, there: bool) -> None:
    for _ in range(60):
        page = walker.open("/console/health")
        if bool(page.get_by_text(text).count()) == there:
            return
        page.wait_for_timeout(1_000)
    raise AssertionError(f"{text}: {there} was awaited")


def test_every_setting_says_what_it_means_in_both_languages_and_no_secret_is_shown() -> None:
    for name, meaning in HELP.items():
        assert catalogue()[f"setting.{name}"]["en"] == meaning
    shown = {one.name: one for one in _settings(Settings(tls_cert="/etc/c.pem", tls_key="/etc/k.pem", two_people=True))}
    assert set(shown) == set(HELP)
    assert (shown["tls_key"].value, shown["two_people"].value) == ("***", "true")
    assert shown["tls_cert"].value == "/etc/c.pem"


@pytest.mark.parametrize(
    ("key", "family"),
    [("rule files", "rules"), ("following.index", "following"), ("report watch", "report"), ("models", "model"),
     ("journal", "journal"), ("something new", "other")],
)  # fmt: skip
def test_whatever_needs_attention_has_words(key: str, family: str) -> None:
    assert about(key) == family
    assert {f"attention.{family}", f"attention.{family}-do"} <= set(catalogue())


@pytest.mark.parametrize(
    ("state", "more"),
    [("good", {"created_at": NOW - 1}), ("old", {"created_at": NOW - OLD_KEY - 1}),
     ("ended", {"created_at": 0, "expires_at": NOW}),
     ("ending", {"created_at": 0, "expires_at": NOW + ENDING - 1}),
     ("rotated", {"created_at": 0, "successor": "b", "expires_at": NOW + 1})],
)  # fmt: skip
def test_a_key_is_told_by_its_age_and_end(state: str, more: dict[str, Any]) -> None:
    key = ApiKey(id="a", digest="00", scopes=("read",), **more)
    assert key_state(StoredKey(key, None), NOW) == state
    assert key_state(StoredKey(key, 5), NOW) == "revoked"


def test_sizes_are_said_in_the_largest_fitting_unit() -> None:
    assert [size(n) for n in (0, 999, 1_000, 1_234_567, 5 * 10**12, 5 * 10**15)] == [
        "0 B", "999 B", "1.0 kB", "1.2 MB", "5.0 TB", "5,000.0 TB",
    ]  # fmt: skip


def test_the_backup_that_the_page_describes_is_a_node_again(console: Console, tmp_path: Path) -> None:
    """Copied while the node runs; started, it knows its keys, its records and every decision."""
    root, copy = console.node.files.root, tmp_path / "node"
    copy.mkdir(mode=0o700)
    with (
        closing(sqlite3.connect(root / "records.sqlite")) as live,
        closing(sqlite3.connect(copy / "records.sqlite")) as kept,
    ):
        live.backup(kept)
    for name in ("journal", "models"):
        shutil.copytree(root / name, copy / name)
    shutil.copy2(root / "hash.key", copy / "hash.key")
    settings = Settings(data_dir=str(copy), decider_port=0, desk_port=0, feature_memory_mb=256)
    with Node(settings, output=io.StringIO()) as node:
        told = httpx.get(node.running.decider + "/readyz", trust_env=False, timeout=30).json()
        assert told["ready"]
        assert told["attention"] == {}
        assert told["seq"] >= len(console.payments)
        address = f"{node.running.desk}/v1/payments/{console.payments[0]['payment_id']}"
        for _ in range(100):
            said = httpx.get(address, headers={"Authorization": f"Bearer {console.key}"}, trust_env=False, timeout=30)
            if said.status_code != 404:
                break
            time.sleep(0.1)
        assert said.status_code == 200
