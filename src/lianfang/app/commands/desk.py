"""What the commands ask the desk: one function a question, so that its paths stand in one place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from lianfang.app.commands.client import Node
    from lianfang.wire import ListEntry, Rule, RuleSet

RULES: Final = "/v1/rules"
LISTS: Final = "/v1/lists"
KEYS: Final = "/v1/keys"
PACKS: Final = "/v1/packs"
PARAMETERS: Final = "/v1/parameters"
MODELS: Final = "/v1/models"
MODEL: Final = "/v1/model"
DRAFTS: Final = "/v1/drafts"
ENTRIES_A_REQUEST: Final = 5_000
ENTRIES_A_PAGE: Final = 1_000


def get_rules(node: Node) -> list[Rule]:
    """The rules in force, in the order in which they run."""
    from lianfang.wire import Rule, build

    return [build(Rule, shown["rule"]) for shown in node.ask("desk", "GET", RULES)["rules"]]


def check_rules(node: Node, ruleset: RuleSet) -> dict[str, Any]:
    """What the node would say to these rules; nothing is changed."""
    from lianfang.wire import write

    return dict(node.ask("desk", "POST", f"{RULES}/check", write(ruleset)))


def put_rule(node: Node, rule: Rule, reason: str) -> dict[str, Any]:
    """Make or replace one rule."""
    from lianfang.wire import write

    return dict(node.ask("desk", "PUT", f"{RULES}/{quote(rule.id, safe='')}", write(rule), reason=reason))


def drop_rule(node: Node, rule_id: str, reason: str) -> None:
    """Remove a rule that no file holds."""
    node.ask("desk", "DELETE", f"{RULES}/{quote(rule_id, safe='')}", reason=reason)


def get_lists(node: Node) -> list[dict[str, Any]]:
    """Every list: name, effect, entries."""
    return list(node.ask("desk", "GET", LISTS))


def get_entries(node: Node, name: str) -> Iterator[dict[str, Any]]:
    """A list's entries, page by page."""
    cursor: int | None = 0
    while cursor is not None:
        where = f"{LISTS}/{quote(name, safe='')}/entries?cursor={cursor}&limit={ENTRIES_A_PAGE}"
        page = node.ask("desk", "GET", where)
        yield from page["entries"]
        cursor = page["next"]


def post_entries(
    node: Node, name: str, entries: Sequence[ListEntry], reason: str, *, dry_run: bool = False
) -> dict[str, int]:
    """Add entries, or only try; how many were added, changed, unchanged."""
    from lianfang.wire import write

    counts: dict[str, int] = {}
    for start in range(0, len(entries), ENTRIES_A_REQUEST):
        part = list(entries[start : start + ENTRIES_A_REQUEST])
        where = f"{LISTS}/{quote(name, safe='')}/entries" + ("?dry_run=true" if dry_run else "")
        said = node.ask("desk", "POST", where, write(part), reason=reason)
        counts = {what: counts.get(what, 0) + number for what, number in said.items()}
    return counts


def delete_entries(node: Node, name: str, subjects: Sequence[dict[str, str]], reason: str) -> int:
    """Remove entries by subject and value; how many were there."""
    from lianfang.wire import write

    removed = 0
    for start in range(0, len(subjects), ENTRIES_A_REQUEST):
        part = write(list(subjects[start : start + ENTRIES_A_REQUEST]))
        said = node.ask("desk", "DELETE", f"{LISTS}/{quote(name, safe='')}/entries", part, reason=reason)
        removed += said["removed"]
    return removed


def get_packs(node: Node) -> list[dict[str, Any]]:
    """The rule packs, and whether they run."""
    return list(node.ask("desk", "GET", PACKS))


def put_pack(node: Node, name: str, reason: str, *, on: bool) -> dict[str, Any]:
    """Switch a pack."""
    from lianfang.wire import write

    return dict(node.ask("desk", "PUT", f"{PACKS}/{quote(name, safe='')}", write({"on": on}), reason=reason))


def get_parameters(node: Node) -> list[dict[str, Any]]:
    """The numbers that rules call by name."""
    return list(node.ask("desk", "GET", PARAMETERS))


def put_parameter(node: Node, name: str, value: float | None, reason: str) -> dict[str, Any]:
    """Give a parameter another value; None: the file's again."""
    from lianfang.wire import write

    where = f"{PARAMETERS}/{quote(name, safe='')}"
    if value is None:
        return dict(node.ask("desk", "DELETE", where, reason=reason))
    return dict(node.ask("desk", "PUT", where, write({"value": value}), reason=reason))


def get_models(node: Node) -> list[dict[str, Any]]:
    """The models the node has, and what they do."""
    return list(node.ask("desk", "GET", MODELS))


def put_model(node: Node, brought: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    """Score by a model; the models the node then has."""
    from lianfang.wire import write

    return list(node.ask("desk", "PUT", MODEL, write(brought), reason=reason))


def drop_model(node: Node, role: str, reason: str) -> bool:
    """Score by none in this role; whether there was one."""
    return bool(node.ask("desk", "DELETE", f"{MODEL}?role={role}", reason=reason)["was"])


def get_keys(node: Node) -> list[dict[str, Any]]:
    """The keys there are, without their secrets."""
    return list(node.ask("desk", "GET", KEYS))


def post_key(node: Node, wanted: dict[str, Any], reason: str) -> dict[str, Any]:
    """A new key; its text is in the answer, and nowhere else ever after."""
    from lianfang.wire import write

    return dict(node.ask("desk", "POST", KEYS, write(wanted), reason=reason))


def rotate_key(node: Node, key_id: str, reason: str) -> dict[str, Any]:
    """A successor with the same scopes; the old key works on for a day."""
    return dict(node.ask("desk", "POST", f"{KEYS}/{quote(key_id, safe='')}/rotate", b"", reason=reason))


def revoke_key(node: Node, key_id: str, reason: str) -> None:
    """End a key now."""
    node.ask("desk", "DELETE", f"{KEYS}/{quote(key_id, safe='')}", reason=reason)


def get_drafts(node: Node) -> list[dict[str, Any]]:
    """Drafts of changes, the newest first."""
    return list(node.ask("desk", "GET", DRAFTS))


def get_draft(node: Node, number: int) -> dict[str, Any]:
    """One draft."""
    return dict(node.ask("desk", "GET", f"{DRAFTS}/{number}"))


def post_draft(node: Node, change: dict[str, Any], reason: str) -> dict[str, Any]:
    """Draft a change."""
    return dict(node.ask("desk", "POST", DRAFTS, _json(change), reason=reason))


def step_draft(node: Node, number: int, step: str, said: dict[str, Any], reason: str) -> dict[str, Any]:
    """`backtest`, `approve`, `stage`, `rollback` or `withdraw` a draft."""
    return dict(node.ask("desk", "POST", f"{DRAFTS}/{number}/{step}", _json(said), reason=reason))


def _json(value: dict[str, Any]) -> bytes:
    import msgspec

    return msgspec.json.encode(value)
