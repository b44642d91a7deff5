"""`lianfang train`: a model from a history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.learn.train import Job, Result


def train(
    *,
    on: Annotated[Path, Parameter(name="--on")],
    out: Path,
    features: Path | None = None,
    mapping: Path | None = None,
    name: str | None = None,
    gap: str | None = None,
    label_delay: str | None = None,
    held_out: float = 0.2,
    fraud_weight: float | None = None,
    seed: int = 1,
    by: str = "",
    replace: bool = False,
    json: JsonFile = None,
) -> int:
    """Train a model on a history: features counted as the node counts them, judged once on the last period.

    Writes a model folder: trees, manifest, a report with pictures, model cards in Chinese and English. A bad history and
    inputs that know the answer are refused with rows and reason (docs/tutorials/train-a-model.md).

    Parameters
    ----------
    on
        Parquet, CSV or TSV file, or a folder of Parquet files, with labels.
    out
        The model folder to write; it must not be there yet.
    features
        A recipe (features and inputs) or a rule file or folder, whose features are taken with the standard inputs. Without:
        the recipe beside the mapping, else the node's rules.
    mapping
        How columns become payments. Without: as `lianfang replay` finds it.
    name
        The model's name; without, the folder's.
    gap
        Left out between learning and the held-out period so that labels are known: `7d`. Without: as long as nine tenths of
        the reports took.
    label_delay
        For a history that does not say when labels became known: so long after the payment, `7d`.
    held_out
        Share of the history's length, at its end, that is judged on and never learned from.
    fraud_weight
        What a fraud weighs against a genuine payment; calibration sets the probabilities right again.
    seed
        Of everything random: the same seed gives the same model.
    by
        Who trains it, for the record.
    replace
        Let a model folder that is there already give way.
    json
        Also write periods, figures and thresholds as JSON to this file.
    """
    from lianfang.kernel.errors import ConflictError

    if out.exists() and not replace:
        raise ConflictError(f"{out} is there already; choose another folder, or give --replace", str(out))
    said = {"held_out": held_out, "fraud_weight": fraud_weight, "seed": seed, "by": by}
    _run(_job(on, features, mapping, name or _name(out), gap, label_delay, **said), out, json, replace=replace)
    return 0


def _run(job: Job, out: Path, json: Path | None, *, replace: bool) -> None:
    from lianfang.app.commands.common import progress, write_json
    from lianfang.app.learn.folder import write
    from lianfang.app.learn.train import train as run

    with progress() as bar:
        tasks = {step: bar.add_task(step, total=None) for step in ("count", "choose", "fit")}
        result = run(job, lambda step, done, total: bar.update(tasks[step], completed=done, total=total or None))
    folder = write(result, out, replace=replace)
    _show(result, out, folder.manifest.version)
    write_json(json, as_json(result, folder.manifest.version))


def _job(
    on: Path,
    features: Path | None,
    mapping: Path | None,
    name: str,
    gap: str | None,
    label_delay: str | None,
    **others: Any,
) -> Job:
    from lianfang.app.learn.recipe import find_recipe, is_recipe
    from lianfang.app.learn.train import Job
    from lianfang.app.node.clock import WallClock
    from lianfang.app.replay import Found, find_mapping, load_rules
    from lianfang.infra.history import read_mapping
    from lianfang.kernel.instant import SECOND, seconds_of

    found = Found(read_mapping(mapping), str(mapping), None) if mapping else find_mapping(on)
    ruleset = None if features is not None and is_recipe(features) else load_rules([features] if features else [])
    return Job(
        history=on,
        mapping=found.mapping,
        made=find_recipe(features, found.where, ruleset),
        name=name,
        now=WallClock()(),
        gap=seconds_of(gap) * SECOND if gap else None,
        label_delay=seconds_of(label_delay) * SECOND if label_delay else None,
        **others,
    )


def _name(out: Path) -> str:
    """The folder's name, as a model may be called."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in out.name.lower())
    return kept.lstrip("0123456789_.-")[:64] or "model"


def _show(result: Result, out: Path, version: str) -> None:
    from lianfang.app.commands.common import table
    from lianfang.app.learn.report import kind_rows

    rows = [
        (one.use, f"{one.begins:%Y-%m-%d %H:%M}", f"{one.ends:%Y-%m-%d %H:%M}", f"{one.payments:,}", f"{one.frauds:,}")
        for one in result.periods
    ]
    table("时期 periods", ("use", "from", "until", "payments", "frauds"), rows, right=("payments", "frauds"))
    figures = [(name, f"{value:.4f}") for name, value in result.metrics.items()]
    table("留出期 held out", ("figure", "value"), figures, right=("value",))
    thresholds = [
        (action, aim, f"{at.score:.4f}", f"{at.recall:.1%}", f"{at.false_alarms:.2%}")
        for action, aim, at in result.thresholds
    ]
    columns = ("action", "aim", "score", "recall", "false alarms")
    table("建议阈值 suggested thresholds", columns, thresholds, right=columns[2:])
    if kinds := kind_rows(result):
        shown = [(kind, f"{frauds:,}", f"{recall:.1%}") for kind, frauds, recall in kinds]
        heads = ("kind", "frauds", "recall at 0.3 % false alarms")
        table("各类欺诈 kinds of fraud", heads, shown, right=heads[1:])
    print(f"{result.fitted.rounds} trees, version {version[:12]}, written to {out}; open {out / 'report.html'}")


def as_json(result: Result, version: str) -> dict[str, object]:
    """The figures of a training by names that stay."""
    import msgspec

    from lianfang.app.learn.report import kind_rows

    return {
        "model": result.job.name,
        "version": version,
        "trees": result.fitted.rounds,
        "periods": msgspec.to_builtins(result.periods),
        "metrics": result.metrics,
        "thresholds": [{"action": a, "aim": aim, **at._asdict()} for a, aim, at in result.thresholds],
        "kinds": [{"kind": k, "frauds": n, "recall_at_0.3%": r} for k, n, r in kind_rows(result)],
    }
