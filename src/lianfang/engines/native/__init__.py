"""What numba has no word for: bare pointers, and the hint to fetch memory early. Unchecked: callers say what bounds hold."""

from lianfang.engines.native.pointers import float64s, int64s, pointer, prefetch, uint64s, word

__all__ = ["float64s", "int64s", "pointer", "prefetch", "uint64s", "word"]
