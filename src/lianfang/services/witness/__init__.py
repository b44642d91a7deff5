"""A witness: cosigns other parties' checkpoints, one history each, and keeps the proof if it is ever shown two."""

from lianfang.services.witness.store import Records, Watched
from lianfang.services.witness.watching import Watch

__all__ = ["Records", "Watch", "Watched"]
