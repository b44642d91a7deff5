"""`lianfang decide`: payments from a file, decided by a running node or by a rule set in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.services.decide import Decider

BATCH_BYTES: Final = 900_000
"""Of one request, below the limit of a body."""


def decide(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    offline: bool = False,
    rules: Annotated[list[Path] | None, Parameter(negative=())] = None,
    lists: Annotated[list[Path] | None, Parameter(negative=())] = None,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Decide payments: one JSON object, a JSON list, or an object a line.

    A line a decision is printed. The node's answers are on record there; `--offline` ones are nowhere.

    Parameters
    ----------
    file
        The payments; `-` for standard input.
    offline
        Decide in this process, with no past and no node.
    rules
        With --offline: rule file or folder; may be repeated. Without: the starting pack.
    lists
        With --offline: list entries, JSONL or CSV; may be repeated.
    key
        API key with the scope `decide`.
    json
        Write the decisions to this file; `-` for standard output.
    """
    from lianfang.app.commands.common import write_json
    from lianfang.kernel.errors import InputError

    if not offline and (rules or lists):
        raise InputError("--rules and --lists go with --offline; a running node has its own")
    bodies = _bodies(_read(file), file)
    answers = _offline(bodies, rules or [], lists or []) if offline else _online(bodies, key)
    done: list[Any] = []
    refused = 0
    for answer in answers:
        refused += "refused" in answer
        done.append(answer)
        if str(json) != "-":
            print(_line(answer))
    write_json(json, done)
    return 1 if refused else 0


def _read(file: str) -> bytes:
    from lianfang.kernel.errors import InputError

    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as why:
        raise InputError(f"cannot read the payments: {why.strerror}", file) from why


def _bodies(raw: bytes, where: str) -> list[bytes]:
    """Each payment's own bytes."""
    import msgspec

    from lianfang.kernel.errors import InputError

    text = raw.strip()
    if not text:
        raise InputError("no payment in it", where)
    try:
        if text.startswith(b"["):
            return [bytes(one) for one in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise InputError(f"not JSON: {why}", where) from why
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return [line for line in text.splitlines() if line.strip()]
    return [text]


def _online(bodies: Sequence[bytes], key: str | None) -> Iterator[dict[str, Any]]:
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.wire import read_payment

    _all_sound(bodies, read_payment)
    node = Node(settings(), key)
    for batch in _batches(bodies):
        yield from node.ask("decider", "POST", "/v1/decisions", b"[" + b",".join(batch) + b"]")


def _all_sound(bodies: Sequence[bytes], read: Callable[[bytes], Any]) -> list[Any]:
    """All are read before the first is decided. Raises `InputError` with the payment's number."""
    from lianfang.kernel.errors import InputError

    payments = []
    for number, body in enumerate(bodies, 1):
        try:
            payments.append(read(body))
        except InputError as why:
            raise InputError(why.what, f"payment {number}, {why.where}") from why
    return payments


def _batches(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    from lianfang.kernel import limits

    batch: list[bytes] = []
    size = 0
    for body in bodies:
        if batch and (size + len(body) > BATCH_BYTES or len(batch) == limits.BATCH_PAYMENTS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body) + 1
    yield batch


def _offline(bodies: Sequence[bytes], rules: Sequence[Path], lists: Sequence[Path]) -> Iterator[dict[str, Any]]:
    import json

    from lianfang.app.node.clock import WallClock
    from lianfang.kernel.errors import InputError
    from lianfang.wire import read_payment

    payments = _all_sound(bodies, read_payment)
    decider = offline_decider(rules, lists)
    wall = WallClock()
    for body, payment in zip(bodies, payments, strict=True):
        try:
            yield json.loads(decider.decide(body, payment, wall())[1])
        except InputError as why:
            yield {"payment_id": payment.id, "refused": why.code, "detail": why.what}


def offline_decider(rules: Sequence[Path], lists: Sequence[Path]) -> Decider:
    """A decider of this process: no past, and a journal in memory."""
    from lianfang.app.node.clock import ticks_ns
    from lianfang.app.replay import book_of, load_lists, load_rules
    from lianfang.app.replay.run import REPLAY_KEY
    from lianfang.engines.scoring import NoModel
    from lianfang.services.decide import Decider, hot_path

    book = book_of(load_rules(rules), load_lists(lists), REPLAY_KEY)
    hot = hot_path(book, REPLAY_KEY, memory_bytes=1 << 30, ids_remembered=1 << 16)
    return Decider(book, hot, MemoryJournal(), NoModel(), ticks_ns)


class MemoryRecord:
    """A record of `MemoryJournal`."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        self.parts = parts


class MemoryJournal:
    """Records in memory, for a decider that is not a node."""

    def __init__(self) -> None:
        self._records: list[MemoryRecord] = []
        self.next_seq = 1

    def ready(self) -> None:
        """Always."""

    def append(self, kind: int, at: int, parts: tuple[bytes, ...]) -> int:
        """Keep it."""
        self._records.append(MemoryRecord(parts))
        self.next_seq += 1
        return self.next_seq - 1

    def read(self, seq: int) -> MemoryRecord:
        """What was kept."""
        return self._records[seq - 1]


def _line(answer: dict[str, Any]) -> str:
    if "refused" in answer:
        return f"refused    {answer['payment_id']}  {answer['detail']}"
    reasons = "; ".join(f"{r['zh']} / {r['en']}" for r in answer.get("reasons", ()))
    return f"{answer['action']:<10} {answer['payment_id']}  {reasons}".rstrip()
