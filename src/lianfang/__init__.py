"""Lianfang (联防): joint defence of payments. See ARCHITECTURE.md for the map."""

__version__ = "0.1.0"
