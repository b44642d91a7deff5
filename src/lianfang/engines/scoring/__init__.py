"""Scores: a trained model's trees walked in compiled code, calibrated, explained. Without a model the score is null.

Reads LightGBM's and CatBoost's own files and needs neither library (docs/reference/model.md).
"""

from lianfang.engines.scoring.errors import ModelError
from lianfang.engines.scoring.forest import Forest, LeafWise, Oblivious
from lianfang.engines.scoring.inputs import check_inputs, refuse_other_features
from lianfang.engines.scoring.reasons import REASONS_MAX, Why
from lianfang.engines.scoring.scorer import NEUTRAL, BoundScorer, NoModel, Scorer
from lianfang.engines.scoring.shap import shapley
from lianfang.engines.scoring.trained import BoundModel, TrainedModel, Trees

__all__ = [
    "NEUTRAL",
    "REASONS_MAX",
    "BoundModel",
    "BoundScorer",
    "Forest",
    "LeafWise",
    "ModelError",
    "NoModel",
    "Oblivious",
    "Scorer",
    "TrainedModel",
    "Trees",
    "Why",
    "check_inputs",
    "refuse_other_features",
    "shapley",
]
