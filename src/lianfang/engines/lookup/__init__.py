"""Tables of hashed subjects that a payment is looked up in: lists, and the payments already answered."""

from lianfang.engines.lookup.recent import RecentIds, mark, prefetch_id, recall
from lianfang.engines.lookup.table import EMPTY_TABLE, Table, build_table, probe

__all__ = ["EMPTY_TABLE", "RecentIds", "Table", "build_table", "mark", "prefetch_id", "probe", "recall"]
