"""Learning from history: periods, what was known when, fitting, calibration, thresholds. Pure: arrays in, arrays out.

What it refuses: labels known before their payment, inputs that know the answer, a period that is used for two purposes.
"""

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
    LeakError,
    RefusedHistoryError,
    check_history,
    refuse_label_columns,
    refuse_leaks,
)
from lianfang.services.learn.fitting import SETTINGS, Fitted, best_rounds, fit_trees
from lianfang.services.learn.labels import known_labels, label_delay
from lianfang.services.learn.sampling import balanced_weight, sampled
from lianfang.services.learn.splits import Fold, Span, Split, prequential, split_history
from lianfang.services.learn.thresholds import MoneyCurve, Reached, money_curve, reached, threshold_for

__all__ = [
    "SETTINGS",
    "Calibrator",
    "Curve",
    "Finding",
    "Fitted",
    "Fold",
    "LeakError",
    "MoneyCurve",
    "Reached",
    "RefusedHistoryError",
    "Reliability",
    "Sigmoid",
    "Span",
    "Split",
    "balanced_weight",
    "best_rounds",
    "brier",
    "calibrate",
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
]
