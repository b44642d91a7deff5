"""Finding any decision again among millions: keyed hashes on disk, what is newer in memory (docs/reference/finding.md)."""

from lianfang.infra.finding.build import Indexed, index, retain
from lianfang.infra.finding.finder import Finder
from lianfang.infra.finding.query import Count, FoundRow, Page, Query, Sought
from lianfang.infra.finding.records import Records, Related, Shown
from lianfang.infra.finding.tail import Tail

__all__ = [
    "Count",
    "Finder",
    "FoundRow",
    "Indexed",
    "Page",
    "Query",
    "Records",
    "Related",
    "Shown",
    "Sought",
    "Tail",
    "index",
    "retain",
]
