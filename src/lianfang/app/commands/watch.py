"""`lianfang watch`: has the world changed since the rules and the model were made?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.learn.watching import Job, Watched
    from lianfang.services.learn.rates import RateDrift

EPOCH: Final = 719_163
"""Ordinal of 1970-01-01."""


def watch(
    *,
    on: Annotated[Path, Parameter(name="--on")],
    model: Path | None = None,
    features: Path | None = None,
    rules: Path | None = None,
    mapping: Path | None = None,
    recent: str = "7d",
    reference: str = "28d",
    alpha: float = 0.01,
    label_delay: str | None = None,
    html: Path | None = None,
    json: JsonFile = None,
) -> int:
    """Compare a history's last days with those before: inputs, score, hits, actions, what is missing, how late reports come.

    A node's lake is compared as it was decided, unless --model, --features or --rules ask for it to be counted anew.
    Exit status 0 whether or not something changed; the verdicts are in the table and the files.

    Parameters
    ----------
    on
        Parquet, CSV or TSV file, or a folder of Parquet files.
    model
        A model folder: its inputs are looked at, and its score.
    features
        A recipe, rule file or folder whose features are looked at instead. Without both: the node's rules.
    rules
        Rule file or folder whose hits are compared. Without: those of --features, if it is a rule file, or the node's.
    mapping
        How columns become payments. Without: as `lianfang replay` finds it.
    recent
        How much of the history's end is the recent period.
    reference
        How much before it is the reference.
    alpha
        How often chance alone may raise an alarm, over all numbers together.
    label_delay
        For a history that does not say when labels became known: so long after the payment.
    html
        Write the page here.
    json
        Write everything to this file.
    """
    from lianfang.app.commands.common import write_json
    from lianfang.app.learn.watch_page import page
    from lianfang.app.learn.watching import as_json
    from lianfang.infra.lake import is_lake
    from lianfang.kernel.errors import InputError

    if not 0 < alpha < 1:
        raise InputError("alpha is more than 0 and less than 1", "--alpha")
    if is_lake(on) and not (model or features or rules or mapping):
        result = _recorded(on, recent, reference, alpha)
    else:
        result = _counted(_job(on, model, features, rules, mapping, recent, reference, alpha, label_delay))
    if html is not None:
        html.write_text(page(result), "utf-8")
    if str(json) != "-":
        _show(result)
    write_json(json, as_json(result))
    return 0


def _recorded(lake: Path, recent: str, reference: str, alpha: float) -> Watched:
    from lianfang.app.learn.watching import watch_lake
    from lianfang.infra.lake import reading
    from lianfang.kernel.instant import DAY, SECOND, seconds_of

    with reading(lake) as manifest:
        days = [part.day for part in manifest.of("decisions")]
    end = (max(days).toordinal() - EPOCH + 1) * DAY if days else 0
    return watch_lake(lake, seconds_of(recent) * SECOND, seconds_of(reference) * SECOND, end, alpha=alpha)


def _counted(job: Job) -> Watched:
    from lianfang.app.commands.common import progress
    from lianfang.app.learn.watching import watch as run

    with progress() as bar:
        task = bar.add_task("count", total=None)
        return run(job, lambda rows: bar.update(task, completed=rows))


def _job(
    on: Path,
    model: Path | None,
    features: Path | None,
    rules: Path | None,
    mapping: Path | None,
    recent: str,
    reference: str,
    alpha: float,
    label_delay: str | None,
) -> Job:
    from lianfang.app.learn.recipe import find_recipe, ingredients, is_recipe
    from lianfang.app.learn.watching import Job
    from lianfang.app.replay import Found, find_mapping, load_rules
    from lianfang.infra.history import read_mapping
    from lianfang.infra.models import read_model
    from lianfang.kernel.instant import SECOND, seconds_of

    found = Found(read_mapping(mapping), str(mapping), None) if mapping else find_mapping(on)
    folder = read_model(model) if model is not None else None
    ruleset = load_rules([rules]) if rules is not None else None
    if folder is not None:
        made = ingredients(folder.manifest.features, folder.manifest.inputs, str(model))
    else:
        named = features or rules
        own = None if named is not None and is_recipe(named) else load_rules([named] if named else [])
        made = find_recipe(named, found.where, own)
        ruleset = ruleset or own
    return Job(
        on,
        found.mapping,
        made,
        folder,
        seconds_of(recent) * SECOND,
        seconds_of(reference) * SECOND,
        alpha=alpha,
        label_delay=seconds_of(label_delay) * SECOND if label_delay else None,
        rules=ruleset,
    )


def _show(found: Watched) -> None:
    from lianfang.app.commands.common import table
    from lianfang.app.learn.watch_page import said

    shown = found.changed or found.drifts[:5]
    rows = [
        (one.name, said(one, one.name in found.filling), f"{one.psi:.4f}", f"{one.critical:.4f}",
         f"{one.missing_before:.1%} → {one.missing_now:.1%}", f"{one.median_before:g} → {one.median_now:g}")
        for one in shown
    ]  # fmt: skip
    head = ("number", "结论 verdict", "PSI", "chance reaches", "missing", "median")
    table(f"{len(found.changed)} / {len(found.drifts)} 有变化 changed", head, rows, right=("PSI", "chance reaches"))
    if found.actions:
        _show_rates("动作 actions", found.actions, len(found.actions))
        _show_rates(f"命中率 hit rates: {len(found.changed_hits)} / {len(found.hits)} 有变化 changed", found.hits, 10)
    _show_rates("缺失率 missing values", found.missing, 5)
    for name, one in (("参照期 reference", found.before), ("近期 recent", found.now)):
        late = (
            ""
            if one.delay_median_s != one.delay_median_s
            else f", reported after {one.delay_median_s / 3600:.1f} h (median)"
        )
        print(
            f"{name}: {one.payments:,} payments, {one.customers:,} customers, {one.frauds:,} frauds reported{late}, "
            f"{one.unlabelled / max(one.payments, 1):.1%} unlabelled"
        )


def _show_rates(title: str, found: Sequence[RateDrift], most: int) -> None:
    from lianfang.app.commands.common import table
    from lianfang.app.learn.watch_page import VERDICTS, share

    rows = [
        (one.name, " ".join(VERDICTS[one.verdict]), share(one.rate_before), share(one.rate_now), f"{one.chance:.4f}")
        for one in found[:most]
    ]
    table(title, ("", "结论 verdict", "before", "now", "chance"), rows, right=("before", "now", "chance"))
