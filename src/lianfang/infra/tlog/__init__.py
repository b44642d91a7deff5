"""The verifiable log on disk: plain C2SP files, a write-ahead log, group commit, reading, verifying (docs/reference/log.md)."""

from lianfang.infra.tlog.appender import Appender
from lianfang.infra.tlog.reader import LogReader, VerifiedLog, verify_log
from lianfang.infra.tlog.store import LogRecovery, LogStore
from lianfang.infra.tlog.wal import Torn

__all__ = ["Appender", "LogReader", "LogRecovery", "LogStore", "Torn", "VerifiedLog", "verify_log"]
