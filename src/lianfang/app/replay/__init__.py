"""A history of payments through the engine that decides live, and what it would have done (docs/how-to/replay.md)."""

from lianfang.app.replay.run import Replay, ReplayResult, replay
from lianfang.app.replay.show import as_json, show
from lianfang.app.replay.sources import Found, book_of, find_mapping, load_lists, load_rules, named_lists, rule_files
from lianfang.app.replay.truth import read_truth

__all__ = [
    "Found",
    "Replay",
    "ReplayResult",
    "as_json",
    "book_of",
    "find_mapping",
    "load_lists",
    "load_rules",
    "named_lists",
    "read_truth",
    "replay",
    "rule_files",
    "show",
]
