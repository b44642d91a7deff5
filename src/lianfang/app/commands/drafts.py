"""`lianfang draft`: a change of rules or of the model, from a draft to live traffic, by two people."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile


def make(
    files: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    /,
    *,
    reason: str,
    remove: tuple[str, ...] = (),
    model: str = "",
    parameters: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    pack: tuple[str, ...] = (),
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Draft a change. It is checked, and changes nothing until somebody else has approved it.

    Parameters
    ----------
    files
        Rule files: their rules are made, or replace those of the same id.
    reason
        Why; the node keeps it on record.
    remove
        Id of a rule to remove.
    model
        Version of a model that the node has, to score by.
    parameters
        A rule file whose parameters get its values, as `lianfang tune` writes it.
    set_
        A parameter and its new value: `victim_large_amount=700_000`; may be repeated.
    pack
        A pack to switch: `crypto=off`; may be repeated.
    key
        API key with the scope `rules`.
    json
        Write the draft to this file.
    """
    import msgspec

    from lianfang.app.commands.common import need_reason
    from lianfang.app.commands.desk import post_draft
    from lianfang.app.replay import load_rules

    rules = load_rules(files).rules if files else ()
    change = {
        "rules": msgspec.to_builtins(rules),
        "remove": list(remove),
        "model": model,
        "parameters": _values(parameters, set_),
        "packs": dict(_switch(one) for one in pack),
    }
    said = need_reason(reason)
    return _asked(key, json, lambda node: post_draft(node, change, said))


def _values(file: Path | None, given: Sequence[str]) -> dict[str, int | float]:
    from lianfang.app.replay import load_rules

    found = {one.name: one.value for one in load_rules([file]).parameters} if file is not None else {}
    return found | dict(_value(one) for one in given)


def _value(text: str) -> tuple[str, int | float]:
    from lianfang.kernel.errors import InputError

    name, _, said = text.partition("=")
    for number in (int, float):
        try:
            return name, number(said)
        except ValueError:
            continue
    raise InputError(f"{text!r} is not `name=value`, as `victim_large_amount=700_000`", "--set")


def _switch(text: str) -> tuple[str, bool]:
    from lianfang.kernel.errors import InputError

    name, _, said = text.partition("=")
    if said not in ("on", "off"):
        raise InputError(f"{text!r} is not `name=on` or `name=off`", "--pack")
    return name, said == "on"


def list_(*, key: str | None = None, json: JsonFile = None) -> int:
    """Drafts and how far they are, the newest first.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write them to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, write_json
    from lianfang.app.commands.desk import get_drafts

    with closing(Node(settings(), key)) as node:
        found = get_drafts(node)
    if str(json) != "-":
        _table(found)
    write_json(json, found)
    return 0


def show(number: int, /, *, key: str | None = None, json: JsonFile = None) -> int:
    """One draft: what it changes, who made and approved it, what the backtest said.

    Parameters
    ----------
    number
        The draft's number.
    key
        API key with the scope `read`.
    json
        Write it to this file.
    """
    from lianfang.app.commands.desk import get_draft

    return _asked(key, json, lambda node: get_draft(node, number))


def backtest(number: int, report: Path, /, *, reason: str, key: str | None = None, json: JsonFile = None) -> int:
    """Attach what `lianfang backtest --json` said of a draft.

    Parameters
    ----------
    number
        The draft's number.
    report
        The JSON file that `lianfang backtest` wrote.
    reason
        What it shows; the node keeps it on record.
    key
        API key with the scope `rules`.
    json
        Write the draft to this file.
    """
    import msgspec

    from lianfang.kernel.errors import InputError

    try:
        said = msgspec.json.decode(report.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as why:
        raise InputError(f"{report} is no report of a backtest: {why}", "report") from why
    return _step(number, "backtest", said, reason, key, json)


def approve(
    number: int, /, *, reason: str, without_backtest: str = "", key: str | None = None, json: JsonFile = None
) -> int:
    """Approve another person's draft.

    Parameters
    ----------
    number
        The draft's number.
    reason
        Why; the node keeps it on record.
    without_backtest
        Why it needs no backtest, where it has none.
    key
        API key with the scope `approve`, not the author's.
    json
        Write the draft to this file.
    """
    return _step(number, "approve", {"without_backtest": without_backtest}, reason, key, json)


def stage(
    number: int,
    to: Literal["shadow", "share", "live"],
    /,
    *,
    reason: str,
    share: float | None = None,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Put an approved draft's next stage in force at the running node.

    Parameters
    ----------
    number
        The draft's number.
    to
        `shadow`: on record, without effect; `share`: for a share of the traffic; `live`: for all.
    reason
        Why; the node keeps it on record.
    share
        Share of the traffic for the stage `share`, by payer's account.
    key
        API key with the scope `rules`.
    json
        Write the draft to this file.
    """
    said = {"stage": to} if share is None else {"stage": to, "share": share}
    return _step(number, "stage", said, reason, key, json)


def rollback(number: int, /, *, reason: str, key: str | None = None, json: JsonFile = None) -> int:
    """Put in force again what was in force before the draft, in one step.

    Parameters
    ----------
    number
        The draft's number.
    reason
        Why; the node keeps it on record.
    key
        API key with the scope `rules`.
    json
        Write the draft to this file.
    """
    return _step(number, "rollback", {}, reason, key, json)


def withdraw(number: int, /, *, reason: str, key: str | None = None, json: JsonFile = None) -> int:
    """Give up a draft that has taken no effect.

    Parameters
    ----------
    number
        The draft's number.
    reason
        Why; the node keeps it on record.
    key
        API key with the scope `rules`.
    json
        Write the draft to this file.
    """
    return _step(number, "withdraw", {}, reason, key, json)


def _step(number: int, step: str, said: dict[str, Any], reason: str, key: str | None, json: JsonFile) -> int:
    from lianfang.app.commands.common import need_reason
    from lianfang.app.commands.desk import step_draft

    why = need_reason(reason)
    return _asked(key, json, lambda node: step_draft(node, number, step, said, why))


def _asked(key: str | None, json: JsonFile, ask: Any) -> int:
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, write_json

    with closing(Node(settings(), key)) as node:
        found = ask(node)
    if str(json) != "-":
        _table([found])
    write_json(json, found)
    return 0


def _table(drafts: Sequence[dict[str, Any]]) -> None:
    from lianfang.app.commands.common import table

    rows = []
    for draft in drafts:
        change = draft["change"]
        touched = [rule["id"] for rule in change.get("rules", [])] + [f"-{one}" for one in change.get("remove", [])]
        touched += [f"model {change['model'][:12]}"] if change.get("model") else []
        touched += [f"{name}={value}" for name, value in change.get("parameters", {}).items()]
        touched += [f"{name}={'on' if on else 'off'}" for name, on in change.get("packs", {}).items()]
        share = f" {draft['share']:.0%}" if draft.get("share") else ""
        backtested = "yes" if draft.get("backtest") else "no"
        rows.append(
            (draft["id"], draft["state"] + share, ", ".join(touched), draft["made_by"], backtested,
             draft.get("approved_by") or "-", draft["reason"])
        )  # fmt: skip
    table("drafts", ("draft", "state", "changes", "by", "backtest", "approved by", "why"), rows)
