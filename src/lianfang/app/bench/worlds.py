"""The accuracy figures of made-up worlds: what a trained model catches of each crime, and what an alliance's tags add.

A world is made up and hard on purpose: these figures show that things work and compare ways of working, no more
(docs/reference/world.md).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lianfang.app.bench.report import Figure
from lianfang.app.learn.recipe import Ingredients, find_recipe, ingredients
from lianfang.app.learn.report import kind_rows
from lianfang.app.learn.train import Job, train
from lianfang.app.replay import load_rules
from lianfang.engines.world import WorldConfig, generate
from lianfang.infra.history import NEVER, native_mapping, write_history
from lianfang.kernel.instant import DAY, HOUR
from lianfang.wire import Feature, Input

PUBLICATION: Final = 1 * HOUR
"""From a member's confirmation of a fraud until the others can act on its tag."""
TAG_LIFE: Final = 30 * DAY
"""A tag expires."""
TAKEN_OVER: Final = ("account_takeover", "card_testing")
"""Kinds of which the device is the stranger's, and is tagged; of all others it is the victim's own."""
_WARM: Final = 10 * DAY


class Sizes(msgspec.Struct, frozen=True):
    """How large it is. `quick` is for trying the command, not for quoting."""

    people: int = 12_000
    days: int = 50
    seeds: tuple[int, ...] = (101, 102, 103)
    seed: int = 11
    """Of the world that a model is trained on and judged in."""

    @classmethod
    def quick(cls) -> Sizes:
        """A small one."""
        return cls(people=6_000, days=40, seeds=(101,))


class Defence(NamedTuple):
    """What one way of working did with the same payments. Money in minor units."""

    stopped: int
    """Payments of crime."""
    money_stopped: int
    wrongly: int
    """Genuine payments."""
    money: int
    """Of all crime."""
    genuine: int

    @property
    def share(self) -> float:
        """Of the money of crime."""
        return self.money_stopped / self.money if self.money else float("nan")

    @property
    def false_alarms(self) -> float:
        """Share of genuine payments."""
        return self.wrongly / self.genuine if self.genuine else float("nan")


def world_figures(sizes: Sizes, about: dict[str, Any]) -> list[Figure]:
    """All figures of worlds, their tables printed."""
    root = Path(tempfile.mkdtemp(prefix="lianfang-accuracy-"))
    try:
        figures = _model(sizes, root)
        pairs = []
        for seed in sizes.seeds:
            path = make(root, sizes, seed)
            pairs.append((seed, *alone_and_shared(path)))
            path.unlink()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    _show(pairs)
    alone = float(np.mean([a.share for _, a, _ in pairs]))
    shared = float(np.mean([s.share for _, _, s in pairs]))
    about["worlds"] = (
        f"{sizes.people:,} people, {sizes.days} days; model in seed {sizes.seed}; "
        f"tags in seeds {', '.join(map(str, sizes.seeds))}, "
        f"published {PUBLICATION // HOUR} h after the report, held for {TAG_LIFE // DAY} days"
    )
    return [
        *figures,
        Figure("alone_money_stopped", alone, "of crime's money, own tags, mean of the seeds"),
        Figure("shared_money_stopped", shared, "of crime's money, all members' tags"),
        Figure("alliance_lift", shared / alone if alone else float("nan"), "shared over alone"),
        Figure("alone_false_alarms", float(np.mean([a.false_alarms for _, a, _ in pairs])), "of genuine payments"),
        Figure("shared_false_alarms", float(np.mean([s.false_alarms for _, _, s in pairs])), "of genuine payments"),
    ]


def make(root: Path, sizes: Sizes, seed: int) -> Path:
    """A world's history, written."""
    config = WorldConfig(seed=seed, people=sizes.people, merchants=max(sizes.people // 15, 20), days=sizes.days)
    path = root / f"world-{seed}.parquet"
    write_history(generate(config), path)
    return path


def _model(sizes: Sizes, root: Path) -> list[Figure]:
    path = make(root, sizes, sizes.seed)
    config = WorldConfig(seed=sizes.seed, days=sizes.days)
    made = with_known(find_recipe(None, "the native layout", load_rules(())))
    job = Job(path, native_mapping(), made, "world", config.first_day + (sizes.days + 40) * DAY)
    result = train(job)
    path.unlink()
    table = Table(
        title="a trained model in a made-up world: held-out payments of each crime caught at <= 0.3 % wrongly touched"
    )
    for column in ("crime", "payments", "caught"):
        table.add_column(column, justify="left" if column == "crime" else "right")
    for kind, count, recall in kind_rows(result):
        table.add_row(kind, f"{count:,}", f"{recall:.1%}")
    Console(width=120).print(table)
    return [
        Figure("world_recall_at_fpr_0003", result.metrics["recall_at_0.3%"], "of payments of crime", ">= 0.99"),
        Figure("world_auc", result.metrics["auc"], "of 1"),
        Figure("world_ap", result.metrics["average_precision"], "of 1"),
    ]


def with_known(made: Ingredients) -> Ingredients:
    """The node's features and standard inputs, and what became known of both accounts and the device."""
    known = [
        Feature(name=f"{name}_frauds_30d", define=f"count of frauds by {path} over 30d")
        for name, path in (("payee", "payee.account"), ("payer", "payer.account"), ("device", "device.id"))
    ]
    inputs = [Input(name=one.name, define=one.name) for one in known]
    return ingredients((*made.features, *known), (*made.inputs, *inputs), made.source)


def alone_and_shared(path: Path) -> tuple[Defence, Defence]:
    """The same payments, each decided by the payer's member: with the tags of its own customers' reports, and with everybody's.

    A report that proves true tags the payee's account, unless that is a shop's, and the device where a stranger paid. A payment
    is stopped where an account on either side or its device bears a tag in force. Only payments after the first days count, so
    that both have had time to learn.
    """
    table = pq.read_table(path)
    time = table["time"].cast(pa.int64()).to_numpy()
    member = _codes(table["payer.member"])
    known_at = table["known_at"].cast(pa.int64()).fill_null(NEVER).to_numpy()
    kinds = table["label_kind"].to_pylist()
    stranger = np.array([kind in TAKEN_OVER for kind in kinds])
    payer, payee = _codes(table["payer.account"], table["payee.account"])
    device = _codes(table["device.id"])
    confirmed = (known_at < NEVER) & (table["label"].to_numpy() == 1)
    person = table["merchant.id"].is_null().to_numpy() & (payee >= 0)
    hits = []
    for own in (True, False):
        hit = np.zeros(len(time), np.bool_)
        accounts = Tags(payee, known_at, member, confirmed & person, own=own)
        hit |= accounts.on(payee, time, member) | accounts.on(payer, time, member)
        hit |= Tags(device, known_at, member, confirmed & stranger & (device >= 0), own=own).on(device, time, member)
        hits.append(hit)
    judged = time >= time[0] + _WARM
    label, amount = table["label"].to_numpy()[judged] == 1, table["amount"].to_numpy()[judged]
    alone, shared = (_defence(hit[judged], label, amount) for hit in hits)
    return alone, shared


class Tags:
    """When subjects became tagged, for whom. A member's own report counts at once, another's after `PUBLICATION`."""

    def __init__(
        self,
        subject: NDArray[np.int64],
        known_at: NDArray[np.int64],
        member: NDArray[np.int64],
        reported: NDArray[np.bool_],
        *,
        own: bool,
    ) -> None:
        rows = np.flatnonzero(reported)
        self._by: dict[int, list[tuple[int, int]]] = {}
        self._own = own
        for row in rows[np.argsort(known_at[rows], kind="stable")].tolist():
            self._by.setdefault(int(subject[row]), []).append((int(known_at[row]), int(member[row])))

    def on(self, subject: NDArray[np.int64], time: NDArray[np.int64], member: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each payment's subject (-1: none) bears a tag in force at its time, for the member that decides."""
        hit = np.zeros(len(subject), np.bool_)
        for row in np.flatnonzero(np.isin(subject, np.fromiter(self._by, np.int64, len(self._by)))).tolist():
            at, who = int(time[row]), int(member[row])
            hit[row] = any(
                known + (0 if by == who else PUBLICATION) <= at < known + TAG_LIFE and (by == who or not self._own)
                for known, by in self._by[int(subject[row])]
            )
        return hit


def _codes(*columns: Any) -> Any:
    """Numbers for texts, the same over all columns; -1 for null. One array, or a tuple of them."""
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks]).combine_chunks()
    codes = whole.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    parts = np.split(codes, np.cumsum([len(column) for column in columns])[:-1])
    return parts[0] if len(parts) == 1 else tuple(parts)


def _defence(hit: NDArray[np.bool_], fraud: NDArray[np.bool_], amount: NDArray[np.int64]) -> Defence:
    return Defence(
        int((hit & fraud).sum()),
        int(amount[hit & fraud].sum()),
        int((hit & ~fraud).sum()),
        int(amount[fraud].sum()),
        int((~fraud).sum()),
    )


def _show(pairs: list[tuple[int, Defence, Defence]]) -> None:
    table = Table(title="the same payments: each member with its own tags, and with everybody's")
    for column in (
        "seed",
        "",
        "payments of crime stopped",
        "money stopped",
        "of crime's money",
        "genuine stopped",
        "of genuine",
    ):
        table.add_column(column, justify="right")
    for seed, alone, shared in pairs:
        for name, one in (("alone", alone), ("shared", shared)):
            table.add_row(
                str(seed),
                name,
                f"{one.stopped:,}",
                f"{one.money_stopped / 100:,.0f}",
                f"{one.share:.1%}",
                f"{one.wrongly:,}",
                f"{one.false_alarms:.3%}",
            )
    Console(width=120).print(table)
