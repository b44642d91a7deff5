"""Who is in the alliance, with which keys, and whether it may come in now."""

from lianfang.services.members.gate import Gate, Session
from lianfang.services.members.roster import Roster

__all__ = ["Gate", "Roster", "Session"]
