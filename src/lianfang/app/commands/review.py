"""`lianfang review`: which rules to look at again, and candidates for new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.learn.reviewing import Review


def review(
    rules: Path,
    /,
    *,
    on: Annotated[Path, Parameter(name="--on")],
    mapping: Path | None = None,
    model: Path | None = None,
    label_delay: str | None = None,
    seed: int = 1,
    out: Path | None = None,
    html: Path | None = None,
    json: JsonFile = None,
) -> int:
    """Review a rule set on a history: rules to retire or tighten, and candidates made of what missed frauds have in common.

    It changes nothing. Candidates are found on the first 60 % of the period and judged on the rest; `--out` writes them as a
    rule file in shadow, for `lianfang draft make`.

    Parameters
    ----------
    rules
        Rule file or folder.
    on
        Parquet, CSV or TSV file, or a folder of Parquet files.
    mapping
        How columns become payments. Without: as `lianfang replay` finds it.
    model
        A model folder, where the node scores by one.
    label_delay
        As in `lianfang backtest`.
    seed
        Of everything random.
    out
        Write the candidates to this rule file (YAML or JSON by its ending).
    html
        Write a page to open in a browser, in Chinese and English.
    json
        Write everything to this file.
    """
    from lianfang.app.commands.backtest import job_of
    from lianfang.app.commands.common import progress, write_json
    from lianfang.app.learn.recipe import of_rules
    from lianfang.app.learn.review_page import page
    from lianfang.app.learn.reviewing import as_json, draft_of
    from lianfang.app.learn.reviewing import review as run

    others = {"label_delay": label_delay, "since": None, "until": None, "minutes": 6.0, "seed": seed}
    job = job_of(rules, on, None, mapping, model, None, **others)
    with progress() as bar:
        task = bar.add_task("review", total=None)
        found = run(job, of_rules(job.rules, str(rules)), lambda rows: bar.update(task, completed=rows))
    if str(json) != "-":
        _show(found)
    if out is not None:
        _write(draft_of(found), out)
    if html is not None:
        html.write_text(page(found), "utf-8")
    write_json(json, as_json(found))
    return 0


def _write(ruleset: object, out: Path) -> None:
    import msgspec
    import yaml

    plain = msgspec.to_builtins(ruleset)
    text = yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)
    out.write_text(msgspec.json.encode(plain).decode() if out.suffix == ".json" else text, "utf-8")


def _show(found: Review) -> None:
    from lianfang.app.commands.common import table

    words = {"retire": "停用 retire?", "tighten": "收紧 tighten?"}
    silent = [one for one in found.proposals if one.hits == 0]
    rows = [(words[one.advice], one.rule, f"{one.zh}; {one.en}") for one in found.proposals if one.hits]
    if silent:
        names = ", ".join(one.rule for one in silent)
        rows.append((words["retire"], f"{len(silent)} rules", f"{silent[0].zh}; {silent[0].en}: {names}"))
    table("建议复核的规则 rules to look at", ("", "rule", "why"), rows)
    candidates = [
        (one.rule.id, one.rule.when, f"{one.caught.value:.1%} of {one.missed:,}", f"{one.false_alarms.value:.3%}",
         f"{one.precision.value:.0%} ({one.precision.low:.0%}–{one.precision.high:.0%})")
        for one in found.candidates
    ]  # fmt: skip
    head = ("candidate", "when", "missed frauds caught", "genuine touched", "precision")
    table("候选规则，以后期数据检验 candidates, judged on the later part", head, candidates)
