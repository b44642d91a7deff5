"""Text that would be markup, in every field of free text on every page: shown as text in both languages, and run by nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser

from lianfang.console.navigation import NAVIGATION
from lianfang.console.page import LANG_COOKIE
from lianfang.console.signed import COOKIE
from lianfang.console.words import LANGS, Lang
from tests.console.browsing import Walker
from tests.console.conftest import Console
from tests.console.fields import Form, read
from tests.console.stopped import stopped, wait
from tests.console.test_models import bring

HOSTILE: Final = "</script></textarea></title>\"'><x-taken onclick=alert(1)>{{7*7}}"
_SEARCHED: Final = ("q", "amount_from", "amount_to", "currency", "rule", "reason", "shadow", "scam")
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "/console/sign-in": ("name",),
    "/console/live": ("text",),
    "/console/search": _SEARCHED,
    "/console/search/q/{id}/name": ("name",),
    "/console/search/q/{id}/export": ("reason",),
    "/console/audit": ("who", "act"),
    "/console/lists": ("name", "reason"),
    "/console/lists/{name}/add": ("value", "purpose", "source", "reason"),
    "/console/lists/{name}/find": ("value",),
    "/console/lists/{name}/import": ("content", "purpose", "source"),
    "/console/lists/{name}/remove": ("reason",),
    "/console/lists/{name}/unmask": ("reason",),
    "/console/rules": ("text",),
    "/console/rules/adjust": ("value", "reason"),
    "/console/rules/save": (
        "id", "zh", "en", "when", "points", "code", "warning", "owner", "source", "examples", "reason",
    ),
    "/console/rules/{id}/remove": ("reason",),
    "/console/drafts/{n}/approve": ("without", "reason"),
    "/console/drafts/{n}/stage shadow": ("reason",),
    "/console/drafts/{n}/stage share": ("reason",),
    "/console/drafts/{n}/stage live": ("reason",),
    "/console/drafts/{n}/rollback": ("reason",),
    "/console/drafts/{n}/withdraw": ("reason",),
    "/console/models/draft": ("reason",),
    "/console/models/role": ("reason",),
    "/console/style": ("sample", "sample-wrong", "sample-area"),
    "/console/outcomes": ("payment_id", "kind", "note", "reason"),
    "/console/payments/seq/{n}/label": ("kind", "note", "reason"),
    "/console/payments/seq/{n}/unmask": ("reason",),
    "/console/people": ("name", "shown", "reason"),
    "/console/people/{name} roles": ("reason",),
    "/console/people/{name} password": ("reason",),
    "/console/people/{name} off": ("reason",),
    "/console/health/keys/{id} rotate": ("reason",),
    "/console/health/keys/{id} revoke": ("reason",),
    "/console/queue/{n}/release": ("reason",),
    "/console/queue/{n}/snooze": ("reason",),
    "/console/queue/{n}/close": ("kind", "note", "reason"),
}  # fmt: skip
"""Every form with free text that these pages show. A field that is not here fails the test: add it, and it is tried."""
SHOWN_LATER: Final = (
    "/console/audit",
    "/console/people",
    "/console/lists/hostile",
    "/console/rules",
    "/console/drafts/1",
)
"""Pages on which something of all this is kept and shown."""
COMPANIONS: Final = {
    "/console/lists": {"name": "another", "effect": "watch"},
    "/console/lists/{name}/add": {"value": "v1"},
    "/console/rules/save": {
        "id": "x.y", "zh": "甲", "en": "a", "when": "amount > 1", "code": "X", "examples": "[]", "points": "",
    },
    "/console/rules/adjust": {"value": "1"},
    "/console/people": {"name": "hostile", "shown": "x", "roles": "viewer"},
    "/console/drafts/{n}/stage share": {"share": "10"},
    "/console/queue/{n}/close": {"verdict": "unclear"},
    "/console/search": dict.fromkeys(_SEARCHED, ""),
}  # fmt: skip
"""Values under which the hostile one is likeliest to be taken; any other field of text says `x`."""


class Visitor:
    """A person by HTTP, in one language."""

    def __init__(self, console: Console, name: str | None, lang: Lang) -> None:
        cookies = {LANG_COOKIE: lang} | ({COOKIE: console.secrets[name]} if name else {})
        self.http = httpx.Client(
            base_url=console.base, cookies=cookies, headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False, timeout=60,
            follow_redirects=True,
        )  # fmt: skip

    def forms(self, path: str) -> tuple[Form, ...]:
        answer = self.http.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return read(answer.text).forms

    def send(self, form: Form, **values: str) -> httpx.Response:
        whole = {**form.values, **values}
        if form.method == "get":
            return self.http.get(form.action, params=whole)
        return self.http.post(form.action, data=whole)

    def act(self, path: str, kind: str, **values: str) -> httpx.Response:
        """Send the one form of a kind on a page."""
        form = next(one for one in self.forms(path) if one.kind == kind)
        answer = self.send(form, **{"reason": "made for the test", **values})
        assert answer.status_code == 200, answer.text
        return answer


class Place:
    """A node of its own, as what is sent here also switches people and keys off; where something of every kind is."""

    def __init__(self, console: Console, folder: Path) -> None:
        self.console = console
        self.chen, self.li, self.nobody = (Visitor(console, name, "zh") for name in ("chen", "li", None))
        chen = self.chen
        chen.act("/console/lists", "/console/lists", name="hostile", effect="watch")
        chen.act("/console/lists/hostile", "/console/lists/{name}/add", value="first", purpose=HOSTILE, source=HOSTILE)
        self._draft("hostile.kept")
        for number, name in ((2, "hostile.approved"), (3, "hostile.shadowed")):
            self._draft(name)
            self.li.act(f"/console/drafts/{number}", "/console/drafts/{n}/approve", without="x")
        chen.act("/console/drafts/3", "/console/drafts/{n}/stage shadow")
        bring(console, folder)
        stopped(console, "6222020000007777", ["6222029999997777"], memo=HOSTILE)
        self.alert = self._alert()
        searched = chen.act("/console/search", "/console/search", rule="hostile.kept")
        self.pages = (
            *(address for _, entries in NAVIGATION for _, address, _ in entries), "/console/me", "/console/rules/new",
            "/console/rules?view=parameters", "/console/lists/hostile", "/console/drafts/1", "/console/drafts/2",
            "/console/drafts/3", "/console/rules/" + self._own_rule(), "/console/payments/seq/1", self.alert, searched.url.path,
        )  # fmt: skip

    def _draft(self, rule_id: str) -> None:
        rule = {"id": rule_id, "zh": HOSTILE, "en": HOSTILE, "when": "amount > 99999999", "code": "H", "examples": "[]"}
        self.chen.act("/console/rules/new", "/console/rules/save", **rule)

    def _own_rule(self) -> str:
        """A rule of the records, which pages may remove."""
        rule = {
            "id": "hostile.old",
            "zh": HOSTILE,
            "en": HOSTILE,
            "when": "amount > 99999998",
            "code": "H",
            "action": "hold",
        }
        said = {"Lianfang-Reason": "test"}
        put = self.console.http.put(f"{self.console.base}/v1/rules/hostile.old", json=rule, headers=said)
        assert put.status_code in (200, 201), put.text
        return "hostile.old"

    def _alert(self) -> str:
        def look() -> list[str]:
            return re.findall(r'href="(/console/queue/\d+)"', self.chen.http.get("/console/queue?whose=all").text)

        address: str = wait(look, bool)[0]
        taken = self.chen.http.post(
            f"{address}/take", data={"_csrf": self.chen.forms("/console/me")[0].values["_csrf"]}
        )
        assert taken.status_code == 200, taken.text
        return address

    def forms(self) -> dict[str, tuple[Visitor, Form]]:
        """The last form of each kind, with who may send it: people are in order, and the first is who looks."""
        found: dict[str, tuple[Visitor, Form]] = {}
        seen = [(self.nobody, "/console/sign-in"), (self.li, "/console/drafts/1")] + [
            (self.chen, one) for one in self.pages
        ]
        for visitor, path in seen:
            found |= {one.kind: (visitor, one) for one in visitor.forms(path) if one.texts}
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("hostile")
    made = Console(folder)
    place = Place(made, folder)
    yield place
    for visitor in (place.chen, place.li, place.nobody):
        visitor.http.close()
    made.stop()


@pytest.fixture(scope="module")
def forms(place: Place) -> dict[str, tuple[Visitor, Form]]:
    return place.forms()


def refuse_what_runs(answer: httpx.Response) -> str:
    """What a person sees of it, of which nothing is markup of ours."""
    assert answer.status_code < 500, answer.text
    if not answer.headers["content-type"].startswith("text/html"):
        return answer.text
    page = read(answer.text)
    assert page.runs == ()
    assert "49" not in re.findall(r"onclick=alert\(1\)>(\w+)", page.seen), "it was taken for a template"
    return page.seen


@pytest.mark.parametrize(
    "page", [f"<p>{HOSTILE}</p>", f"<textarea>{HOSTILE}</textarea>", '<a href="javascript:1">x</a>']
)
def test_a_page_that_does_not_escape_would_be_found_out(page: str) -> None:
    assert read(page).runs


def test_every_field_of_free_text_on_every_page_is_in_the_table(forms: dict[str, tuple[Visitor, Form]]) -> None:
    found = {kind: tuple(dict.fromkeys(form.texts)) for kind, (_, form) in forms.items()}
    assert {kind: set(names) for kind, names in found.items()} == {kind: set(names) for kind, names in FIELDS.items()}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, names in FIELDS.items() for field in names])
def test_markup_in_a_field_is_text(forms: dict[str, tuple[Visitor, Form]], kind: str, field: str) -> None:
    visitor, form = forms[kind]
    others = {name: form.values[name] or "x" for name in form.texts if name != field}
    answer = visitor.send(form, **{**others, **COMPANIONS.get(kind, {}), field: HOSTILE})
    refuse_what_runs(answer)


@pytest.mark.parametrize("lang", LANGS)
def test_what_was_kept_of_it_is_shown_as_text_on_every_page(place: Place, lang: Lang) -> None:
    visitor = Visitor(place.console, "chen", lang)
    shown = {path: refuse_what_runs(visitor.http.get(path)) for path in place.pages}
    visitor.http.close()
    assert [path for path in SHOWN_LATER if HOSTILE not in shown[path]] == []


def test_a_browser_makes_nothing_of_it_either(place: Place, browser: Browser) -> None:
    walker = Walker(browser, place.console.base, (COOKIE, place.console.secrets["chen"]), "zh")
    for path in place.pages:
        page: Any = walker.open(path)
        page.wait_for_timeout(200)
        assert page.locator("x-taken").count() == 0, path
    walker.sound()
    walker.close()
