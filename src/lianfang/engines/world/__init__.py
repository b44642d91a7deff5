"""A made-up world that pays: people with habits, shops, institutions; crimes as stories, and crews that run the money."""

from lianfang.engines.world.config import Scenario, WorldConfig, demo_config, scenario_config
from lianfang.engines.world.dress import Column, DayBatch
from lianfang.engines.world.generate import Life, generate
from lianfang.engines.world.moves import NEVER
from lianfang.engines.world.tables import CRIME_NAMES, CRIMES

__all__ = [
    "CRIMES",
    "CRIME_NAMES",
    "NEVER",
    "Column",
    "DayBatch",
    "Life",
    "Scenario",
    "WorldConfig",
    "demo_config",
    "generate",
    "scenario_config",
]
