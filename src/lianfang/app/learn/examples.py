"""Examples of a rule from payments of a history: what the condition reads, and nothing that names anybody.

Whatever names somebody is replaced by a made-up word, the same for the same value within one rule, so that two fields that
were equal stay so. An example whose truth was in the name itself does not survive that, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from lianfang.app.learn.backtest import Backtest
from lianfang.app.learn.judging import frauds_of
from lianfang.app.replay.run import MEMORY_BYTES, REPLAY_KEY, calm
from lianfang.engines.expr import Environment, check
from lianfang.engines.rules import test_examples as run_examples
from lianfang.engines.rules.examples import DEFAULT_PAYMENT
from lianfang.engines.scoring import NoModel
from lianfang.infra.history import HistoryReport, read_history
from lianfang.infra.lake.views import COARSE, PERSONAL
from lianfang.kernel.instant import Instant, moment
from lianfang.services.decide import LIST_SCHEMA, ListBook, Replayer, hot_path, rule_book
from lianfang.services.decide.facts import HINTS
from lianfang.wire import Example, Feature, Rule, RuleSet, catalogue

IDS_REMEMBERED: Final = 2_097_152
NAMING: Final = PERSONAL | {"id", "corrects"}
"""Fields whose values are replaced."""
FIRES: Final = "from a missed fraud of the history; names made up"
QUIET: Final = "from a genuine payment of the history; names made up"


class Wanted(NamedTuple):
    """A rule, and payments to make its examples of, by the hash of their id: those on which it must fire, and must not."""

    rule: Rule
    fires: tuple[int, ...]
    quiet: tuple[int, ...]


def with_examples(job: Backtest, features: Sequence[Feature], wanted: Sequence[Wanted]) -> list[Rule]:
    """The rules with examples that hold. Reads the history once. `features`: all that the rules' conditions read."""
    if not wanted:
        return []
    env = Environment(features=tuple(one.name for one in features))
    checked = [check(one.rule.when, env) for one in wanted]
    paths = sorted({path for one in checked for path in one.paths})
    found = _rows(job, features, paths, {key for one in wanted for key in (*one.fires, *one.quiet)})
    made = []
    for one, condition in zip(wanted, checked, strict=True):
        names: dict[Any, str] = {}
        examples = [
            _example(found[key], condition.paths, condition.features, names, fires=fires)
            for fires, keys in ((True, one.fires), (False, one.quiet))
            for key in keys
            if key in found
        ]
        made.append(_proven(one.rule, examples, env))
    return made


class _Row(NamedTuple):
    payment: dict[str, Any]
    features: dict[str, float]


def _rows(job: Backtest, features: Sequence[Feature], paths: Sequence[str], keys: set[int]) -> dict[int, _Row]:
    """Fields and features of the payments asked for, counted as the engine counts them."""
    book = rule_book(RuleSet(features=tuple(features)), ListBook(LIST_SCHEMA.empty_table(), REPLAY_KEY, "none"))
    layout = book.layout[: book.layout.index(HINTS)]
    hot = hot_path(book, REPLAY_KEY, memory_bytes=MEMORY_BYTES, ids_remembered=IDS_REMEMBERED)
    replayer = Replayer(book, hot, NoModel())
    names = book.plan.names
    found: dict[int, _Row] = {}
    wanted = list(dict.fromkeys((*layout, *paths, "id", "amount")))
    with calm():
        for batch in read_history(job.history, job.mapping, wanted, report=HistoryReport()):
            columns = batch.columns
            rows = list(zip(*[columns[path] for path in layout], [0] * batch.rows, strict=True))
            values = replayer.read(rows, frauds_of(batch, job.label_delay))
            ids = np.array([hash(one) for one in columns["id"]], np.int64).view(np.uint64).tolist()
            for place, key in enumerate(ids):
                if key in keys and key not in found:
                    known = {n: float(v) for n, v in zip(names, values[place], strict=True) if not np.isnan(v)}
                    found[key] = _Row({path: columns[path][place] for path in paths}, known)
    return found


def _example(
    row: _Row, paths: frozenset[str], features: frozenset[str], names: dict[Any, str], *, fires: bool
) -> Example:
    payment: dict[str, Any] = {}
    for path in sorted(paths):
        _put(payment, path, _shown(path, row.payment[path], names))
    read = {name: row.features[name] for name in sorted(features) if name in row.features}
    return Example(fires=fires, payment=payment, features=read, note=FIRES if fires else QUIET)


def _shown(path: str, value: Any, names: dict[Any, str]) -> Any:
    if value is None:
        return None
    if path in NAMING:
        return names.setdefault(value, f"made-up-{len(names) + 1}")
    if path in COARSE:
        return float(round(value))
    if path == "surroundings":
        return [{"code": code} for code in value]
    if path in catalogue() and catalogue()[path].type == "time":
        return moment(Instant(value)).isoformat()
    if path.startswith("attributes.") and isinstance(value, str):
        return names.setdefault(value, f"made-up-{len(names) + 1}")
    return value


def _put(payment: dict[str, Any], path: str, value: Any) -> None:
    """Null only where an example's payment would otherwise have a value."""
    if path.startswith("attributes."):
        if value is not None:
            payment.setdefault("attributes", {})[path.removeprefix("attributes.").rpartition(":")[0]] = value
        return
    *parents, name = path.split(".")
    default: Any = DEFAULT_PAYMENT
    for parent in (*parents, name):
        default = default.get(parent) if isinstance(default, Mapping) else None
    if value is None and default is None:
        return
    at = payment
    for parent in parents:
        at = at.setdefault(parent, {})
    at[name] = value


def _proven(rule: Rule, examples: Sequence[Example], env: Environment) -> Rule:
    """Only those that do what they say."""
    trial = msgspec.structs.replace(rule, examples=tuple(examples))
    sound = [one.index for one in run_examples([trial], env) if one.ok]
    return msgspec.structs.replace(rule, examples=tuple(examples[i] for i in sound))
