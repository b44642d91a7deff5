"""The decision journal: append-only checksummed segments, group commit, recovery (docs/reference/journal.md)."""

from lianfang.infra.journal.files import Files, OsFiles
from lianfang.infra.journal.format import DECISION, NOTE, OUTCOME, Damage, Record, pack
from lianfang.infra.journal.reader import Follower, Report, scan, verify
from lianfang.infra.journal.recovery import Recovery
from lianfang.infra.journal.writer import JournalWriter

__all__ = [
    "DECISION",
    "NOTE",
    "OUTCOME",
    "Damage",
    "Files",
    "Follower",
    "JournalWriter",
    "OsFiles",
    "Record",
    "Recovery",
    "Report",
    "pack",
    "scan",
    "verify",
]
