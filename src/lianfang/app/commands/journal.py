"""`lianfang journal`: read a journal, living or not. Never writes to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lianfang.app.commands.common import JsonFile


def _folder(journal: Path | None) -> Path:
    from lianfang.app.commands.common import settings
    from lianfang.app.node.files import NodeFiles

    return journal if journal is not None else NodeFiles(Path(settings().data_dir)).journal


def verify(*, journal: Path | None = None, json: JsonFile = None) -> int:
    """Read every record, check every checksum, and count. Exit status 1 when something is damaged.

    Parameters
    ----------
    journal
        The journal's folder. Without: that of the node the settings name.
    json
        Write what was found to this file.
    """
    import msgspec

    from lianfang.app.commands.common import EXIT_FAILED, progress, table, write_json
    from lianfang.infra.journal import verify as read_all
    from lianfang.kernel.instant import moment

    folder = _folder(journal)
    with progress() as bar:
        task = bar.add_task("segments", total=None)
        report = read_all(folder, lambda done, of: bar.update(task, completed=done, total=of))
    found = {**msgspec.structs.asdict(report), "damaged": [str(d) for d in report.damaged], "sound": report.sound}
    shown = {
        k: moment(v).isoformat() if k in ("first_at", "last_at") and v is not None else v for k, v in found.items()
    }
    if str(json) != "-":
        rows = [(k, f"{v:,}" if type(v) is int else v) for k, v in shown.items() if k != "damaged"]
        table(f"journal in {folder}", ("what", "value"), rows, right=("value",))
        for damage in report.damaged:
            print(f"damaged: {damage}")
        if report.torn_bytes:
            print(f"torn: the last {report.torn_bytes} bytes are no record; the node cuts them at its next start")
    write_json(json, shown)
    return EXIT_FAILED if report.damaged else 0


def export(out: Path, /, *, journal: Path | None = None, json: JsonFile = None, skip_damage: bool = False) -> int:
    """Write the journal as Parquet: `decisions.parquet` and `outcomes.parquet` in the folder OUT.

    Parameters
    ----------
    out
        Folder to write to.
    journal
        The journal's folder. Without: that of the node the settings name.
    json
        Write the counts to this file.
    skip_damage
        Step over damaged bytes and say so, instead of stopping.
    """
    from lianfang.app.commands.common import progress, write_json
    from lianfang.infra.journal.export import export_parquet
    from lianfang.infra.journal.reader import refuse_damage

    damaged: list[str] = []
    with progress() as bar:
        task = bar.add_task("records", total=None)
        done = export_parquet(
            _folder(journal),
            out,
            lambda at, of: bar.update(task, completed=at, total=of),
            (lambda damage: damaged.append(str(damage))) if skip_damage else refuse_damage,
        )
    for damage in damaged:
        print(f"skipped: {damage}")
    print(f"{done.decisions:,} decisions and {done.outcomes:,} outcomes written to {out}")
    write_json(json, {"decisions": done.decisions, "outcomes": done.outcomes, "skipped": damaged})
    return 0


def show(seq: int | None = None, /, *, last: int = 10, journal: Path | None = None, json: JsonFile = None) -> int:
    """Show one record, or the last ones.

    Parameters
    ----------
    seq
        The record's number.
    last
        Without a number: how many of the newest.
    journal
        The journal's folder. Without: that of the node the settings name.
    json
        Write the records to this file.
    """
    from collections import deque
    from itertools import islice

    from lianfang.app.commands.common import write_json
    from lianfang.infra.journal import scan
    from lianfang.kernel.errors import InputError

    if last < 1:
        raise InputError("at least one record is shown", "--last")
    folder = _folder(journal)
    if seq is None:
        newest = 0
        for record in scan(folder):
            newest = record.seq
        found = list(deque(scan(folder, max(newest - last + 1, 0)), last))
    else:
        found = [record for record in islice(scan(folder, seq), 1) if record.seq == seq]
        if not found:
            raise InputError(f"the journal in {folder} has no record {seq}")
    records = [_plain(record) for record in found]
    if str(json) != "-":
        _print(records)
    write_json(json, records)
    return 0


def _plain(record: Any) -> dict[str, Any]:
    import json as text
    import math

    from lianfang.infra.journal import DECISION, OUTCOME
    from lianfang.infra.journal.export import float64s
    from lianfang.kernel.instant import moment

    kind = {DECISION: "decision", OUTCOME: "outcome"}.get(record.kind, "note")
    plain: dict[str, Any] = {"seq": record.seq, "kind": kind, "at": moment(record.at).isoformat()}
    if kind == "decision":
        plain |= {"payment": text.loads(record.parts[0]), "decision": text.loads(record.parts[1])}
        plain["features"] = (
            [None if math.isnan(v) else v for v in float64s(record.parts[2])] if len(record.parts) > 2 else []
        )
    else:
        plain["parts"] = [part.decode("utf-8", "replace") for part in record.parts]
    return plain


def _print(records: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.pretty import Pretty

    on = Console()
    for record in records:
        on.print(f"[bold]{record['seq']}[/bold] {record['kind']} {record['at']}", highlight=False)
        on.print(Pretty({k: v for k, v in record.items() if k not in ("seq", "kind", "at")}))
