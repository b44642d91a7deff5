"""Learning from history: periods, what was known when, fitting, calibration, thresholds. Pure: arrays in, arrays out.

What it refuses: labels known before their payment, inputs that know the answer, a period that is used for two purposes.
"""

from lianfang.services.learn.backtest import CELLS_MAX, Chunk, Tally
from lianfang.services.learn.calibration import (
    Calibrator,
    Curve,
    Reliability,
    Sigmoid,
    brier,
    calibrate,
    isotonic,
    platt,
    reliability,
)
from lianfang.services.learn.checks import (
    Finding,
    HistoryChecks,
    LeakError,
    RefusedHistoryError,
    check_history,
    refuse_label_columns,
    refuse_leaks,
)
from lianfang.services.learn.compare import CHANGES, Comparison, Sample, change
from lianfang.services.learn.fitting import SETTINGS, Fitted, best_rounds, fit_trees
from lianfang.services.learn.intervals import Share, by_day, wilson
from lianfang.services.learn.labels import known_labels, label_delay
from lianfang.services.learn.overlap import Overlap, Together
from lianfang.services.learn.sampling import balanced_weight, sampled
from lianfang.services.learn.splits import Fold, Span, Split, prequential, split_history
from lianfang.services.learn.thresholds import MoneyCurve, Reached, money_curve, reached, threshold_for
from lianfang.services.learn.worth import MoneyWorth, Sum, Week, Worth, weeks, worths

__all__ = [
    "CELLS_MAX",
    "CHANGES",
    "SETTINGS",
    "Calibrator",
    "Chunk",
    "Comparison",
    "Curve",
    "Finding",
    "Fitted",
    "Fold",
    "HistoryChecks",
    "LeakError",
    "MoneyCurve",
    "MoneyWorth",
    "Overlap",
    "Reached",
    "RefusedHistoryError",
    "Reliability",
    "Sample",
    "Share",
    "Sigmoid",
    "Span",
    "Split",
    "Sum",
    "Tally",
    "Together",
    "Week",
    "Worth",
    "balanced_weight",
    "best_rounds",
    "brier",
    "by_day",
    "calibrate",
    "change",
    "check_history",
    "fit_trees",
    "isotonic",
    "known_labels",
    "label_delay",
    "money_curve",
    "platt",
    "prequential",
    "reached",
    "refuse_label_columns",
    "refuse_leaks",
    "reliability",
    "sampled",
    "split_history",
    "threshold_for",
    "weeks",
    "wilson",
    "worths",
]
