"""A real browser that looks hard: at console errors, requests elsewhere, text that overflows, and what axe finds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Request, sync_playwright

from lianfang.console.words import Lang
from tests.services_required import missing

ROOT: Final = Path(__file__).parents[2]
SCREENS: Final = ROOT / "build" / "screens"
AXE: Final = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
HEIGHTS: Final = {1280: 800, 1920: 1080, 3840: 2160}
FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
Theme = Literal["light", "dark"]

# An element whose text is wider than itself, or that sticks out of the page, unless it scrolls on purpose.
OVERFLOWS: Final = """() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
  for (const e of document.querySelectorAll("body *")) {
    const style = getComputedStyle(e);
    if (e.closest(".cm-editor, .network, .chart, .hidden-text, .skip, dialog:not([open]), select, [hidden]")) continue;
    if (style.overflowX === "auto" || style.overflowX === "scroll" || style.display === "none") continue;
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (text && style.display !== "inline" && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
      found.push(`${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 60)}`);
  }
  return found;
}"""


def chromium() -> str:
    """Where the browser is; absent, the test is skipped loudly."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    missing("no Chromium is installed (Debian: apt-get install chromium)")
    raise AssertionError


@contextmanager
def browser() -> Iterator[Browser]:
    """One browser for many pages."""
    path = chromium()
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


class Walker:
    """One person at one screen. Everything wrong that it meets is in `wrong`; `sound()` asserts that nothing was."""

    def __init__(
        self, browser: Browser, base: str, cookie: tuple[str, str] | None, lang: Lang = "zh", theme: Theme = "light",
        width: int = 1280,
    ) -> None:  # fmt: skip
        self.base, self.lang, self.theme, self.width = base, lang, theme, width
        self.wrong: list[str] = []
        self.allowed_failures = 0
        self._context = browser.new_context(viewport={"width": width, "height": HEIGHTS[width]})
        cookies = {"lianfang_lang": lang, "lianfang_theme": theme, **dict([cookie] if cookie else [])}
        self._context.add_cookies([{"name": k, "value": v, "url": base} for k, v in cookies.items()])
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda why: self.wrong.append(f"script: {why}"))
        self.page.on("request", self._request)

    def _console(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            if "Failed to load resource" in said.text and self.allowed_failures:
                self.allowed_failures -= 1
                return
            self.wrong.append(f"console {said.type}: {said.text[:300]}")

    def _request(self, request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme not in ("data", "blob") and where.netloc != urlsplit(self.base).netloc:
            self.wrong.append(f"a request to {request.url}")

    def open(self, path: str, wait: str = "load") -> Page:
        """Go there. `wait`: `load`, as streams never let the network rest."""
        self.page.goto(self.base + path, wait_until=wait)  # type: ignore[arg-type]
        return self.page

    def look(self, name: str, *, axe: bool = True) -> None:
        """Check what is on the screen now, and keep a picture of it under build/screens."""
        here = f"{name} ({self.lang}, {self.theme}, {self.width})"
        self.wrong += [f"{here}: overflow: {one}" for one in self.page.evaluate(OVERFLOWS)]
        if axe:
            self.wrong += [f"{here}: {one}" for one in self._axe()]
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}-{self.lang}-{self.theme}-{self.width}.png", full_page=True)

    def _axe(self) -> list[str]:
        if not AXE.is_file():
            missing("axe-core is not installed (make test installs it)")
        self.page.evaluate(AXE.read_text("utf-8"))
        found: dict[str, Any] = self.page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
        )
        return [
            f"axe {one['id']} ({one['impact']}): {one['help']}: {'; '.join(n['html'][:160] for n in one['nodes'][:3])}"
            for one in found["violations"]
        ]

    def sound(self) -> None:
        """Nothing was wrong."""
        assert not self.wrong, "\n".join(self.wrong)

    def close(self) -> None:
        """Give up the screen."""
        self._context.close()
