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

TRIALS_MAX = 1_000


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
    parameter: Annotated[list[str] | None, Parameter(negative=())] = None,
    trials: int = 60,
    label_delay: str | None = None,
    since: Annotated[str | None, Parameter(name="--from")] = None,
    until: Annotated[str | None, Parameter(name="--to")] = None,
    html: Path | None = None,
    json: JsonFile = None,
) -> int:
    """Find the rules and thresholds that stop the most money of fraud within limits; report on a later period, never tuned on.

    Rules not taken go to shadow. Money is of the history's first currency (docs/how-to/backtest.md).

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
    parameter
        A named parameter that may move: `name=low:high`, or `name` for half to twice its value, or `all`; may be repeated.
    trials
        The most values of parameters that are tried in all.
    label_delay
        As of `lianfang backtest`.
    since
        As of `lianfang backtest`.
    until
        As of `lianfang backtest`.
    html
        Write a page to open in a browser, in Chinese and English.
    json
        Also write steps and figures of both periods as JSON to this file.
    """
    from lianfang.app.commands.backtest import job_of
    from lianfang.app.commands.common import write_json

    limits = _limits(false_alarms, challenges, challenge_worth, trials, out)
    said = {"label_delay": label_delay, "since": since, "until": until, "minutes": 6.0, "seed": 1}
    found = _run(job_of(rules, on, None, mapping, model, None, **said), limits, split, tuple(parameter or ()), trials)
    _write(found, out, html, limits)
    _show(found, out)
    write_json(json, as_json(found))
    return 0


def _limits(false_alarms: float, challenges: float, worth: float, trials: int, out: Path) -> Limits:
    """What may be asked for. Raises `InputError` naming the option."""
    from lianfang.kernel.errors import InputError
    from lianfang.services.learn.tuning import Limits

    if not all(0 <= share <= 1 for share in (false_alarms, challenges, worth)):
        raise InputError("limits are shares between 0 and 1", "--false-alarms, --challenges, --challenge-worth")
    if out.suffix not in (".yaml", ".yml"):
        raise InputError("the draft is a .yaml file", "--out")
    if not 0 < trials <= TRIALS_MAX:
        raise InputError(f"from 1 to {TRIALS_MAX} values", "--trials")
    return Limits(false_alarms, challenges, worth)


def _run(job: Backtest, limits: Limits, split: str | None, parameters: tuple[str, ...], trials: int) -> Tuned:
    from lianfang.app.commands.common import instant_of, progress
    from lianfang.app.learn.tune import Parameters, run

    with progress() as bar:
        tasks = {step: bar.add_task(step, total=None) for step in ("values", "look", "earlier", "later")}
        at = instant_of(split, "--split") if split else None
        return run(
            job,
            limits,
            at,
            lambda step, rows: bar.update(tasks[step], completed=rows),
            Parameters(parameters, trials),
        )


def as_json(found: Tuned) -> dict[str, Any]:
    """Steps, and the draft against the rules as they were on both periods."""
    from lianfang.app.learn.backtest_figures import as_json as backtest_json

    return {
        "steps": found.steps,
        "parameters": [
            {
                "name": one.parameter.name,
                "before": one.parameter.value,
                "after": one.value,
                "low": one.bounds.low,
                "high": one.bounds.high,
                "tried": one.tried,
            }
            for one in found.parameters
        ],
        "examples_broken": list(found.examples),
        "searched": found.searched._asdict(),
        "tuned_on": backtest_json(found.earlier),
        "reported_on": backtest_json(found.later),
    }


def _write(found: Tuned, out: Path, html: Path | None, limits: Limits) -> None:
    import msgspec

    from lianfang.app.learn.tune_page import page, parameters_toml
    from lianfang.app.node.clock import WallClock
    from lianfang.kernel.errors import DependencyError
    from lianfang.kernel.instant import Instant, moment

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(msgspec.json.format(msgspec.json.encode(found.draft), indent=2))  # JSON is YAML
        if found.moved:
            beside = out.with_suffix(".parameters.toml")
            beside.write_text(parameters_toml(found, moment(Instant(WallClock()())).date()), "utf-8")
            print(f"new values written to {beside}: `lianfang draft make --parameters {beside}`")
        if html is not None:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(page(found, limits), "utf-8")
    except OSError as why:
        raise DependencyError(f"cannot write {out}: {why.strerror}") from why


def _show(found: Tuned, out: Path) -> None:
    from lianfang.app.commands.common import table
    from lianfang.app.learn.backtest_report import whole_rows

    earlier, later = whole_rows(found.earlier), whole_rows(found.later)
    heads = ("figure", "tuned on: draft", "before", "later: draft", "before later")
    rows = [(*one, *two[1:]) for one, two in zip(earlier, later, strict=False)]
    table("调参 tuned on one period, reported on a later one", heads, rows, right=heads[1:])
    if found.parameters:
        moved = [
            (one.parameter.name, one.parameter.value, one.value, f"{one.bounds.low:g} – {one.bounds.high:g}", one.tried)
            for one in found.parameters
        ]
        table("参数 parameters", ("parameter", "before", "after", "bounds", "tried"), moved, right=("before", "after"))
    if found.examples:
        print(f"样例不再成立 examples that no longer hold, look at these rules: {', '.join(found.examples)}")
    for step in found.steps:
        print(step)
    print(f"draft written to {out}: look at it, backtest it, then have a second person approve it")
