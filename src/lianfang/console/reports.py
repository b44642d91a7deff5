"""Reports that the desk wrote: the weekly watch and the monthly review, listed and opened.

A report is a page of its own with values from payments in it, so it is opened under a policy that lets it do nothing: no script,
no form, no request, an origin of its own.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from lianfang.console.installation import Console
from lianfang.console.page import page
from lianfang.console.signed import signed
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.kernel.errors import TooLargeError

POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
BYTES_MAX: Final = 64 << 20
"""The largest report that is opened."""
FIGURES_MAX: Final = 8 << 20
"""The largest JSON that the list reads its figures from."""
LISTED: Final = 120
TYPES: Final = {"html": "text/html; charset=utf-8", "json": "application/json", "candidates.yaml": "application/yaml"}
_NAME: Final = re.compile(r"(watch|review)-([0-9]{4}-[0-9]{2}-[0-9]{2})\.(html|json|candidates\.yaml)", re.ASCII)


class _Figures(msgspec.Struct, frozen=True):
    """What the list says of a report; everything else of its JSON is skipped."""

    made_at: int | None = None
    features_drifted: int | None = None
    rules_drifted: int | None = None
    proposals: list[msgspec.Raw] | None = None
    candidates: list[msgspec.Raw] | None = None


class Report(NamedTuple):
    """One report: its kind, day, when it was written, the endings of its files, their size, and what it found."""

    kind: str
    day: str
    made_at: int | None
    endings: tuple[str, ...]
    size: int
    figures: _Figures

    def name(self, ending: str) -> str:
        """The file's."""
        return f"{self.kind}-{self.day}.{ending}"


def parsed(name: str) -> tuple[str, str, str] | None:
    """(kind, day, ending) of a report's file name; None for any other name, so for every path."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        date.fromisoformat(found[2])
    except ValueError:
        return None
    return found[1], found[2], found[3]


def listed(folder: Path) -> list[Report]:
    """The newest first; of one day, watch before review."""
    files: dict[tuple[str, str], dict[str, os.stat_result]] = {}
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    for entry in entries:
        named = parsed(entry.name)
        if named is not None and entry.is_file(follow_symlinks=False):
            files.setdefault(named[:2], {})[named[2]] = entry.stat(follow_symlinks=False)
    newest = sorted(files, key=lambda key: (key[1], key[0]), reverse=True)[:LISTED]
    return [_report(folder, kind, day, files[kind, day]) for kind, day in newest]


def _report(folder: Path, kind: str, day: str, files: dict[str, os.stat_result]) -> Report:
    figures = _Figures()
    if "json" in files and files["json"].st_size <= FIGURES_MAX:
        try:
            figures = msgspec.json.decode(opened(folder, f"{kind}-{day}.json"), type=_Figures)
        except (msgspec.MsgspecError, NotFoundError, TooLargeError):
            figures = _Figures()
    written = max(one.st_mtime_ns // 1_000 for one in files.values())
    endings = tuple(ending for ending in TYPES if ending in files)
    return Report(kind, day, figures.made_at or written, endings, sum(one.st_size for one in files.values()), figures)


def opened(folder: Path, name: str) -> bytes:
    """A report's bytes. Raises `NotFoundError` for what is no report, and for one that is a link to something else."""
    if parsed(name) is None:
        raise NotFoundError("there is no report of this name", "path")
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as why:
        raise NotFoundError("there is no report of this name", "path") from why
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):  # fdopen itself refuses a folder, and would leave it open
        os.close(descriptor)
        raise NotFoundError("there is no report of this name", "path")
    with os.fdopen(descriptor, "rb") as file:
        if about.st_size > BYTES_MAX:
            raise TooLargeError(f"a report of more than {BYTES_MAX} bytes is not opened here", "path")
        return file.read(BYTES_MAX)


@get("/console/reports", include_in_schema=False)
async def reports(request: AnyRequest) -> Response[bytes]:
    session = await signed(request)
    console: Console = request.app.state.console
    found = await asyncio.to_thread(listed, console.watched.reports)
    every = {one.name: one.value for one in (await asyncio.to_thread(console.watched.state)).settings}
    return page(
        request, "reports.html", session, reports=found, limit=LISTED,
        every={"watch": int(every["watch_every_days"]), "review": int(every["review_every_days"])},
    )  # fmt: skip


@get("/console/reports/{name:str}", include_in_schema=False)
async def report(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    await signed(request)
    console: Console = request.app.state.console
    content = await asyncio.to_thread(opened, console.watched.reports, name)
    ending = name.split(".", 1)[1]
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if ending != "html":
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=TYPES[ending], headers=headers)


ROUTES: Final = (reports, report)
