"""The order of a training: check, split, choose the number of trees, fit, calibrate, choose thresholds, judge once, write."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.matrix import Matrix, label_columns, read_matrix
from lianfang.app.learn.recipe import Ingredients, recipe_bytes
from lianfang.engines.evaluate import (
    CARDS_A_DAY,
    FALSE_ALARM_RATES,
    auc,
    average_precision,
    card_precision_at,
    recall_at_false_alarm_rates,
)
from lianfang.infra.history import NEVER, Mapping, history_rows
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import DAY, SECOND, moment
from lianfang.services.learn import (
    SETTINGS,
    Calibrator,
    Curve,
    Fitted,
    Reached,
    RefusedHistoryError,
    Span,
    Split,
    balanced_weight,
    best_rounds,
    brier,
    calibrate,
    check_history,
    fit_trees,
    known_labels,
    label_delay,
    reached,
    refuse_label_columns,
    refuse_leaks,
    sampled,
    split_history,
    threshold_for,
)
from lianfang.wire import Input, Isotonic, Model, Period, Platt, Threshold, Trained
from lianfang.wire.decision import Action

WARM_SHARE: Final = 0.1
"""The first share of a history only fills the windows ..."""
WARM_MAX: Final = 30 * DAY
"""... but no more than this."""
AIMS: Final[tuple[tuple[Action, float], ...]] = (("challenge", 0.01), ("hold", 0.003))
"""Suggested thresholds: the action, and the share of genuine payments it may touch on the period they are chosen on."""
Progress = Callable[[str, int, int], None]
"""Told a step's name, how far it is, and how far it goes."""


@dataclass(frozen=True)
class Job:
    """What to train. Times are instants; `gap` in microseconds, None: found from when the labels became known."""

    history: Path
    mapping: Mapping
    made: Ingredients
    name: str
    now: int
    gap: int | None = None
    label_delay: int | None = None
    """Microseconds after a payment at which its label counts as known, for a history that does not say."""
    held_out: float = 0.2
    fraud_weight: float | None = None
    """None: `balanced_weight`."""
    seed: int = 1
    by: str = ""


class Judged(NamedTuple):
    """The held-out period: rows of the matrix, and what the model said of them."""

    rows: NDArray[np.int64]
    margins: NDArray[np.float64]
    chances: NDArray[np.float64]
    labels: NDArray[np.int8]
    """As the history has them in the end."""


class Result(NamedTuple):
    """Everything that the report and the folder are written from."""

    job: Job
    matrix: Matrix
    split: Split
    periods: tuple[Period, ...]
    fitted: Fitted
    calibrator: Calibrator
    judged: Judged
    thresholds: tuple[tuple[Action, str, Reached], ...]
    """Action, aim, and what it reached on the held-out period."""
    metrics: dict[str, float]
    model: Model


def train(job: Job, progress: Progress = lambda what, done, total: None) -> Result:
    """Raises `InputError` for a history or inputs that must not be learned from, saying which rows and why."""
    refuse_label_columns(
        {path: source.column for path, source in job.mapping.payment.items() if source.column},
        label_columns(job.mapping),
    )
    matrix = _checked(job, _counted(job, progress))
    split = _split(job, matrix)
    known = known_labels(matrix.labels, matrix.known_at, matrix.times, split.made_at, split.gap)
    spans = (("train", split.fit), ("choose", split.choose), ("calibrate", split.calibrate))
    before = np.concatenate([span.rows(matrix.times) for _, span in spans])
    for labels in (matrix.labels, known):  # an input may know what nobody knew then
        refuse_leaks(matrix.names, matrix.columns[before], labels[before])
    fitted = _fit(job, matrix, split, known, progress)
    held = split.held_out.rows(matrix.times)
    place = split.calibrate.rows(matrix.times)
    place = place[known[place] >= 0]
    margins = fitted.margins(matrix.columns[place])
    calibrator = calibrate(margins, known[place])
    chosen = [(action, share, threshold_for(calibrator(margins), known[place], share)) for action, share in AIMS]
    margins = fitted.margins(matrix.columns[held])
    judged = Judged(held, margins, calibrator(margins), matrix.labels[held])
    refuse_leaks(matrix.names, matrix.columns[held], judged.labels)
    metrics = _metrics(matrix, judged)
    periods = [_period(use, span, matrix.times, known) for use, span in spans]
    periods.append(_period("held-out", split.held_out, matrix.times, matrix.labels))
    thresholds = tuple(
        (action, f"false alarms <= {share:.1%}", reached(judged.chances, judged.labels, at.score))
        for action, share, at in chosen
    )
    result = Result(job, matrix, split, tuple(periods), fitted, calibrator, judged, thresholds, metrics, _NO_MODEL)
    return result._replace(model=_manifest(result))


def _counted(job: Job, progress: Progress) -> Matrix:
    total = history_rows(job.history)
    return read_matrix(
        job.history,
        job.mapping,
        job.made,
        lambda rows: progress("count", rows, total),
        label_delay=job.label_delay,
    )


def _checked(job: Job, matrix: Matrix) -> Matrix:
    if not matrix.dated and (matrix.labels >= 0).any():
        raise InputError(
            "the history does not say when its labels became known, so nothing keeps the model from being told too early; "
            "give `known_at` or `known_after` in the mapping, or --label-delay 7d",
            str(job.history),
        )
    found = check_history(matrix.ids, matrix.times, matrix.amounts, matrix.labels, matrix.known_at, job.now)
    if found:
        raise RefusedHistoryError(found, str(job.history))
    return matrix


def _split(job: Job, matrix: Matrix) -> Split:
    begins, ends = int(matrix.times[0]), int(matrix.times[-1]) + 1
    begins += min(int((ends - begins) * WARM_SHARE), WARM_MAX)
    gap = job.gap if job.gap is not None else label_delay(matrix.labels, matrix.known_at, matrix.times, NEVER)
    return split_history(begins, ends, gap, job.held_out)


def _fit(job: Job, matrix: Matrix, split: Split, known: NDArray[np.int8], progress: Progress) -> Fitted:
    """The number of trees is found on the second period; then both periods are learned from with that number."""
    columns, times, names = matrix.columns, matrix.times, matrix.names
    fit, choose = split.fit.rows(times), split.choose.rows(times)
    weight = balanced_weight(known[fit]) if job.fraud_weight is None else job.fraud_weight
    rows, weights = sampled(known[fit], job.seed, fraud_weight=weight)
    rows = fit[rows]
    later = choose[known[choose] >= 0]
    rounds = best_rounds(
        names,
        (columns[rows], known[rows], weights),
        (columns[later], known[later]),
        seed=job.seed,
        progress=lambda done: progress("choose", done, 0),
    )
    both = np.concatenate([fit, choose])
    rows, weights = sampled(known[both], job.seed, fraud_weight=weight)
    rows = both[rows]
    return fit_trees(
        names,
        columns[rows],
        known[rows],
        weights,
        rounds,
        seed=job.seed,
        progress=lambda done: progress("fit", done, rounds),
    )


def _metrics(matrix: Matrix, judged: Judged) -> dict[str, float]:
    labels, margins = judged.labels, judged.margins
    known = labels >= 0
    found = {
        "auc": auc(margins, labels),
        "average_precision": average_precision(margins, labels),
        "brier": brier(judged.chances[known], labels[known]),
    }
    for rate, recall in recall_at_false_alarm_rates(margins, labels, FALSE_ALARM_RATES).items():
        found[f"recall_at_{rate:.1%}"] = recall
    customers = matrix.customers[judged.rows]
    on = customers >= 0
    if on.any():
        days = matrix.times[judged.rows] // DAY
        found[f"card_precision_at_{CARDS_A_DAY}"] = card_precision_at(margins[on], labels[on], days[on], customers[on])
    return {name: value for name, value in found.items() if value == value}


def _period(use: Any, span: Span, times: NDArray[np.int64], labels: NDArray[np.int8]) -> Period:
    rows = span.rows(times)
    frauds = int((labels[rows] == 1).sum())
    return Period(use=use, begins=moment(span.begins), ends=moment(span.ends), payments=len(rows), frauds=frauds)


_NO_MODEL: Final[Any] = None


def _manifest(result: Result) -> Model:
    job, calibrator = result.job, result.calibrator
    usual = np.nan_to_num(np.nanmedian(_some(result.matrix.columns), axis=0)).tolist()
    inputs = tuple(_with_usual(one, value) for one, value in zip(job.made.inputs, usual, strict=True))
    calibration = (
        Isotonic(x=tuple(calibrator.x.tolist()), y=tuple(calibrator.y.tolist()))
        if isinstance(calibrator, Curve)
        else Platt(a=calibrator.a, b=calibrator.b)
    )
    return Model(
        name=job.name,
        kind="lightgbm",
        features=job.made.features,
        inputs=inputs,
        calibration=calibration,
        trained=Trained(
            created_at=moment(job.now),
            by=job.by,
            periods=result.periods,
            gap_s=result.split.gap / SECOND,
            metrics=result.metrics,
            data=fingerprint(result.matrix, job.made),
            settings=_settings(result),
        ),
        thresholds=tuple(
            Threshold(
                action=action,
                score=at.score,
                aim=aim,
                recall=None if at.recall != at.recall else at.recall,
                false_alarms=None if at.false_alarms != at.false_alarms else at.false_alarms,
            )
            for action, aim, at in result.thresholds
            if 0 <= at.score <= 1
        ),
    )


def _settings(result: Result) -> dict[str, float | bool | str]:
    """Numbers as floats, as they will be read again: a version is a hash of how they are written."""
    given = dict(SETTINGS) | {"rounds": result.fitted.rounds, "seed": result.job.seed}
    return {name: value if isinstance(value, bool | str) else float(value) for name, value in given.items()}


def _some(columns: NDArray[np.float64], most: int = 200_000) -> NDArray[np.float64]:
    """Rows evenly over the history; a column without a value gets one NaN-free row of zeros, so that medians never warn."""
    picked = columns[:: max(len(columns) // most, 1)].copy()
    empty = np.isnan(picked).all(axis=0)
    picked[0, empty] = 0
    return picked


def _with_usual(one: Input, usual: float) -> Input:
    return Input(
        name=one.name,
        define=one.define,
        zh=one.zh,
        en=one.en,
        high=one.high,
        low=one.low,
        missing=one.missing,
        usual=usual,
    )


def fingerprint(matrix: Matrix, made: Ingredients) -> str:
    """SHA-256 over what was learned from: times, amounts, labels, when they became known, and the ingredients."""
    digest = hashlib.sha256(recipe_bytes(made))
    for array in (matrix.times, matrix.amounts, matrix.labels, matrix.known_at):
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"
