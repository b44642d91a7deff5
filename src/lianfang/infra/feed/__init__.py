"""A hub's log, followed: what was missed from the tiles, then live; every entry proved, every contradiction kept as proof.

`Feed.follow` yields `Arrived`, `Confirmed` and `Pending`; `compare` holds another member's checkpoint against ours.
"""

from lianfang.infra.feed.client import Arrived, Confirmed, Event, Feed, Pending
from lianfang.infra.feed.comparing import checkpoint_of, compare
from lianfang.infra.feed.connection import HubConnection, Identity
from lianfang.infra.feed.keeping import Kept
from lianfang.infra.feed.proofs import ForkError
from lianfang.infra.feed.trust import QuorumError, Trust
from lianfang.infra.feed.view import MissingTileError, View

__all__ = [
    "Arrived",
    "Confirmed",
    "Event",
    "Feed",
    "ForkError",
    "HubConnection",
    "Identity",
    "Kept",
    "MissingTileError",
    "Pending",
    "QuorumError",
    "Trust",
    "View",
    "checkpoint_of",
    "compare",
]
