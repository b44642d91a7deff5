"""`lianfang hub`: the alliance's meeting point; its members, vetoes and appeals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.hub.client import OperatorClient

Data = Annotated[Path, Parameter(name=["--data"])]
Many = Annotated[tuple[str, ...], Parameter(negative=())]
DATA: Final = Path("hub")


def init(
    *,
    data: Data = DATA,
    origin: str,
    zh: str = "联防中心",
    en: str = "The hub",
    quorum: int = 0,
    port: int = 8721,
) -> int:
    """Make a hub's folder with its keys and the log's first entry, and print what members follow it by.

    Parameters
    ----------
    data
        Its folder.
    origin
        Name of the tag log, as `tags.alliance.example`. Never changes.
    zh
        The hub's name in Chinese.
    en
        The hub's name in English.
    quorum
        So many witnesses must cosign a checkpoint before it counts.
    port
        Port of its door.
    """
    from lianfang.app.commands.common import json_text
    from lianfang.app.hub.folder import Folder
    from lianfang.app.hub.settings import NAME, load
    from lianfang.app.node.clock import WallClock
    from lianfang.infra.published import write_whole

    folder = Folder(data)
    folder.make(origin)
    write_whole(data / NAME, f'origin = "{origin}"\nport = {port}\nquorum = {quorum}\n'.encode())
    load(data)
    folder.begin(origin, zh, en, WallClock()())
    print(json_text({"origin": origin, **folder.about()}), end="")
    return 0


def serve(*, data: Data = DATA, port: int | None = None) -> int:
    """Run the hub until it is told to stop.

    Parameters
    ----------
    data
        Its folder.
    port
        Port of its door, in the place of the setting's. 0: any free one.
    """
    import msgspec

    from lianfang.app.hub.process import serve as serve_it
    from lianfang.app.hub.settings import load
    from lianfang.app.node.logs import set_up_logs

    settings = load(data)
    set_up_logs("info", "hub")
    return serve_it(data, settings if port is None else msgspec.structs.replace(settings, port=port))


def add(
    registration: Path,
    /,
    *,
    role: Many,
    reason: str,
    data: Data = DATA,
    zh: str | None = None,
    en: str | None = None,
    declared: int | None = None,
) -> int:
    """Register a member from the file that its `init` printed: id, names, keys. The reason stays at the hub.

    Parameters
    ----------
    registration
        JSON with id, zh, en, signing, sealing (hex or base64), and what else is known: witness, witness_url, certificates.
    role
        What it may do: contributor, reader, keyholder, witness, regulator.
    reason
        Why; kept on record.
    data
        The hub's folder.
    zh
        Its name in Chinese, in the place of the registration's.
    en
        Its name in English, in the place of the registration's.
    declared
        How many subjects of its own it declares; sets what it may ask and send.
    """
    from lianfang.app.hub.client import registration_of

    told = {"roles": role, "zh": zh, "en": en, "declared": declared}
    body = {**registration_of(registration), **{k: v for k, v in told.items() if v is not None}}
    place = _client(data).act("/v1/operator/members", body, reason)
    print(f"{body['id']} is a member: entry {place} of the log")
    return 0


def rotate(member: str, /, *, registration: Path, reason: str, data: Data = DATA) -> int:
    """Give a member new keys, or change what else a registration says of it. Keys no longer named are revoked.

    Parameters
    ----------
    member
        Its id.
    registration
        JSON with what changes: signing, sealing, witness, witness_url, certificates, roles, declared.
    reason
        Why; kept on record.
    data
        The hub's folder.
    """
    from lianfang.app.hub.client import registration_of

    body = {k: v for k, v in registration_of(registration).items() if k not in ("id", "zh", "en")}
    place = _client(data).act(f"/v1/operator/members/{member}/change", body, reason)
    print(f"{member} is changed: entry {place} of the log; sessions of an old key have ended")
    return 0


def expel(member: str, /, *, reason: str, withdraw: bool = False, data: Data = DATA) -> int:
    """Expel a member: its sessions, feeds and keys end at once.

    Parameters
    ----------
    member
        Its id.
    reason
        Why; kept on record.
    withdraw
        Withdraw all of its tags, too.
    data
        The hub's folder.
    """
    place = _client(data).act(f"/v1/operator/members/{member}/expel", {"withdraw": withdraw}, reason)
    print(f"{member} is expelled: entry {place} of the log")
    return 0


def list_(*, data: Data = DATA, json: JsonFile = None) -> int:
    """The members.

    Parameters
    ----------
    data
        The hub's folder.
    json
        Also write them to this file.
    """
    from lianfang.app.commands.common import table, write_json

    found = _client(data).get("/v1/operator/members")
    rows = [
        (
            m["id"],
            f"{m['zh']} {m['en']}",
            " ".join(m["roles"]),
            m["state"],
            m.get("declared", 0),
            m["local"]["witness_url"],
        )
        for m in found
    ]
    if str(json) != "-":
        table("members", ("id", "name", "roles", "state", "declared", "witness"), rows, right=("declared",))
    write_json(json, found)
    return 0


def veto(
    lookup: str, /, *, kind: str, epoch: str, why: str, reason: str, purpose: str = "anti_fraud", data: Data = DATA
) -> int:
    """A subject that must never be tagged, by its lookup.

    Parameters
    ----------
    lookup
        32 hexadecimal digits; `lianfang token` makes it of a subject.
    kind
        Kind of the subject, as account.
    epoch
        The quarter whose keys made the lookup, as 2026Q4.
    why
        hospital, tax, payroll, reserve, court, utility, school or charity.
    reason
        Why; kept on record.
    purpose
        Purpose of the lookup.
    data
        The hub's folder.
    """
    body = {"kind": kind, "purpose": purpose, "epoch": epoch, "lookup": _base64(lookup), "reason": why}
    place = _client(data).act("/v1/operator/vetoes", body, reason)
    print(f"vetoed: entry {place} of the log")
    return 0


def appeal(tag: str, state: str, /, *, reason: str, data: Data = DATA) -> int:
    """Open or decide an appeal against a tag. Upheld, the tag is withdrawn everywhere.

    Parameters
    ----------
    tag
        The tag's id.
    state
        opened, rejected or upheld.
    reason
        Why; kept on record.
    data
        The hub's folder.
    """
    place = _client(data).act("/v1/operator/appeals", {"of": tag, "state": state}, reason)
    print(f"the appeal is {state}: entry {place} of the log")
    return 0


def ceremony(file: Path, /, *, reason: str, data: Data = DATA) -> int:
    """Put the public side of an epoch's token keys on the log.

    Parameters
    ----------
    file
        The ceremony's transcript, or its entry.
    reason
        Who checked it, and how; kept on record.
    data
        The hub's folder.
    """
    from lianfang.app.hub.client import ceremony_of

    place = _client(data).act("/v1/operator/ceremonies", ceremony_of(file), reason)
    print(f"the ceremony stands in the log: entry {place}")
    return 0


def status(*, data: Data = DATA, json: JsonFile = None) -> int:
    """Size, quorum, alarms, and withdrawals that somebody has not acknowledged.

    Parameters
    ----------
    data
        The hub's folder.
    json
        Also write it to this file.
    """
    from lianfang.app.commands.common import table, write_json

    found = _client(data).get("/v1/state")
    if str(json) != "-":
        cosigned = sum(one["cosigned"] for one in found["witnesses"])
        rows: list[tuple[str, Any]] = [
            ("log", found["origin"]),
            ("entries", f"{found['size']:,}, {found['published']:,} under a checkpoint"),
            ("witnesses", f"{cosigned} of {len(found['witnesses'])} cosigned, {found['quorum']} needed"),
            ("living tags", f"{found['living_tags']:,}"),
            *(("ALARM", f"{about}: {why}") for about, why in found["alarms"].items()),
            *(
                (("OVERDUE" if one["overdue"] else "not acknowledged"), f"{one['of']} by {', '.join(one['by'])}")
                for one in found["unacknowledged"]
            ),
        ]
        table("hub", ("", ""), rows)
    write_json(json, found)
    return 1 if found["alarms"] else 0


def alarms(*, data: Data = DATA, json: JsonFile = None) -> int:
    """Alarms, those that are over too.

    Parameters
    ----------
    data
        The hub's folder.
    json
        Also write them to this file.
    """
    from lianfang.app.commands.common import table, write_json
    from lianfang.kernel.instant import moment

    found = _client(data).get("/v1/operator/alarms")
    if str(json) != "-":
        rows = [
            (f"{moment(a['at']):%Y-%m-%d %H:%M:%S}", "over" if a.get("ended_at") else "lasts", a["zh"], a["en"])
            for a in found
        ]
        table("alarms", ("time (UTC)", "", "", ""), rows)
    write_json(json, found)
    return 0


def _client(data: Path) -> OperatorClient:
    from lianfang.app.hub.client import OperatorClient

    return OperatorClient(data)


def _base64(text: str) -> str:
    import base64

    from lianfang.kernel.errors import InputError

    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError as why:
        raise InputError("a lookup is 32 hexadecimal digits", "LOOKUP") from why
