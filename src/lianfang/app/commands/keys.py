"""`lianfang keys`: API keys of the running node."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

Scopes = Annotated[
    tuple[Literal["decide", "read", "outcomes", "rules", "lists", "admin"], ...],
    Parameter(name=["--scope", "--scopes"], negative=()),
]


def issue(
    *,
    scopes: Scopes,
    reason: str,
    note: str = "",
    rate: float | None = None,
    lifetime: str | None = None,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Make a new key. Its text is shown once, and kept nowhere.

    Parameters
    ----------
    scopes
        What it may do; may be repeated.
    reason
        Why it is done; the node keeps it on record.
    note
        Whose it is, and for what.
    rate
        Payments a second.
    lifetime
        How long it is valid: 90d, 12h. Without: until revoked.
    key
        API key with the scope `admin`.
    json
        Write the answer to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, write_json
    from lianfang.app.commands.desk import post_key
    from lianfang.kernel.instant import seconds_of

    wanted = {"scopes": list(scopes), "note": note, "rate_per_s": rate}
    wanted["lifetime_s"] = seconds_of(lifetime) if lifetime else None
    made = post_key(Node(settings(), key), {name: value for name, value in wanted.items() if value is not None}, reason)
    print(made["text"])
    write_json(json, made)
    return 0


def list_(*, key: str | None = None, json: JsonFile = None) -> int:
    """List the keys there are; never their secrets.

    Parameters
    ----------
    key
        API key with the scope `admin`.
    json
        Write them to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, table, write_json
    from lianfang.app.commands.desk import get_keys

    rows = get_keys(Node(settings(), key))
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if str(json) != "-":
        table("keys", columns or ["nothing"], [[row.get(column) for column in columns] for row in rows])
    write_json(json, rows)
    return 0


def rotate(key_id: str, /, *, reason: str, key: str | None = None, json: JsonFile = None) -> int:
    """Make a successor with the same scopes. The old key works on for a day.

    Parameters
    ----------
    key_id
        The key's id: the middle part of its text.
    reason
        Why it is done; the node keeps it on record.
    key
        API key with the scope `admin`.
    json
        Write the answer to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, write_json
    from lianfang.app.commands.desk import rotate_key

    made = rotate_key(Node(settings(), key), key_id, reason)
    print(made["text"])
    write_json(json, made)
    return 0


def revoke(key_id: str, /, *, reason: str, key: str | None = None) -> int:
    """End a key now.

    Parameters
    ----------
    key_id
        The key's id: the middle part of its text.
    reason
        Why it is done; the node keeps it on record.
    key
        API key with the scope `admin`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings
    from lianfang.app.commands.desk import revoke_key

    revoke_key(Node(settings(), key), key_id, reason)
    print(f"{key_id} is revoked")
    return 0
