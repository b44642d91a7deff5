"""What pages that watch are told by the node: values that `app` gathers, and who gathers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from lianfang.services.overview import Bucket, Latency, Rollup, Slots, Stream

Level = Literal["good", "warn", "bad"]
Part = Literal["decider", "desk", "lake", "index", "model", "lists"]


class Panel(NamedTuple):
    """The figures of now, at most a second old. `window_s`: how long a stretch `latency` is of; `deciding`: it answers."""

    at: int
    today: Bucket
    latency: Latency
    window_s: int
    deciding: bool
    behind: int


class Signal(NamedTuple):
    """How one part of the node is. `age`: microseconds since it was last made, where that says something."""

    part: Part
    level: Level
    age: int | None = None


class Wall(NamedTuple):
    """What a room sees beyond the panel."""

    slots: Slots
    signals: tuple[Signal, ...]


class Store(NamedTuple):
    """One thing on disk. `changed`: when it was last written; None: it is not there yet."""

    name: str
    files: int
    size: int
    changed: int | None


class Process(NamedTuple):
    """One process of the node."""

    name: str
    pid: int | None
    address: str


class Setting(NamedTuple):
    """One setting: its value as text, its default, what it means in English. Secrets are never among the values."""

    name: str
    value: str
    default: str
    help: str


class NodeState(NamedTuple):
    """Everything of the page of health. `inside`: what the decider says of itself on /readyz; empty when it does not answer."""

    version: str
    python: str
    started_at: int | None
    ready: bool
    attention: dict[str, str]
    inside: dict[str, Any]
    processes: tuple[Process, ...]
    stores: tuple[Store, ...]
    disk_free: int
    disk_total: int
    settings: tuple[Setting, ...]


class Watched(Protocol):
    """Asked in threads: it may read files and ask the decider. Answers are kept for a moment, so many may ask."""

    ending: bool
    """The desk is about to stop: streams end by themselves."""

    @property
    def stream(self) -> Stream:
        """The decisions as they come."""

    @property
    def rollup(self) -> Rollup:
        """The counts."""

    @property
    def reports(self) -> Path:
        """The folder of reports."""

    def panel(self) -> Panel:
        """The figures of now."""

    def wall(self) -> Wall:
        """What a room sees beyond them."""

    def state(self) -> NodeState:
        """The whole node."""
