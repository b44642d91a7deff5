"""Features: numbers about the recent past, declared as text, counted in one compiled pass over bounded memory."""

from lianfang.engines.features.declare import KEY_PATHS, Declared, FeatureError, Ratio, Windowed, declare
from lianfang.engines.features.plan import Plan, bucket_width_s, compile_plan
from lianfang.engines.features.state import FeatureState, feed

__all__ = [
    "KEY_PATHS",
    "Declared",
    "FeatureError",
    "FeatureState",
    "Plan",
    "Ratio",
    "Windowed",
    "bucket_width_s",
    "compile_plan",
    "declare",
    "feed",
]
