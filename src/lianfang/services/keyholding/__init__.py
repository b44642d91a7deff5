"""What a keyholder does: keeps a share of each token key, evaluates for members, and sees to it that nobody counts through."""

from lianfang.services.keyholding.ceremony import Dealt, HolderShares, Transcript, deal, open_shares
from lianfang.services.keyholding.metering import Asked, Left, Meter, Rates
from lianfang.services.keyholding.shares import Shares

__all__ = [
    "Asked",
    "Dealt",
    "HolderShares",
    "Left",
    "Meter",
    "Rates",
    "Shares",
    "Transcript",
    "deal",
    "open_shares",
]
