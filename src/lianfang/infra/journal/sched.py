"""Asks the kernel to run a thread soon after it wakes, and then only briefly. A wish: where it is not known, nothing happens.

The commit thread shares a processor with the decider, which may be busy for milliseconds. Linux 6.12 lets a thread ask
for a short slice, without privileges; such a thread is run first when it wakes (EEVDF, `sched_setattr(2)`).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Final

SLICE_NS: Final = 100_000
"""The shortest there is."""
_SYSCALL: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_ATTR: Final = struct.Struct("=IIQiIQQQII")
"""size, policy, flags, nice, priority, runtime, deadline, period, and two hints of utilisation."""


def wake_soon() -> bool:
    """Ask it for the calling thread. Whether the kernel took it."""
    number = _SYSCALL.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attr = _ATTR.pack(_ATTR.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0, 0, 0)
    taken: int = ctypes.CDLL(None).syscall(number, 0, attr, 0)
    return taken == 0
