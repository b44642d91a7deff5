"""Puts rule files, API rules, lists and keys together and hands the decider whole, checked versions of them.

Nothing is published that was not checked before; what is refused leaves the version in force and is told in `trouble`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa

from lianfang.infra import published
from lianfang.infra.published import read_if_there, write_whole
from lianfang.infra.sql import Database, changes
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.services.decide import store
from lianfang.services.decide.adjusting import adjustments
from lianfang.services.decide.assemble import UNADJUSTED, Adjustments, assemble
from lianfang.services.decide.models import hand_over
from lianfang.services.decide.rulefiles import RuleFile, RuleFiles, Stamp
from lianfang.wire import Rule, RuleSet, write

ARROW_ROWS: Final = 100_000
_MARK: Final = b"lianfang.mark"
Keys = Callable[[sa.Connection], Sequence[Any]]
"""The API keys in force, as structs that can be written."""


class Publisher:
    """The one who writes the published folder. Thread-safe; `lock` guards read, check and write as one."""

    def __init__(
        self,
        database: Database,
        files: RuleFiles,
        folder: Path,
        keys: Keys,
        on_keys: Callable[[Sequence[Any]], None] = lambda _: None,
        models: Path | None = None,
    ) -> None:
        self.lock = RLock()
        self.ruleset = RuleSet()
        """What is in force."""
        self.files: tuple[RuleFile, ...] = ()
        self.trouble: dict[str, str] = {}
        """What was refused and why, by what it is about."""
        self.published = 0
        self.refused = 0
        self.models = models or folder.parent / "models"
        """Where model folders are kept, by version."""
        self._database = database
        self._sources = files
        self._folder = folder
        self._keys = keys
        self._on_keys = on_keys
        self._stamp: Stamp | None = None
        self._seen = -1
        self._made_of: tuple[Any, ...] | None = None
        self.adjustments = UNADJUSTED
        """Packs off and parameters changed, as they are in force."""

    def start(self) -> None:
        """Read everything and publish it. Raises (`RefusedRulesError`, ...): without a good start there is none."""
        with self.lock:
            self._stamp = self._sources.stamp()
            self.files = self._sources.read()
            self.publish()

    def poll(self) -> None:
        """Take up changed rule files and changed records; never raises our errors, keeps what is in force."""
        with self.lock:
            self._guarded("rule files", self._reload)
            self._guarded("records", self._publish_if_changed)

    def publish(self) -> None:
        """Publish whatever is not yet. Raises `RefusedRulesError` for rules, after lists and keys are out."""
        with self.lock:
            with self._database.reading() as connection:
                newest = changes(connection, limit=1)
                mark = store.lists_mark(connection)
                names = store.list_names(connection)
                rules = tuple(one.rule for one in store.all_rules(connection))
                keys = tuple(self._keys(connection))
                adjusted = adjustments(connection)
                handed = self._models(connection)
                table = None if mark == self._mark_of_lists() else store.all_entries(connection)
            if table is not None:
                self._write(published.LISTS, _arrow(table, mark))
            self._write(published.LIST_NAMES, write(names))
            self._write(published.KEYS, write(keys), 0o600)
            self._on_keys(keys)
            if handed is not None:
                self._write(published.MODELS, handed)
            self._publish_rules(self.files, rules, names, adjusted)
            self._seen = newest[0].id if newest else 0

    def check(
        self,
        connection: sa.Connection,
        *,
        put: Sequence[Rule] = (),
        drop: str = "",
        adjusted: Adjustments = UNADJUSTED,
        packs_off: frozenset[str] | None = None,
    ) -> RuleSet:
        """What the rule set would be after a change of the API's rules, or of parameters. Raises `RefusedRulesError`.

        `packs_off`: instead of the packs that are off now.
        """
        gone = {drop, *(rule.id for rule in put)}
        kept = [one.rule for one in store.all_rules(connection) if one.rule.id not in gone]
        names = store.list_names(connection)
        now = adjustments(connection)
        off = now.off if packs_off is None else packs_off
        now = Adjustments(off | adjusted.off, {**now.values, **adjusted.values})
        return assemble(self.files, sorted([*kept, *put], key=lambda rule: rule.id), names, now)

    def file_of(self, rule_id: str) -> str:
        """The file a rule lives in, or nothing."""
        return next((f.name for f in self.files if any(r.id == rule_id for r in f.ruleset.rules)), "")

    def _guarded(self, about: str, act: Callable[[], None]) -> None:
        try:
            act()
            self.trouble.pop(about, None)
        except (LianfangError, OSError, pa.ArrowException) as why:
            self.refused += self.trouble.get(about) != str(why)
            self.trouble[about] = str(why)

    def _reload(self) -> None:
        stamp = self._sources.stamp()
        if stamp == self._stamp:
            if refused := self.trouble.get("rule files"):
                raise InputError(refused)  # still the same bad files
            return
        self._stamp = stamp
        files = self._sources.read()
        with self._database.reading() as connection:
            rules = tuple(one.rule for one in store.all_rules(connection))
            names = store.list_names(connection)
            adjusted = adjustments(connection)
        self._publish_rules(files, rules, names, adjusted)
        self.files = files

    def _publish_if_changed(self) -> None:
        with self._database.reading() as connection:
            newest = changes(connection, limit=1)
        if (newest[0].id if newest else 0) != self._seen:
            self.publish()

    def _publish_rules(
        self, files: tuple[RuleFile, ...], rules: tuple[Rule, ...], names: tuple[str, ...], adjusted: Adjustments
    ) -> None:
        made_of = (files, rules, names, adjusted)
        if made_of != self._made_of:
            ruleset = assemble(files, rules, names, adjusted)
            self._write(published.RULESET, write(ruleset))
            self.ruleset, self._made_of, self.adjustments = ruleset, made_of, adjusted

    def _write(self, name: str, data: bytes | memoryview, mode: int = 0o640) -> None:
        path = self._folder / name
        if name != published.LISTS and read_if_there(path) == data:
            return
        write_whole(path, data, mode)
        self.published += 1

    def _models(self, connection: sa.Connection) -> bytes | None:
        """What the decider is to score by. A folder that is broken leaves the model in force, and is told in `trouble`."""
        found: bytes | None = None

        def read() -> None:
            nonlocal found
            found = hand_over(connection, self.models)

        self._guarded("models", read)
        return found

    def _mark_of_lists(self) -> str | None:
        """The mark of the lists that are published, or None."""
        try:
            with pa.memory_map(str(self._folder / published.LISTS)) as source:
                found = (pa.ipc.open_file(source).schema.metadata or {}).get(_MARK)
        except (OSError, pa.ArrowException):
            return None
        return found.decode() if found is not None else None


def _arrow(table: pa.Table, mark: str) -> memoryview:
    sink = pa.BufferOutputStream()
    schema = table.schema.with_metadata({_MARK: mark.encode()})
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata), ARROW_ROWS)
    return memoryview(sink.getvalue())
