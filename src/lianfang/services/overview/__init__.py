"""What the node decides, at a glance: counts by minute and hour, the newest decisions, latencies, any payment found again."""

from lianfang.services.overview.glance import Glance, OutcomeGlance, glance, glance_of, outcome_glance
from lianfang.services.overview.latency import Latency, buckets_of, latency_between
from lianfang.services.overview.rollup import Bucket, Rollup, local_midnight, top
from lianfang.services.overview.stream import Stream, Tick
from lianfang.services.overview.today import Slots, money_of, slots, today

__all__ = [
    "Bucket",
    "Glance",
    "Latency",
    "OutcomeGlance",
    "Rollup",
    "Slots",
    "Stream",
    "Tick",
    "buckets_of",
    "glance",
    "glance_of",
    "latency_between",
    "local_midnight",
    "money_of",
    "outcome_glance",
    "slots",
    "today",
    "top",
]
