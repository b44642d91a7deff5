"""The compiled part of one payment's journey, in one call: hash, recognise, look up, read and count."""

from lianfang.engines.hotpath.journey import FRESH, LEARNT, HotPath, Steps

__all__ = ["FRESH", "LEARNT", "HotPath", "Steps"]
