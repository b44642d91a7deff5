"""Making a world: days shared among processes, and a report with pictures."""

from lianfang.app.world.make import Made, make_alliance
from lianfang.app.world.report import write_report

__all__ = ["Made", "make_alliance", "write_report"]
