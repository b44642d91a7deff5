"""What the console has, in the order in which it stands at the left: group, then (key of its words, address, permission)."""

from __future__ import annotations

from typing import Final

from lianfang.console.installation import Navigation

HOME: Final = "/console/live"
NAVIGATION: Final[Navigation] = (
    ("watch", (("live", "/console/live", "see"), ("search", "/console/search", "see"), ("queue", "/console/queue", "see"),
               ("wall", "/console/wall", "see"))),
    ("change", (("rules", "/console/rules", "see"), ("drafts", "/console/drafts", "see"), ("lists", "/console/lists", "see"),
                ("models", "/console/models", "see"), ("outcomes", "/console/outcomes", "label"))),
    ("keep", (("reports", "/console/reports", "see"), ("health", "/console/health", "see"),
              ("people", "/console/people", "people"), ("audit", "/console/audit", "audit"), ("style", "/console/style", "see"))),
)  # fmt: skip
