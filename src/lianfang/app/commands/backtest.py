"""`lianfang backtest`: what a rule set would have done with a history, rule by rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.learn.backtest import Backtest
    from lianfang.app.learn.backtest_figures import Figures

RULES_SHOWN = 25


def backtest(
    rules: Path,
    /,
    *,
    on: Annotated[Path, Parameter(name="--on")],
    against: Path | None = None,
    mapping: Path | None = None,
    model: Path | None = None,
    lists: Annotated[list[Path] | None, Parameter(negative=())] = None,
    list_name: Annotated[list[str] | None, Parameter(negative=())] = None,
    label_delay: str | None = None,
    since: Annotated[str | None, Parameter(name="--from")] = None,
    until: Annotated[str | None, Parameter(name="--to")] = None,
    minutes: float = 6.0,
    seed: int = 1,
    json: JsonFile = None,
    html: Path | None = None,
) -> int:
    """Judge rules by a history: what each caught, wrongly touched and cost, and what would change against another set.

    Actions are those that the node would have given, by the same engine. Labels are those known at the end of the period; what
    is not known by then is in no share (docs/how-to/backtest.md).

    Parameters
    ----------
    rules
        Rule file or folder.
    on
        Parquet, CSV or TSV file, or a folder of Parquet files.
    against
        The rule file or folder in force now: what changes is counted, with payments to open.
    mapping
        How columns become payments. Without: as `lianfang replay` finds it.
    model
        A model folder: its score is given to the policy and to rules, as the node would.
    lists
        List entries, JSONL or CSV; may be repeated.
    list_name
        A list that may have no entries, so that rules can name it; may be repeated.
    label_delay
        So long after a payment that nobody reported it counts as genuine: `7d`. For a history that does not say when labels
        became known, they are known so long after the payment. Without: as long as nine tenths of the reports took.
    since
        Earlier payments only fill the windows. `2018-07-25`, or a time with its zone. Without: after the first tenth of the
        history, at most 30 days.
    until
        Payments from here on are left out, and labels that became known later are not used.
    minutes
        What an analyst takes for a payment that is held or blocked.
    seed
        Of the draws behind the intervals of money.
    json
        Write all figures to this file; `-` for standard output, and no tables.
    html
        Write a report to open in a browser, in Chinese and English.
    """
    said = {"label_delay": label_delay, "since": since, "until": until, "minutes": minutes, "seed": seed}
    job = job_of(rules, on, against, mapping, model, lists, names=list_name, **said)
    found = _run(job)
    if str(json) != "-":
        show(found)
    _write(found, json, html)
    return 0


def job_of(
    rules: Path,
    on: Path,
    against: Path | None,
    mapping: Path | None,
    model: Path | None,
    lists: list[Path] | None,
    **said: Any,
) -> Backtest:
    """The job that the options ask for. Raises `InputError` naming the option that is wrong."""
    from lianfang.app.commands.common import instant_of
    from lianfang.app.learn.backtest import Backtest
    from lianfang.app.node.clock import WallClock
    from lianfang.app.replay import find_mapping, load_lists, load_rules, named_lists
    from lianfang.app.replay.run import FOREVER, REPLAY_KEY
    from lianfang.engines.scoring import NoModel, TrainedModel
    from lianfang.infra.history import read_mapping
    from lianfang.infra.models import read_model
    from lianfang.kernel.errors import InputError
    from lianfang.kernel.instant import SECOND, seconds_of
    from lianfang.services.decide import ListBook, list_table, version_of

    if not 0 <= said["minutes"] <= 1_440:
        raise InputError("an alert takes 0 to 1,440 minutes", "--minutes")
    folder = read_model(model) if model is not None else None
    ruleset, current = load_rules([rules]), load_rules([against]) if against is not None else None
    entries = load_lists(lists or [])
    delay, since, until = said["label_delay"], said["since"], said["until"]
    return Backtest(
        rules=ruleset,
        history=on,
        mapping=read_mapping(mapping) if mapping else find_mapping(on).mapping,
        lists=ListBook(list_table(entries), REPLAY_KEY, version_of(sorted({e.list for e in entries}))),
        now=WallClock()(),
        known_lists=tuple(
            {
                *(said.get("names") or ()),
                *(n for one in (ruleset, current) if one is not None for n in named_lists(one)),
            }
        ),
        current=current,
        scorer=NoModel() if folder is None else TrainedModel(folder.manifest, folder.trees),
        label_delay=seconds_of(delay) * SECOND if delay else None,
        since=instant_of(since, "--from") if since else None,
        until=instant_of(until, "--to") if until else FOREVER,
        minutes=said["minutes"],
        seed=said["seed"],
    )


def _run(job: Backtest) -> Figures:
    from lianfang.app.commands.common import progress
    from lianfang.app.learn.backtest import backtest as run
    from lianfang.app.learn.backtest_figures import figures
    from lianfang.infra.history import history_rows

    with progress() as bar:
        task = bar.add_task("backtest", total=history_rows(job.history))
        return figures(run(job, lambda rows: bar.update(task, completed=rows)))


def _write(found: Figures, json: Path | None, html: Path | None) -> None:
    from lianfang.app.commands.common import write_json
    from lianfang.app.learn.backtest_figures import as_json
    from lianfang.app.learn.backtest_report import page
    from lianfang.kernel.errors import DependencyError

    write_json(json, as_json(found))
    if html is not None:
        try:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(page(found), "utf-8")
        except OSError as why:
            raise DependencyError(f"cannot write {html}: {why.strerror}") from why
        print(f"report written to {html}")


def show(found: Figures) -> None:
    """The figures as short tables."""
    from lianfang.app.commands.common import table
    from lianfang.app.learn.backtest_report import change_rows, item_rows, sample_rows, whole_rows

    one = found.outcome
    heads: tuple[str, ...] = ("figure", "rules") if len(one.sides) == 1 else ("figure", "rules", "current")
    table("规则集 the rule set", heads, whole_rows(found), right=heads[1:])
    money = f"{' '.join(one.currencies)} thousands"
    heads = ("rule", "hits", "precision", "recall", "false alarms", "stopped", "wrongly", "hours", "alone")
    rows = item_rows(found)
    table(f"各规则 rule by rule (stopped, wrongly: {money})", heads, rows[:RULES_SHOWN], right=heads[1:])
    if len(rows) > RULES_SHOWN:
        print(f"and {len(rows) - RULES_SHOWN} more, in --json and --html")
    if one.comparison is not None:
        heads = ("change", "frauds", "genuine", "unknown", "money of frauds", "genuine money")
        table("变化 what changes", heads, change_rows(found), right=heads[1:])
        shown = [row for row in sample_rows(found) if row[0] in ("newly_stopped", "newly_let_through")][:10]
        heads = ("change", "id", "label", "before", "after", "amount", "why")
        table("样本 payments to open", heads, shown)
    print(f"{one.rows:,} payments in {one.seconds:.1f} s")
