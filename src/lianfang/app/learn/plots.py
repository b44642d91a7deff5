"""The report's pictures: what the held-out period says of the model, as SVG."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lianfang.app.learn.train import Judged, Result
from lianfang.app.world.charts import Axis, Series, line_chart
from lianfang.kernel.instant import DAY
from lianfang.services.learn import money_curve, reliability

_SHARE: Final = Axis("占比", "share")
_POINTS: Final = 400
_WEEK: Final = 7 * DAY
IMPORTANCES_SHOWN: Final = 25


def _thin(*lines: NDArray[Any]) -> list[NDArray[np.float64]]:
    """At most `_POINTS` points of a curve, its ends among them."""
    length = len(lines[0])
    if not length:
        return [np.zeros(0)] * len(lines)
    even, early = np.linspace(0, length - 1, _POINTS // 2), np.geomspace(1, length, _POINTS // 2) - 1
    kept = np.unique(np.r_[even, early].astype(np.int64))  # one works at the strict end: more points there
    return [np.asarray(line, np.float64)[kept] for line in lines]


def _ranked(judged: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frauds and genuine payments caught at each distinct margin, strictest first, both cumulated."""
    known = judged.labels >= 0
    order = np.argsort(-judged.margins[known], kind="stable")
    score, fraud = judged.margins[known][order], (judged.labels[known][order] == 1).astype(np.float64)
    ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True]) if len(score) else np.zeros(0, np.int64)
    return np.cumsum(fraud)[ends], np.cumsum(1 - fraud)[ends]


def roc(judged: Judged) -> str:
    """Recall over the share of genuine payments touched, on a logarithmic axis: the left end is where one works."""
    caught, alarms = _ranked(judged)
    if not len(caught) or not caught[-1] or not alarms[-1]:
        return line_chart([], _SHARE, _SHARE, "ROC")
    on = alarms > 0
    x, y = _thin(alarms[on] / alarms[-1], caught[on] / caught[-1])
    chance = np.geomspace(max(float(x[0]), 1e-6), 1, 50)
    series = [Series("模型", "model", x, y), Series("随机", "chance", chance, chance)]
    return line_chart(series, Axis("误报率", "false-alarm rate", log=True), Axis("召回率", "recall"), "ROC")


def precision_recall(judged: Judged) -> str:
    """Precision over recall."""
    caught, alarms = _ranked(judged)
    if not len(caught) or not caught[-1]:
        return line_chart([], _SHARE, _SHARE, "precision and recall")
    x, y = _thin(caught / caught[-1], caught / (caught + alarms))
    return line_chart(
        [Series("模型", "model", x, y)], Axis("召回率", "recall"), Axis("精确率", "precision"), "precision and recall"
    )


def calibration(judged: Judged) -> str:
    """What the model said and what it was, frauds in equal groups."""
    known = judged.labels >= 0
    found = reliability(judged.chances[known], judged.labels[known])
    if not len(found.said):
        return line_chart([], _SHARE, _SHARE, "calibration")
    low = max(min(float(found.said.min()), float(found.was[found.was > 0].min())), 1e-6)
    ideal = np.geomspace(low, 1, 20)
    order = np.argsort(found.said)
    series = [Series("模型", "model", found.said[order], found.was[order]), Series("理想", "ideal", ideal, ideal)]
    return line_chart(series, Axis("所称概率", "said", log=True), Axis("实际占比", "was", log=True), "calibration")


def by_week(result: Result) -> str:
    """Mean probability and share of fraud, week by week of the held-out period."""
    weeks = weekly(result)
    x = np.arange(1, len(weeks) + 1, dtype=np.float64)
    said, was = np.array([w[2] for w in weeks]), np.array([w[3] for w in weeks])
    series = [Series("平均分数", "mean score", x, said), Series("欺诈占比", "share of fraud", x, was)]
    return line_chart(series, Axis("留出期第几周", "week of the held-out period"), _SHARE, "score by week")


def weekly(result: Result) -> list[tuple[int, int, float, float]]:
    """(begins, payments, mean probability, share of fraud) of each week that has payments."""
    judged, times = result.judged, result.matrix.times[result.judged.rows]
    week = (times - result.split.held_out.begins) // _WEEK
    made = []
    for w in np.unique(week):
        on = (week == w) & (judged.labels >= 0)
        if on.any():
            begins = result.split.held_out.begins + int(w) * _WEEK
            made.append((begins, int(on.sum()), float(judged.chances[on].mean()), float(judged.labels[on].mean())))
    return made


def money(result: Result) -> str:
    """Money of fraud stopped, and genuine money touched, along all thresholds."""
    judged = result.judged
    curve = money_curve(judged.margins, judged.labels, result.matrix.amounts[judged.rows])
    x, stopped, wrongly = _thin(curve.false_alarms, curve.stopped, curve.wrongly)
    series = [Series("拦下的欺诈金额", "money of fraud", x, stopped), Series("误拦金额", "genuine money", x, wrongly)]
    axis = Axis("误报率", "false-alarm rate", log=True)
    return line_chart(series, axis, _SHARE, "money")


def importances(result: Result) -> str:
    """Bars: each input's share of what the trees gained."""
    gains = result.fitted.gains
    total = max(float(gains.sum()), 1e-12)
    rows = []
    for i in np.argsort(-gains, kind="stable")[:IMPORTANCES_SHOWN].tolist():
        one, share = result.job.made.inputs[i], gains[i] / total
        words = escape(f"{one.zh or one.name} {one.en}")
        rect = f'<rect width="{share * 100:.2f}" height="10"/>'
        bar = f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none">{rect}</svg>'
        rows.append(f"<tr><td>{words}<br><code>{escape(one.name)}</code></td><td>{bar}</td><td>{share:.1%}</td></tr>")
    return f'<table class="gains">{"".join(rows)}</table>'
