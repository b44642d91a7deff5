"""The demonstration: a node, a made-up world that pays, and a screen that says what is decided and why."""

from lianfang.app.demo.feed import Fed, Feed, pace
from lianfang.app.demo.run import run_demo

__all__ = ["Fed", "Feed", "pace", "run_demo"]
