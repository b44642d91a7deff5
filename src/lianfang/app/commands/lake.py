"""`lianfang lake`: the journal as Parquet by day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.infra.lake import Manifest


def build(
    *,
    data: Path | None = None,
    rules: Annotated[list[Path] | None, Parameter(negative=())] = None,
    background: bool = False,
    json: JsonFile = None,
) -> int:
    """Take what is new in the journal into the lake. From where it stopped; safe to kill, safe to repeat.

    Exit status 1 when some of the journal was damaged: what was sound is in the lake, and the damage is told.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    rules
        Rule file or folder; may be repeated. Their features' names are learned too, for decisions of an older version.
    background
        Give way to everything else on the machine.
    json
        Write what was taken in to this file.
    """
    import msgspec

    from lianfang.app.commands.common import EXIT_FAILED, progress, write_json
    from lianfang.app.lake import feature_names, files_of
    from lianfang.app.replay import load_rules
    from lianfang.infra.lake import build as run

    if background:
        _give_way()
    files = files_of(data)
    others = [load_rules([path]) for path in rules or ()]
    with progress() as bar:
        task = bar.add_task("records", total=None)
        names = feature_names(files, *others)
        built = run(files.journal, files.lake, names, lambda done, of: bar.update(task, completed=done, total=of))
    if str(json) != "-":
        print(f"入湖 taken in: {built.decisions:,} 决定 decisions, {built.outcomes:,} 结果 outcomes; {files.lake}")
        for damage in built.damage:
            print(f"损坏 damaged: {damage}")
    write_json(json, msgspec.to_builtins(built))
    return EXIT_FAILED if built.damage else 0


def _give_way() -> None:
    import os

    os.nice(10)


def status(*, data: Path | None = None, json: JsonFile = None) -> int:
    """Say what is in the lake, how far it is behind the journal, and what of the journal could not be read.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    json
        Write it to this file.
    """
    from lianfang.app.commands.common import table, write_json
    from lianfang.app.lake import files_of
    from lianfang.infra.journal.files import read_mark
    from lianfang.infra.lake import reading

    files = files_of(data)
    with reading(files.lake) as manifest:
        found = _state(manifest)
        behind = max((read_mark(files.journal) or 0) - manifest.next_seq + 1, 0)
    found["behind"] = behind
    if str(json) != "-":
        rows = [(f"{_ZH[k]} {k}", f"{v:,}" if type(v) is int else v) for k, v in found.items() if k in _ZH]
        table(f"数据湖 lake in {files.lake}", ("项 what", "值 value"), rows, right=("值 value",))
        for damage in manifest.damage:
            print(f"损坏 damaged: {damage}")
    write_json(json, found)
    return 0


_ZH = {
    "decisions": "决定",
    "outcomes": "结果",
    "days": "天数",
    "first_day": "首日",
    "last_day": "末日",
    "parts": "文件数",
    "bytes": "字节",
    "behind": "未入湖记录",
    "lost": "读不出的记录",
}


def _state(manifest: Manifest) -> dict[str, Any]:
    decisions = manifest.of("decisions")
    days = sorted({part.day for part in manifest.parts})
    return {
        "decisions": sum(part.rows for part in decisions),
        "outcomes": sum(part.rows for part in manifest.of("outcomes")),
        "days": len(days),
        "first_day": days[0].isoformat() if days else None,
        "last_day": days[-1].isoformat() if days else None,
        "parts": len(manifest.parts),
        "bytes": sum(part.bytes for part in manifest.parts),
        "next_seq": manifest.next_seq,
        "lost": manifest.lost,
        "damage": list(manifest.damage),
        "feature_versions": {version: len(names) for version, names in manifest.features.items()},
    }
