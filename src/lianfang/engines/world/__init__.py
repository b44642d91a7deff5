"""A made-up world that pays: people with habits, shops, crews and mules. Seeded, reproducible, a day at a time."""

from lianfang.engines.world.config import WorldConfig, demo_config
from lianfang.engines.world.dress import Column
from lianfang.engines.world.generate import DayBatch, generate
from lianfang.engines.world.moves import NEVER

__all__ = ["NEVER", "Column", "DayBatch", "WorldConfig", "demo_config", "generate"]
