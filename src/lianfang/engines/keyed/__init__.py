"""Keyed hashing of a payment's identifiers: what the hot tables know them by. Not an alliance token, never leaves the node."""

from lianfang.engines.keyed.siphash import HashKey, hash_fields, mix, siphash

__all__ = ["HashKey", "hash_fields", "mix", "siphash"]
