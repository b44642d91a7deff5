"""What the commands ask the desk: one function a question, so that its paths stand in one place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from lianfang.app.commands.client import Node
    from lianfang.wire import ListEntry, RuleSet

RULES = "/v1/rules"
LISTS = "/v1/lists"
KEYS = "/v1/keys"
ENTRIES_A_REQUEST = 1_000


def get_rules(node: Node) -> RuleSet:
    """The rule set in force."""
    from lianfang.wire import RuleSet, build

    said = node.ask("desk", "GET", RULES)
    return build(RuleSet, said.get("ruleset", said))


def put_rules(node: Node, ruleset: RuleSet, reason: str) -> dict[str, Any]:
    """Put a rule set in force; what the desk says of it."""
    import msgspec

    from lianfang.wire import write

    body = write({"ruleset": msgspec.to_builtins(ruleset), "reason": reason})
    return dict(node.ask("desk", "PUT", RULES, body))


def get_lists(node: Node) -> list[dict[str, Any]]:
    """Every list: name, effect, entries."""
    return list(node.ask("desk", "GET", LISTS))


def get_entries(node: Node, name: str) -> Iterator[dict[str, Any]]:
    """A list's entries."""
    yield from node.ask("desk", "GET", f"{LISTS}/{quote(name)}/entries")


def post_entries(node: Node, name: str, entries: Sequence[ListEntry]) -> int:
    """Add entries; how many are new."""
    from lianfang.wire import write

    added = 0
    for start in range(0, len(entries), ENTRIES_A_REQUEST):
        part = list(entries[start : start + ENTRIES_A_REQUEST])
        said = node.ask("desk", "POST", f"{LISTS}/{quote(name)}/entries", write(part))
        added += int(said.get("added", len(part)))
    return added


def get_keys(node: Node) -> list[dict[str, Any]]:
    """The keys there are, without their secrets."""
    return list(node.ask("desk", "GET", KEYS))


def post_key(node: Node, wanted: dict[str, Any]) -> dict[str, Any]:
    """A new key; its text is in the answer, and nowhere else ever after."""
    from lianfang.wire import write

    return dict(node.ask("desk", "POST", KEYS, write(wanted)))


def rotate_key(node: Node, key_id: str) -> dict[str, Any]:
    """A successor with the same scopes; the old key works on for a day."""
    return dict(node.ask("desk", "POST", f"{KEYS}/{quote(key_id)}/rotate", b"{}"))


def revoke_key(node: Node, key_id: str) -> None:
    """End a key now."""
    node.ask("desk", "DELETE", f"{KEYS}/{quote(key_id)}")
