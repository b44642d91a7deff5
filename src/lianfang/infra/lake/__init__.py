"""The lake: the decision journal as Parquet by day, and what is asked of it (docs/reference/lake.md)."""

from lianfang.infra.lake.ask import Question, asked, check
from lianfang.infra.lake.build import Built, build
from lianfang.infra.lake.manifest import Manifest, Part, is_lake, read_manifest, reading
from lianfang.infra.lake.views import known, make_views

__all__ = [
    "Built",
    "Manifest",
    "Part",
    "Question",
    "asked",
    "build",
    "check",
    "is_lake",
    "known",
    "make_views",
    "read_manifest",
    "reading",
]
