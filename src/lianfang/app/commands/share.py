"""`lianfang share`: what this node says to its alliance and hears from it. Raw identifiers go to this node's desk, no further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Literal

from lianfang.app.commands.common import JsonFile

PATH: Final = "/v1/share"
SUBJECTS_A_REQUEST: Final = 5_000


def status(*, key: str | None = None, json: JsonFile = None) -> int:
    """How far this node is with the alliance: log, tokens, what waits, what is wrong.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write it to this file.
    """
    from lianfang.app.commands.common import table

    said = _ask("GET", "", None, "", key)
    if str(json) != "-":
        plain = (
            "member",
            "applied",
            "confirmed",
            "acknowledged",
            "refused_entries",
            "epoch",
            "subjects_told",
            "stale_s",
        )
        table(f"Alliance of {said['member']}", ("what", "now"), [(one, said[one]) for one in plain])
        rows = [(source, one["subjects"], one["tokens"]) for source, one in said["progress"].items()]
        table("Subjects held", ("source", "subjects", "with token"), rows, right=("subjects", "with token"))
        table("Attention", ("about", "what"), list(said["attention"].items()))
        table("Alarms", ("code", "what", "detail"), [(one["code"], one["en"], one["detail"]) for one in said["alarms"]])
    _write(json, said)
    return 0


def keys(member: str, /, *, json: JsonFile = None) -> int:
    """Make this node's keys if they are not there, and print what the hub's operator registers it by.

    Parameters
    ----------
    member
        What the alliance calls this member.
    json
        Write it to this file; else it is printed.
    """
    from lianfang.app.commands.common import json_text, settings
    from lianfang.app.node.alliance_settings import AllianceFiles, registration

    files = AllianceFiles(Path(settings().data_dir))
    files.make()
    said = registration(files, member)
    if json is None:
        print(json_text(said), end="")
    _write(json, said)
    return 0


def customers(file: Path, /, *, key: str | None = None, json: JsonFile = None) -> int:
    """Hold subjects of this node's own customers: their tokens are fetched beforehand, a new epoch's too.

    Parameters
    ----------
    file
        CSV or Parquet with the columns `kind` and `value`.
    key
        API key with the scope `share`.
    json
        Write the counts to this file.
    """
    import msgspec

    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, table

    new, read = 0, 0
    unfit: dict[str, int] = {}
    with closing(Node(settings(), key)) as node:
        for part in _subjects(file):
            said = node.ask("desk", "POST", f"{PATH}/subjects", msgspec.json.encode(part))
            new, read = new + said["new"], read + len(part)
            for why, count in said["unfit"].items():
                unfit[why] = unfit.get(why, 0) + count
    counts = {"read": read, "new": new, "left_out": sum(unfit.values()), "why": unfit}
    if str(json) != "-":
        print(f"{read} subjects read, {new} new, {counts['left_out']} left out")
        if unfit:
            table("Left out", ("why", "subjects"), sorted(unfit.items(), key=lambda one: -one[1]), right=("subjects",))
    _write(json, counts)
    return 0


def _subjects(file: Path) -> Iterator[list[dict[str, str]]]:
    """(kind, value) in parts. Raises `InputError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    from lianfang.kernel.errors import InputError

    texts = csv.ConvertOptions(
        column_types={"kind": pa.string(), "value": pa.string()}, include_columns=["kind", "value"]
    )
    try:
        if file.suffix == ".parquet":
            batches = pq.ParquetFile(file).iter_batches(SUBJECTS_A_REQUEST, columns=["kind", "value"])
        else:
            batches = csv.open_csv(file, convert_options=texts)
        for batch in batches:
            rows = batch.select(["kind", "value"]).cast(pa.schema([("kind", pa.string()), ("value", pa.string())]))
            for start in range(0, rows.num_rows, SUBJECTS_A_REQUEST):
                part = rows.slice(start, SUBJECTS_A_REQUEST).to_pylist()
                yield [one for one in part if one["kind"] and one["value"]]
    except (OSError, pa.ArrowException, KeyError) as why:
        raise InputError(f"{file} is no CSV or Parquet with the columns kind and value: {why}", "file") from why


def propose(
    kind: str,
    value: str,
    /,
    *,
    category: str,
    severity: int,
    confidence: int,
    evidence: Literal["suspected", "reported", "confirmed", "court"],
    days: int,
    reason: str,
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Propose a tag. Nothing is shared before another person approves.

    Parameters
    ----------
    kind
        Kind of the subject: phone, account, device, ...
    value
        The subject; it stays at this node.
    category
        Of the alliance's taxonomy, as `mule`.
    severity
        1 a hint, 3 grave, 5 proven and current.
    confidence
        0 to 100.
    evidence
        What stands behind it.
    days
        How long it is valid, at most 730.
    reason
        Why; the node keeps it on record.
    key
        API key with the scope `share`.
    json
        Write the proposal to this file.
    """
    wanted = {
        "kind": kind, "value": value, "category": category, "severity": severity, "confidence": confidence,
        "evidence": evidence, "days": days,
    }  # fmt: skip
    return _shown(json, _ask("POST", "/proposals", wanted, reason, key))


def proposals(*, key: str | None = None, json: JsonFile = None) -> int:
    """Tags proposed here, the newest first.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write them to this file.
    """
    return _shown(json, *_ask("GET", "/proposals", None, "", key))


def approve(number: int, /, *, reason: str, key: str | None = None, json: JsonFile = None) -> int:
    """Approve another person's proposal: it is sealed, signed and published; kept and sent later while the hub is away.

    Parameters
    ----------
    number
        The proposal's number.
    reason
        Why; the node keeps it on record.
    key
        API key with the scope `approve`, not the author's where two people are asked for.
    json
        Write the proposal to this file.
    """
    return _shown(json, _ask("POST", f"/proposals/{number}/approve", {}, reason, key))


def reject(number: int, /, *, reason: str, key: str | None = None, json: JsonFile = None) -> int:
    """Reject a proposal.

    Parameters
    ----------
    number
        The proposal's number.
    reason
        Why; the node keeps it on record.
    key
        API key with the scope `approve`.
    json
        Write the proposal to this file.
    """
    return _shown(json, _ask("POST", f"/proposals/{number}/reject", {}, reason, key))


def withdraw(
    tag: str, /, *, because: Literal["mistaken", "resolved"], reason: str, key: str | None = None, json: JsonFile = None
) -> int:
    """Take back a tag of this node's; every member acknowledges it.

    Parameters
    ----------
    tag
        The tag's id.
    because
        What the others are told.
    reason
        Why; only this node keeps it on record.
    key
        API key with the scope `share`.
    json
        Write what is queued to this file.
    """
    return _queued(json, _ask("POST", "/withdraw", {"of": tag, "reason": because}, reason, key))


def opinion(
    tag: str, stance: Literal["agree", "dispute"], /, *, reason: str, key: str | None = None, json: JsonFile = None
) -> int:
    """Agree with, or dispute, another member's tag.

    Parameters
    ----------
    tag
        The tag's id.
    stance
        What this member thinks of it; its last word counts.
    reason
        Why; only this node keeps it on record.
    key
        API key with the scope `share`.
    json
        Write what is queued to this file.
    """
    return _queued(json, _ask("POST", "/opinion", {"of": tag, "stance": stance}, reason, key))


def appeal(
    tag: str,
    /,
    *,
    reason: str,
    state: Literal["opened", "rejected", "upheld"] = "opened",
    key: str | None = None,
    json: JsonFile = None,
) -> int:
    """Contest a tag on a person's behalf; a regulator also decides.

    Parameters
    ----------
    tag
        The tag's id.
    reason
        Why; only this node keeps it on record.
    state
        `opened`, or how a regulator decides.
    key
        API key with the scope `share`.
    json
        Write what is queued to this file.
    """
    return _queued(json, _ask("POST", "/appeal", {"of": tag, "state": state}, reason, key))


def portrait(
    kind: str, value: str, /, *, reason: str, ask: bool = False, key: str | None = None, json: JsonFile = None
) -> int:
    """Who said what of a subject, when, how sure. The look is on record.

    Parameters
    ----------
    kind
        Kind of the subject.
    value
        The subject; it stays at this node.
    reason
        Why one looks; the node keeps it on record.
    ask
        Ask the keyholders if the subject is not held here: it costs quota.
    key
        API key with the scope `share`.
    json
        Write it to this file.
    """
    from lianfang.app.commands.common import table

    said = _ask("POST", "/portrait", {"kind": kind, "value": value, "ask": ask}, reason, key)
    if str(json) != "-":
        if not said["held"]:
            print("This subject is not held here, so nothing of it can be opened; --ask spends quota on it.")
        rows = [
            (
                one["tag"]["id"], one["tag"]["contributor"], one["tag"]["category"], one["tag"]["severity"],
                one["confidence_now"], one["tag"]["last_seen"][:10], one["tag"]["valid_until"][:10],
                one["withdrawn"] or ("stands" if one["stands"] else "ended"), ", ".join(one["disputed"]),
            )
            for one in said["lines"]
        ]  # fmt: skip
        columns = ("tag", "by", "category", "severity", "confidence now", "last seen", "until", "state", "disputed by")
        table(f"{kind}: {said['confidence']} of 100", columns, rows, right=("severity", "confidence now"))
    _write(json, said)
    return 0


def outbox(*, key: str | None = None, json: JsonFile = None) -> int:
    """What was, or is to be, sent to the hub, the newest first.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write it to this file.
    """
    from lianfang.app.commands.common import table

    said = _ask("GET", "/outbox", None, "", key)
    if str(json) != "-":
        columns = ("id", "what", "state", "by", "entry", "why")
        table("Outbox", columns, [(o["id"], o["key"], o["state"], o["by"], o["place"], o["why"]) for o in said])
    _write(json, said)
    return 0


def benefit(*, key: str | None = None, json: JsonFile = None) -> int:
    """By month and contributor: payments that met its tags, were stopped, turned out to be fraud or genuine.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write it to this file.
    """
    from lianfang.app.commands.common import table

    said = _ask("GET", "/benefit", None, "", key)
    if str(json) != "-":
        columns = ("month", "contributor", "met", "stopped", "fraud", "genuine")
        table(
            "What others' tags were worth", columns, [tuple(one[c] for c in columns) for one in said], right=columns[2:]
        )
    _write(json, said)
    return 0


def _ask(method: str, path: str, body: Any, reason: str, key: str | None) -> Any:
    import msgspec

    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import need_reason, settings

    why = need_reason(reason) if method != "GET" else ""
    with closing(Node(settings(), key)) as node:
        return node.ask("desk", method, PATH + path, None if body is None else msgspec.json.encode(body), reason=why)


def _shown(json: JsonFile, *found: dict[str, Any]) -> int:
    from lianfang.app.commands.common import table

    if str(json) != "-":
        columns = ("id", "tag", "kind", "category", "severity", "state", "source", "place", "why")
        rows: Sequence[Sequence[Any]] = [tuple(one.get(column) for column in columns) for one in found]
        table("Proposals", columns, rows, right=("severity",))
    _write(json, list(found))
    return 0


def _queued(json: JsonFile, said: dict[str, Any]) -> int:
    if str(json) != "-":
        print(f"{said['key']} is on its way: `lianfang share outbox` says how far")
    _write(json, said)
    return 0


def _write(json: JsonFile, value: Any) -> None:
    from lianfang.app.commands.common import write_json

    write_json(json, value)
