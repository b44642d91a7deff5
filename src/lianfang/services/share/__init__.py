"""The node's side of sharing: the log applied, subjects held, tags opened, told to the decider, published, contested."""

from lianfang.services.share.applying import Applied, Brief, Ledger, Logged, Refused
from lianfang.services.share.book import Book
from lianfang.services.share.holding import Spelled, Unfit, epoch_of, spelled
from lianfang.services.share.opening import Heeding, Said, Standing, drawn

__all__ = [
    "Applied",
    "Book",
    "Brief",
    "Heeding",
    "Ledger",
    "Logged",
    "Refused",
    "Said",
    "Spelled",
    "Standing",
    "Unfit",
    "drawn",
    "epoch_of",
    "spelled",
]
