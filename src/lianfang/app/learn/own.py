"""A node's own reports, of its own lake and the rules it has in force: what the desk writes every week and every month."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from lianfang.app.learn import review_page, watch_page
from lianfang.app.learn.backtest import Backtest
from lianfang.app.learn.recipe import of_rules
from lianfang.app.learn.reviewing import as_json as review_json
from lianfang.app.learn.reviewing import draft_of, review
from lianfang.app.learn.watching import as_json as watch_json
from lianfang.app.learn.watching import enough, watch_lake
from lianfang.app.node.files import NodeFiles
from lianfang.app.replay import named_lists
from lianfang.app.replay.run import REPLAY_KEY
from lianfang.engines.rules import features_of
from lianfang.infra.history import native_mapping
from lianfang.infra.lake import Manifest, is_lake, reading
from lianfang.infra.lake.manifest import write_manifest
from lianfang.infra.published import RULESET, read_if_there
from lianfang.kernel.instant import DAY, Instant, moment
from lianfang.services.decide import LIST_SCHEMA, ListBook
from lianfang.wire import RuleSet, read_ruleset

RECENT: Final = 7 * DAY
REFERENCE: Final = 28 * DAY
REVIEWED_DAYS: Final = 120
"""The review looks at so many of the last days, 30 of which at most only fill the windows ..."""
REVIEWED_ROWS: Final = 2_000_000
"""... and at no more payments than this: it keeps their numbers, some 1 kB each."""
REVIEWED_LEAST: Final = 14
"""Days: of fewer there is nothing to say."""

Texts = dict[str, str]
"""A report's files by their endings; empty where the node is too young for one."""


def own_watch(files: NodeFiles, now: Instant) -> Texts:
    """The last seven days against up to 28 before, as they were decided. Days are whole, by UTC: today's is not in it."""
    until = Instant(now // DAY * DAY)
    reference = enough(files.lake, until, RECENT, REFERENCE) if is_lake(files.lake) else 0
    if not reference:
        return {}
    ruleset = _in_force(files)
    found = watch_lake(files.lake, RECENT, reference, until, features=features_of(ruleset))
    return {"html": watch_page.page(found), "json": _json({"made_at": now, **watch_json(found)})}


def own_review(files: NodeFiles, now: Instant) -> Texts:
    """The rules in force over the last days of the lake. Lists are left out: rules are what is reviewed."""
    ruleset = _in_force(files)
    if not is_lake(files.lake) or not ruleset.rules:
        return {}
    with _last_days(files.lake, moment(now).date()) as lake:
        if lake is None:
            return {}
        job = Backtest(
            rules=ruleset,
            history=lake,
            mapping=native_mapping(),
            lists=ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"),
            now=now,
            known_lists=named_lists(ruleset),
        )
        found = review(job, of_rules(ruleset, "the rules in force"))
    texts = {"html": review_page.page(found), "json": _json({"made_at": now, **review_json(found)})}
    if found.candidates:
        plain = msgspec.to_builtins(draft_of(found))
        texts["candidates.yaml"] = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()  # JSON is YAML
    return texts


def _in_force(files: NodeFiles) -> RuleSet:
    raw = read_if_there(files.published / RULESET)
    return RuleSet() if raw is None else read_ruleset(raw)


def _json(value: dict[str, Any]) -> str:
    from lianfang.app.commands.common import json_text

    return json_text(value)


@contextmanager
def _last_days(lake: Path, today: date) -> Iterator[Path | None]:
    """A lake of the last whole days only: a manifest that names their files, which stay while this lasts. None: too few."""
    with reading(lake) as manifest, TemporaryDirectory(prefix="lianfang-") as folder:
        days = _chosen(manifest, today)
        if len(days) < REVIEWED_LEAST:
            yield None
            return
        root = Path(folder)
        for kind in ("decisions", "outcomes"):
            (root / kind).symlink_to((lake / kind).resolve())
        parts = tuple(p for p in manifest.parts if p.kind == "outcomes" or p.day in days)
        write_manifest(root, msgspec.structs.replace(manifest, parts=parts))
        yield root


def _chosen(manifest: Manifest, today: date) -> set[date]:
    """The latest days before today, as many as may be looked at."""
    rows: dict[date, int] = {}
    for part in manifest.of("decisions"):
        if part.day < today and (today - part.day).days <= REVIEWED_DAYS:
            rows[part.day] = rows.get(part.day, 0) + part.rows
    chosen: set[date] = set()
    total = 0
    for day in sorted(rows, reverse=True):
        total += rows[day]
        if total > REVIEWED_ROWS:
            break
        chosen.add(day)
    return chosen
