"""Writes the reference pages that come from the code, and checks that nothing has drifted: `make docs`, `make check`.

With --check nothing is written: a page that differs, a link that leads nowhere, a setting or folder that no page names
ends with status 1.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from docs.generate_messages import messages_reference
from docs.generate_pack import pack_reference
from docs.generate_wire import wire_reference
from lianfang.app.cli import cli_reference
from lianfang.app.commands.settings import settings_reference
from lianfang.wire import json_schema

ROOT: Final = Path(__file__).parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"


def _schema() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "cli.md": cli_reference,
    "messages.md": messages_reference,
    "settings.md": settings_reference,
    "schema.json": _schema,
    "starter-pack.md": pack_reference,
    "wire.md": wire_reference,
}
_LINK: Final = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def main(arguments: list[str]) -> int:
    """Write, or with --check compare."""
    check = "--check" in arguments
    problems = [p for name, make in PAGES.items() if (p := _page(REFERENCE / name, make(), check))]
    problems += [*_dead_links(), *_unnamed_folders()]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _page(path: Path, text: str, check: bool) -> str:
    if path.exists() and path.read_text("utf-8") == text:
        return ""
    if check:
        return f"{path.relative_to(ROOT)} has drifted from the code: run `make docs`"
    path.write_text(text, "utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
    return ""


def _dead_links() -> list[str]:
    dead = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        targets = [
            t for t in _LINK.findall(page.read_text("utf-8")) if "://" not in t and not (page.parent / t).exists()
        ]
        dead += [f"{page.relative_to(ROOT)} links to {target}, which is not there" for target in targets]
    return dead


def _unnamed_folders() -> list[str]:
    """Every folder of the house has its line in ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    house = ROOT / "src" / "lianfang"
    folders = [p.parent for p in house.rglob("__init__.py") if p.parent != house]
    missing = [f for f in folders if f"{f.name}/" not in text]
    return [f"ARCHITECTURE.md does not name {f.relative_to(ROOT)}" for f in sorted(missing)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
