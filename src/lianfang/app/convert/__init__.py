"""One form of message to another: `lianfang convert`. What the other form cannot say is listed."""

from lianfang.app.convert.sources import FILE_BYTES_MAX, SOURCES, Held, read_any
from lianfang.app.convert.targets import TARGETS, write_any

__all__ = ["FILE_BYTES_MAX", "SOURCES", "TARGETS", "Held", "read_any", "write_any"]
