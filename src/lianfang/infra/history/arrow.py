"""Arrow where the type is the file's: the stubs want it in the source, ours is known when a file is open."""

from __future__ import annotations

from typing import Any

import pyarrow.compute

ArrowColumn = Any
"""A `pyarrow.Array` of whatever type the file has."""

compute: Any = pyarrow.compute
