"""What numba has no word for: bare pointers, and the hint to fetch memory early. Unchecked: callers say what bounds hold."""

from lianfang.engines.native.pointers import float32s, float64s, int64s, pointer, prefetch, uint32s, uint64s, word

__all__ = ["float32s", "float64s", "int64s", "pointer", "prefetch", "uint32s", "uint64s", "word"]
