"""The training report: one HTML page in both languages, pictures inside, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import numpy as np

from lianfang.app.learn import plots
from lianfang.app.learn.train import Result
from lianfang.kernel.instant import DAY, moment
from lianfang.services.learn import Curve, reached

STYLE: Final = """body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:1290px;margin:2em auto;padding:0 1em}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:1.2em}
figure{margin:0;border:1px solid #ddd;padding:.6em}
svg{width:100%;height:auto;font-size:12px}svg text{fill:#444}.axis{stroke:#444}.grid{stroke:#e6e6e6}
table{border-collapse:collapse;margin:.6em 0}td,th{border-bottom:1px solid #ddd;padding:.2em .7em;text-align:right}
td:first-child,th:first-child{text-align:left}.small{color:#555;font-size:13px}code{font-size:12px;color:#666}
.gains td:nth-child(2){width:260px}svg.bar{height:12px;width:260px}.bar rect{fill:#1b6ca8}"""
_HELD_OUT: Final = (
    "下列图表与数字均来自留出期，模型及一切选择均未见过它。 "
    "All pictures and figures below are of the held-out period, which neither the model nor any choice has seen. "
    "欺诈以最终结果为准；学习与校准只能用当时已知的结果，所以从未报告的欺诈会使所称概率偏低。 "
    "Fraud is what it turned out to be in the end; learning and calibration knew only what was known then, so fraud that nobody "
    "reported makes the probabilities said too low."
)
USES: Final = {
    "train": ("学习", "learned from"),
    "choose": ("选树的数目", "number of trees chosen on"),
    "calibrate": ("校准与阈值", "calibrated, thresholds chosen"),
    "held-out": ("留出: 只用一次，用于本报告", "held out: used once, for this report"),
}
METRICS: Final = {
    "auc": ("AUC (随机一笔欺诈排在随机一笔正常之上的概率)", "AUC: a random fraud ranks above a random genuine payment"),
    "average_precision": ("平均精确率", "average precision"),
    "brier": ("Brier 分数 (概率与结果的均方差)", "Brier score: mean squared distance of probability and outcome"),
    "card_precision_at_100": ("每天查100个客户的命中率", "share of fraud among 100 customers checked a day"),
}


def page(result: Result) -> str:
    """The whole page as text."""
    made, model = result.job.made, result.job.name
    facts = (
        f"{len(result.matrix):,} 笔付款 payments; {len(made.inputs)} 项输入 inputs; {len(made.features)} 项特征 features; "
        f"{result.fitted.rounds} 棵树 trees; 标签间隔 gap for labels {result.split.gap / DAY:.0f} 天 days"
    )
    return "\n".join(
        [
            '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
            f"<title>联防 训练报告 Training report: {escape(model)}</title>",
            f"<style>{STYLE}</style></head><body>",
            f"<h1>训练报告 <small>Training report: {escape(model)}</small></h1>",
            f"<p>{facts}</p>",
            f'<p class="small">{_HELD_OUT}</p>',
            "<h2>时期 <small>Periods</small></h2>",
            _periods(result),
            "<h2>指标 <small>Figures</small></h2>",
            _metrics(result),
            "<h2>建议阈值 <small>Suggested thresholds</small></h2>",
            _thresholds(result),
            f'<div class="charts">{"".join(_figures(result))}</div>',
            _kinds(result),
            "<h2>每周 <small>By week</small></h2>",
            _weeks(result),
            "<h2>输入的作用 <small>What the inputs contributed</small></h2>",
            plots.importances(result),
            "</body></html>\n",
        ]
    )


def _figures(result: Result) -> list[str]:
    judged = result.judged
    method = ("保序", "isotonic") if isinstance(result.calibrator, Curve) else ("Platt", "Platt")
    return [
        _figure("召回率与误报率 (ROC)", "Recall and false alarms (ROC)", plots.roc(judged)),
        _figure("精确率与召回率", "Precision and recall", plots.precision_recall(judged)),
        _figure(f"校准 ({method[0]})", f"Calibration ({method[1]})", plots.calibration(judged)),
        _figure("每周分数", "Score by week", plots.by_week(result)),
        _figure("金额", "Money", plots.money(result)),
    ]


def _figure(zh: str, en: str, chart: str) -> str:
    return f"<figure><figcaption><b>{escape(zh)}</b> {escape(en)}</figcaption>{chart}</figure>"


def _periods(result: Result) -> str:
    rows = []
    for one in result.periods:
        zh, en = USES[one.use]
        days = f"{one.begins:%Y-%m-%d %H:%M} – {one.ends:%Y-%m-%d %H:%M}"
        rows.append((f"{zh} {en}", days, f"{one.payments:,}", f"{one.frauds:,}"))
    return table(("用途 use", "UTC", "付款 payments", "欺诈(当时已知) frauds, as known then"), rows)


def _metrics(result: Result) -> str:
    rows = []
    for name, value in result.metrics.items():
        zh, en = METRICS.get(name, ("", ""))
        if name.startswith("recall_at_"):
            rate = name.removeprefix("recall_at_")
            zh, en = f"误报率不超过 {rate} 时的召回率", f"recall at false alarms <= {rate}"
        rows.append((f"{zh} {en}", f"{value:.4f}"))
    return table(("指标 figure", "值 value"), rows)


def _thresholds(result: Result) -> str:
    rows = [
        (action, aim, f"{at.score:.4f}", _share(at.recall), _share(at.false_alarms))
        for action, aim, at in result.thresholds
    ]
    return table(
        (
            "动作 action",
            "目标(在校准期选定) aim",
            "分数 score",
            "留出期召回率 recall held out",
            "留出期误报率 false alarms held out",
        ),
        rows,
    )


def _kinds(result: Result) -> str:
    rows = kind_rows(result)
    if not rows:
        return ""
    head = ("类别 kind", "笔数 payments", "误报率0.3%时的召回率 recall at 0.3 % false alarms")
    return (
        f"<h2>各类欺诈 <small>Kinds of fraud</small></h2>{table(head, [(k, f'{n:,}', _share(r)) for k, n, r in rows])}"
    )


def kind_rows(result: Result, rate: float = 0.003) -> list[tuple[str, int, float]]:
    """(kind, frauds, recall) on the held-out period at the threshold that touches this share of its genuine payments."""
    from lianfang.services.learn import threshold_for

    judged, matrix = result.judged, result.matrix
    kinds = matrix.kinds[judged.rows]
    if not (kinds >= 0).any() or not (judged.labels == 0).any():
        return []
    at = threshold_for(judged.margins, judged.labels, rate).score
    made = []
    for index, name in enumerate(matrix.kind_names):
        on = (kinds == index) & (judged.labels == 1)
        if on.any():
            made.append((name, int(on.sum()), reached(judged.margins[on], judged.labels[on], at).recall))
    return sorted(made, key=lambda row: -row[1])


def _weeks(result: Result) -> str:
    rows = [
        (f"{moment(begins):%Y-%m-%d}", f"{payments:,}", f"{said:.4%}", f"{was:.4%}")
        for begins, payments, said, was in plots.weekly(result)
    ]
    return table(("周 week", "付款 payments", "平均分数 mean score", "欺诈占比 share of fraud"), rows)


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2%}"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table of texts."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
