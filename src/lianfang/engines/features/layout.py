"""Where things stand in the plan and in the arena, as plain integers: numba freezes module constants when it compiles.

row   hash, key, newest us, then three words per ring
ring  address of its block; capacity << 8 | size class; start << 32 | records
block columns one after the other, each `capacity` long (buckets: records one after the other); the first word of a
      record is its time or bucket, ascending
"""

from __future__ import annotations

from typing import Final

# Kinds of ring.
PAYMENTS: Final = 0
BUCKETS: Final = 1
VALUES: Final = 2
FRAUDS: Final = 4
"""Added to the kind of a ring that counts payments when they become known to be fraud, and not when they arrive."""

# What a column holds. PAYMENTS: an integer field, the filter mask, a value's hash, the time it was last seen.
COL_INT: Final = 0
COL_MASK: Final = 1
COL_VALUE: Final = 2
COL_PREVIOUS: Final = 3
# BUCKETS: running aggregates.
COL_COUNT: Final = 10
COL_SUM: Final = 11
COL_MAX: Final = 12
COL_FIRST: Final = 13
COL_LAST: Final = 14

# Aggregates of a feature.
COUNT: Final = 0
SUM: Final = 1
MEAN: Final = 2
MAX: Final = 3
DISTINCT: Final = 4
FIRST: Final = 5
LAST: Final = 6

# Words of the plan: a header, then tables.
HEADER_WORDS: Final = 4  # keys, whether any ring counts frauds, ratios, ratio table at
KEY_WORDS: Final = 6  # field a, field b or -1, row words, horizon us, rings, ring table at
RING_WORDS: Final = 8  # kind, columns, bucket us, retain us, records max, column table at, features, feature table at
COLUMN_WORDS: Final = 3  # what, argument, filter or -1
FEATURE_WORDS: Final = 7  # aggregate, window us, filter or -1, column, second column, including this, output
ROW_WORDS: Final = 3
"""Of a row before its rings."""
DESC_WORDS: Final = 3
"""Of a row for each ring."""

NEVER: Final = -(1 << 63)
"""`last seen` of a value not seen before; the maximum of nothing."""
EXCLUDED: Final = (1 << 63) - 1
"""`last seen` of a payment that a distinct count leaves out."""
SUM_MAX: Final = 1 << 57
"""A bucket's sum stops here: the 60 of the longest window still fit 63 bits."""
LOW32: Final = (1 << 32) - 1
