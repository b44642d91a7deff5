"""The alliance's meeting point: it takes sealed tags and what is said of them, in one log that every member can verify."""

from lianfang.services.hub.accepting import OPERATOR, Judge, Terms
from lianfang.services.hub.access import Accesses
from lianfang.services.hub.feed import Feed, Follower
from lianfang.services.hub.hub import Hub
from lianfang.services.hub.known import Known
from lianfang.services.hub.members import Operator
from lianfang.services.hub.witnessing import Panel, WitnessAt

__all__ = [
    "OPERATOR",
    "Accesses",
    "Feed",
    "Follower",
    "Hub",
    "Judge",
    "Known",
    "Operator",
    "Panel",
    "Terms",
    "WitnessAt",
]
