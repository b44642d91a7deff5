"""`lianfang lake`: the journal as Parquet by day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.lake.retention import Kept
    from lianfang.infra.lake import Manifest
    from lianfang.infra.lake.retain import Going


def build(
    *,
    data: Path | None = None,
    rules: Annotated[list[Path] | None, Parameter(negative=())] = None,
    compact_days: bool = False,
    background: bool = False,
    json: JsonFile = None,
) -> int:
    """Take what is new in the journal into the lake and the index of `find`. From where it stopped; safe to kill and to repeat.

    Exit status 1 when some of the journal was damaged: what was sound is in the lake, and the damage is told.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    rules
        Rule file or folder; may be repeated. Their features' names are learned too, for decisions of an older version.
    compact_days
        Then compact the days that are over.
    background
        Give way to everything else on the machine.
    json
        Write what was taken in to this file.
    """
    import msgspec

    from lianfang.app.commands.common import EXIT_FAILED, progress, write_json
    from lianfang.app.lake import feature_names, files_of
    from lianfang.app.replay import load_rules
    from lianfang.infra.finding import index
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
    with progress() as bar:
        task = bar.add_task("index", total=None)
        key = files.hash_key()
        indexed = index(files.journal, files.finding, key, lambda done, of: bar.update(task, completed=done, total=of))
    if str(json) != "-":
        print(f"入索引 indexed: {indexed.records:,} 记录 records; {files.finding}")
    if compact_days:
        from lianfang.infra.lake.compact import compact as run_compact

        run_compact(files.lake, before=_today())
    write_json(json, {**msgspec.to_builtins(built), "indexed": msgspec.to_builtins(indexed)})
    return EXIT_FAILED if built.damage else 0


def _give_way() -> None:
    import os

    os.nice(10)


def _today() -> date:
    """By UTC, as days of the lake are."""
    from lianfang.app.node.clock import WallClock
    from lianfang.kernel.instant import moment

    return moment(WallClock()()).date()


def compact(*, data: Path | None = None, json: JsonFile = None) -> int:
    """Make one sorted file of each day's small ones. Safe to kill; readers see every row once, before, during and after.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    json
        Write what was done to this file.
    """
    import msgspec

    from lianfang.app.commands.common import progress, write_json
    from lianfang.app.lake import files_of
    from lianfang.infra.lake.compact import compact as run

    files = files_of(data)
    _must_be(files.lake)
    with progress() as bar:
        task = bar.add_task("days", total=None)
        done = run(files.lake, None, lambda at, of: bar.update(task, completed=at, total=of))
    if str(json) != "-":
        print(
            f"合并 compacted: {done.parts_before} -> {done.parts_after} 文件 files, "
            f"{done.bytes_before / 1e6:,.1f} -> {done.bytes_after / 1e6:,.1f} MB"
        )
    write_json(json, msgspec.to_builtins(done))
    return 0


def retain(
    *,
    data: Path | None = None,
    years: int | None = None,
    law: str | None = None,
    dry_run: bool = False,
    reason: str = "",
    json: JsonFile = None,
) -> int:
    """Let go of the days that are older than they have to be kept: 3 years, or as long as the law asks that binds you.

    Whole days go, for good, and an entry in the node's records says so. Of the index by which decisions are found, whole runs go
    that hold nothing younger. The journal is not touched; which of its segments
    hold nothing younger is told.

    Parameters
    ----------
    data
        The node's folder. Without: that of the settings.
    years
        Keep so many. Never fewer than the law asks for.
    law
        The laws that bind this installation, separated by `:`. Without: the setting `lake_law`.
    dry_run
        Only say what would go.
    reason
        Why, for the record; needed unless --dry-run.
    json
        Write what went, or would, to this file.
    """
    from lianfang.app.commands.common import need_reason, settings, write_json
    from lianfang.app.lake import entry, files_of
    from lianfang.app.lake.retention import kept
    from lianfang.app.node.clock import WallClock
    from lianfang.infra.finding.build import retain as forget
    from lianfang.infra.lake.retain import cutoff_of, going, let_go
    from lianfang.kernel.errors import InputError
    from lianfang.kernel.instant import Instant

    files = files_of(data)
    _must_be(files.lake)
    today = _today()
    if years is not None and years < 1:
        raise InputError("at least one year is kept", "--years")
    keep = kept(settings().lake_law if law is None else law, today, years)
    cutoff = cutoff_of(today, keep.years)
    found = going(files.lake, files.journal, cutoff)
    if not dry_run:
        why = need_reason(reason)
        detail = {"cutoff": cutoff.isoformat(), "years": keep.years, "days": found.days, "rows": found.rows}
        entry(files, "lake.retain", "lake", why, Instant(WallClock()()), detail)
        found, _ = let_go(files.lake, files.journal, cutoff)
        if found.parts and files.finding.is_dir():
            forget(files.finding, max(part.last for part in found.parts) + 1)
    if str(json) != "-":
        _tell(found, keep, dry_run=dry_run)
    body = {
        "years": keep.years,
        "law": keep.law.name if keep.law else None,
        "first_day_kept": cutoff.isoformat(),
        "days": sorted({part.day.isoformat() for part in found.parts}),
        "rows": found.rows,
        "journal_segments": list(found.segments),
        "dry_run": dry_run,
    }
    write_json(json, body)
    return 0


def _tell(found: Going, keep: Kept, *, dry_run: bool) -> None:
    because = f"{keep.law.law.zh} / {keep.law.law.en}" if keep.law else "无法定期限 no law named"
    print(f"保存 kept: {keep.years} 年 years ({because}); {found.cutoff} 起 and later")
    print(f"{'将删除 would go' if dry_run else '已删除 gone'}: {found.days} 天 days, {found.rows:,} 行 rows")
    if found.segments:
        print(f"日志中可移走的段 segments of the journal that hold nothing younger: {', '.join(found.segments)}")


def _must_be(lake: Path) -> None:
    from lianfang.infra.lake import is_lake
    from lianfang.kernel.errors import InputError

    if not is_lake(lake):
        raise InputError("there is no lake here; `lianfang lake build` makes it from the journal", str(lake))


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
    found["unnamed"] = _unnamed(files.lake, manifest)
    if str(json) != "-":
        rows = [(f"{_ZH[k]} {k}", f"{v:,}" if type(v) is int else v) for k, v in found.items() if k in _ZH]
        table(f"数据湖 lake in {files.lake}", ("项 what", "值 value"), rows, right=("值 value",))
        for version, count in found["unnamed"].items():
            print(
                f"特征无名 features without names: version {version}, {count:,} decisions; lake build --rules teaches them"
            )
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


def _unnamed(lake: Path, manifest: Manifest) -> dict[str, int]:
    """Versions of features whose names nobody taught, and how many decisions have numbers under them."""
    from lianfang.infra.lake import Question, asked

    if not manifest.of("decisions"):
        return {}
    sql = "select features_version v, count(*) n from decisions where len(features) > 0 group by v order by v"
    with asked(lake, Question(sql)) as reader:
        rows = reader.read_all().to_pylist()
    return {row["v"]: row["n"] for row in rows if row["v"] not in manifest.features}


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
