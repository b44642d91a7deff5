"""Every limit of the data standard, by name. Limits of an installation (memory, rates, ports) are settings."""

from typing import Final

BODY_BYTES_MAX: Final = 1 << 20
"""One HTTP body. 1,000 payments of 1 KB fit."""

PAYMENT_BYTES_MAX: Final = 256 << 10
"""One payment as JSON, so that its record fits the smallest journal segment. All texts at their longest take less."""

BATCH_PAYMENTS_MAX: Final = 1_000
JSON_DEPTH_MAX: Final = 16
JSON_KEYS_MAX: Final = 64
"""Keys of one JSON object: the largest of ours has 20; attributes may have 32."""

ID_LENGTH_MAX: Final = 64
NAME_LENGTH_MAX: Final = 140
"""ISO 20022 Max140Text, its length for a party's name."""
TEXT_LENGTH_MAX: Final = 256
ATTRIBUTES_MAX: Final = 32
FINDINGS_MAX: Final = 32

AMOUNT_MAX: Final = 10**15
"""Minor units. With at most 2**12 of them per feature bucket a sum stays inside 63 bits."""

CLOCK_SKEW_MAX_S: Final = 300
"""A payment may be this far ahead of the node's clock, no further: a wrong clock must not poison windows."""

RULES_MAX: Final = 2_000
FEATURES_MAX: Final = 512
EXPRESSION_LENGTH_MAX: Final = 4_000
EXPRESSION_DEPTH_MAX: Final = 32
EXPRESSION_NODES_MAX: Final = 500
EXAMPLES_MAX: Final = 50
PARAMETERS_MAX: Final = 1_000
WARNINGS_MAX: Final = 200
WARNING_LENGTH_MAX: Final = 1_000
DELAY_MAX_S: Final = 7 * 86_400
"""The longest wait that a challenge may ask for."""

WINDOW_MIN_S: Final = 60
WINDOW_MAX_S: Final = 90 * 86_400
WINDOW_EXACT_MAX_S: Final = 86_400
"""Up to here a window is exact; longer ones are counted in buckets (docs/reference/features.md)."""

MODEL_INPUTS_MAX: Final = 512
MODEL_TREES_MAX: Final = 10_000
MODEL_LEAVES_MAX: Final = 4_096
"""Leaves of one tree."""
MODEL_DEPTH_MAX: Final = 16
"""Of an oblivious tree: 65,536 leaves, CatBoost's own limit."""
MODEL_NODES_MAX: Final = 2_000_000
"""Splits and leaves of all trees together."""
MODEL_MANIFEST_BYTES_MAX: Final = 1 << 20
MODEL_TREES_BYTES_MAX: Final = 64 << 20
MODEL_PAPER_BYTES_MAX: Final = 16 << 20
"""A report or a card."""
CALIBRATION_POINTS_MAX: Final = 4_096
