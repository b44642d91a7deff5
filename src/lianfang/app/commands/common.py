"""What the commands share: where output goes, JSON files, errors in one sentence."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from lianfang.app.settings import Settings

JsonFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]
"""Where the figures go as JSON; `-` is standard output."""
EXIT_FAILED: Final = 1
"""Something failed, or what was checked is not sound."""
EXIT_INPUT: Final = 2
"""What was given is wrong."""


def console(*, errors: bool = False) -> Console:
    """Standard output (or error), as wide as the terminal; 120 columns where it is none, so that files are readable."""
    from rich.console import Console

    terminal = (sys.stderr if errors else sys.stdout).isatty()
    return Console(stderr=errors, width=None if terminal else 120)


def progress() -> Progress:
    """A bar on standard error: it never mixes with what is printed, and is silent where nobody looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    on = console(errors=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=on, transient=True, disable=not on.is_terminal)


def settings(**overrides: Any) -> Settings:
    """The settings in force; what the command line says goes before file and environment."""
    from lianfang.app.settings import load

    return load(overrides=overrides)


def write_json(path: Path | None, value: Any) -> None:
    """Write a value where asked; `-` is standard output. Numbers that are none become null."""
    if path is None:
        return
    from lianfang.kernel.errors import DependencyError

    text = json_text(value)
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as why:
        raise DependencyError(f"cannot write {path}: {why.strerror}") from why


def json_text(value: Any) -> str:
    """A value as JSON to be read by people too. Numbers that are none become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(v) for v in value]
    return value


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Print a table."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=title)
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    console().print(shown)


def need_reason(reason: str) -> str:
    """The reason of a change. Raises `InputError` when none is given."""
    from lianfang.kernel.errors import InputError

    if not reason.strip():
        raise InputError("say why: --reason 'ticket 4711, agreed with ...'", "--reason")
    return reason


def instant_of(text: str, option: str) -> int:
    """`2026-05-01`, or a time with its zone, as an instant. A bare date begins at midnight UTC. Raises `InputError`."""
    from datetime import UTC, datetime

    from lianfang.kernel.errors import InputError
    from lianfang.kernel.instant import instant

    try:
        at = datetime.fromisoformat(text)
    except ValueError as why:
        raise InputError(f"{text!r} is not a time: write 2026-05-01 or 2026-05-01T08:00:00+08:00", option) from why
    return instant(at.replace(tzinfo=UTC) if len(text) == 10 else at)
