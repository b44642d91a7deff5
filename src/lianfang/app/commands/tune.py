"""`lianfang tune`: rule subsets and thresholds for a stated aim, found on one period and judged on a later one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.learn.backtest import Backtest
    from lianfang.app.learn.tune import Tuned
    from lianfang.services.learn.tuning import Limits


def tune(
    rules: Path,
    /,
    *,
    on: Annotated[Path, Parameter(name="--on")],
    out: Path,
    false_alarms: float = 0.003,
    challenges: float = 0.01,
    challenge_worth: float = 0.5,
    split: str | None = None,
    mapping: Path | None = None,
    model: Path | None = None,
    label_delay: str | None = None,
    since: Annotated[str | None, Parameter(name="--from")] = None,
    until: Annotated[str | None, Parameter(name="--to")] = None,
    json: JsonFile = None,
) -> int:
    """Find the rules and thresholds that stop the most money of fraud within limits; report on a later period, never tuned on.

    Rules not taken go to shadow in the draft. The money is of the history's first currency (docs/how-to/backtest.md).

    Parameters
    ----------
    rules
        Rule file or folder to start from.
    on
        Parquet, CSV or TSV file, or a folder of Parquet files, with labels.
    out
        The draft to write: a rule file (.yaml).
    false_alarms
        The most genuine payments that may be held or blocked, as a share of genuine payments.
    challenges
        The most payments that may be challenged, as a share of all.
    challenge_worth
        What a challenge of a fraud counts for, of a stop: how often you think that it stops one. An assumption of yours.
    split
        Tuned before, reported from here on. `2018-07-25`, or a time with its zone. Without: after two thirds of the history.
    mapping
        How columns become payments. Without: as `lianfang replay` finds it.
    model
        A model folder, whose score thresholds are tuned too.
    label_delay
        As of `lianfang backtest`.
    since
        As of `lianfang backtest`.
    until
        As of `lianfang backtest`.
    json
        Also write steps and figures of both periods as JSON to this file.
    """
    from lianfang.app.commands.backtest import job_of
    from lianfang.app.commands.common import write_json
    from lianfang.kernel.errors import InputError
    from lianfang.services.learn.tuning import Limits

    if not all(0 <= share <= 1 for share in (false_alarms, challenges, challenge_worth)):
        raise InputError("limits are shares between 0 and 1", "--false-alarms, --challenges, --challenge-worth")
    if out.suffix not in (".yaml", ".yml"):
        raise InputError("the draft is a .yaml file", "--out")
    said = {"label_delay": label_delay, "since": since, "until": until, "minutes": 6.0, "seed": 1}
    job = job_of(rules, on, None, mapping, model, None, **said)
    found = _run(job, Limits(false_alarms, challenges, challenge_worth), split)
    _write(found, out)
    _show(found)
    print(f"draft written to {out}: look at it, backtest it, then have a second person approve it")
    write_json(json, as_json(found))
    return 0


def _run(job: Backtest, limits: Limits, split: str | None) -> Tuned:
    from lianfang.app.commands.common import instant_of, progress
    from lianfang.app.learn.tune import run

    with progress() as bar:
        tasks = {step: bar.add_task(step, total=None) for step in ("look", "earlier", "later")}
        at = instant_of(split, "--split") if split else None
        return run(
            job,
            limits,
            at,
            lambda step, rows: bar.update(tasks[step], completed=rows),
        )


def as_json(found: Tuned) -> dict[str, Any]:
    """Steps, and the draft against the rules as they were on both periods."""
    from lianfang.app.learn.backtest_figures import as_json as backtest_json

    return {
        "steps": found.steps,
        "searched": found.searched._asdict(),
        "tuned_on": backtest_json(found.earlier),
        "reported_on": backtest_json(found.later),
    }


def _write(found: Tuned, out: Path) -> None:
    import msgspec

    from lianfang.kernel.errors import DependencyError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(msgspec.json.format(msgspec.json.encode(found.draft), indent=2))  # JSON is YAML
    except OSError as why:
        raise DependencyError(f"cannot write {out}: {why.strerror}") from why


def _show(found: Tuned) -> None:
    from lianfang.app.commands.common import table
    from lianfang.app.learn.backtest_report import whole_rows

    earlier, later = whole_rows(found.earlier), whole_rows(found.later)
    heads = ("figure", "tuned on: draft", "before", "later: draft", "before later")
    rows = [(*one, *two[1:]) for one, two in zip(earlier, later, strict=False)]
    table("调参 tuned on one period, reported on a later one", heads, rows, right=heads[1:])
    for step in found.steps:
        print(step)
