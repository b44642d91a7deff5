"""Feature memory is touched before it is used, and never changed by it."""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np
import pytest

from lianfang.app.node.ahead import TouchedAhead

SIZE = 16 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")
def test_what_lies_ahead_is_resident_and_what_was_written_stays() -> None:
    area = np.frombuffer(mmap.mmap(-1, SIZE), np.int64)
    area[:8] = 7
    if (before := _resident(area)) > 4 << 20:
        pytest.skip(f"this kernel gives {before} bytes for one touch")
    touched = TouchedAhead(area.ctypes.data, area.nbytes, lambda: 64)
    touched.start()
    touched.stop()
    assert _resident(area) == SIZE
    assert area[:8].tolist() == [7] * 8
    assert not area[8:].any()


def _resident(area: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    pages = (ctypes.c_ubyte * (area.nbytes // mmap.PAGESIZE))()
    assert ctypes.CDLL(None).mincore(ctypes.c_void_p(area.ctypes.data), ctypes.c_size_t(area.nbytes), pages) == 0
    return sum(page & 1 for page in pages) * mmap.PAGESIZE
