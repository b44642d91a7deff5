"""Rule files of an installation: found, read, watched. They are the truth for the rules they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lianfang.engines.rules import read_rules_text
from lianfang.kernel.errors import InputError
from lianfang.wire import RuleSet

FORMATS: Final[dict[str, Literal["toml", "yaml"]]] = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
FILES_MAX: Final = 500
Stamp = tuple[tuple[str, int, int, int], ...]
"""(path, mtime in ns, size, inode) of each file: another stamp, other files."""


@dataclass(frozen=True)
class RuleFile:
    """One file as it was read. `name` is what people are told: the path as configured."""

    name: str
    text: str
    ruleset: RuleSet


class RuleFiles:
    """Files, and folders of `.toml`, `.yaml` and `.yml` files, in the order given; a folder's by name."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def stamp(self) -> Stamp:
        """Changes whenever a file is added, removed or written. Raises `InputError` for a path that is not there."""
        found = []
        for path in self._found():
            try:
                stat = path.stat()
            except OSError as why:
                raise InputError(f"this rule file cannot be read: {why.strerror}", str(path)) from why
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)

    def read(self) -> tuple[RuleFile, ...]:
        """Every file, parsed. Raises `InputError` with file, line and column."""
        return tuple(_read(path) for path in self._found())

    def _found(self) -> list[Path]:
        found: list[Path] = []
        for path in self._paths:
            if path.is_dir():
                found += sorted(p for p in path.iterdir() if p.suffix in FORMATS and not p.name.startswith("."))
            elif path.suffix in FORMATS:
                found.append(path)
            else:
                raise InputError(f"a rule file ends in {', '.join(FORMATS)}; or name a folder of them", str(path))
        if len(found) > FILES_MAX:
            raise InputError(f"{len(found)} rule files are more than {FILES_MAX}")
        return found


def _read(path: Path) -> RuleFile:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as why:
        raise InputError(f"this rule file cannot be read: {why.strerror}", str(path)) from why
    except UnicodeDecodeError as why:
        line = raw.count(b"\n", 0, why.start) + 1
        raise InputError("the text is not valid UTF-8", f"{path}, line {line}") from why
    return RuleFile(str(path), text, read_rules_text(text, format=FORMATS[path.suffix], where=str(path)))
