"""Tables of hashed subjects that a payment is looked up in: lists, shared tags, and the payments already answered."""

from lianfang.engines.lookup.recent import RecentIds, mark, prefetch_id, recall
from lianfang.engines.lookup.table import EMPTY_TABLE, Table, build_table, probe
from lianfang.engines.lookup.tagged import Met, TagTable, packed, tag_at, unpacked

__all__ = [
    "EMPTY_TABLE",
    "Met",
    "RecentIds",
    "Table",
    "TagTable",
    "build_table",
    "mark",
    "packed",
    "prefetch_id",
    "probe",
    "recall",
    "tag_at",
    "unpacked",
]
