"""`lianfang keyholder`: one of the n who hold a share of the token keys; the ceremony that deals them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.app.keyholder.folder import Folder

Data = Annotated[Path, Parameter(name=["--data"])]
Many = Annotated[tuple[str, ...], Parameter(negative=())]
DATA: Final = Path("keyholder")


def init(member: str, /, *, data: Data = DATA, hub: str = "", members: str = "", port: int = 8731) -> int:
    """Make a keyholder's folder with its keys, and print what the hub's operator registers it by.

    Parameters
    ----------
    member
        The member that holds the share.
    data
        Its folder.
    hub
        Address of the hub.
    members
        Instead of a hub: a file with the members.
    port
        Port of its door.
    """
    from lianfang.app.commands.common import json_text
    from lianfang.app.keyholder.folder import registration
    from lianfang.app.keyholder.settings import NAME
    from lianfang.infra.published import write_whole
    from lianfang.kernel.errors import InputError

    if bool(hub) == bool(members):
        raise InputError("say who knows the members: --hub ADDRESS, or --members FILE")
    folder = _folder(data)
    folder.make()
    source = f'hub = "{hub}"' if hub else f'members = "{members}"'
    write_whole(data / NAME, f'id = "{member}"\nport = {port}\n{source}\n'.encode())
    print(json_text(registration(folder, member)), end="")
    return 0


def deal(
    *,
    members: Path,
    holder: Many,
    threshold: int,
    epoch: str,
    present: Many,
    out: Path,
    purpose: Many = ("anti_fraud",),
) -> int:
    """Deal the token keys of an epoch: a sealed box for each holder, a transcript for all. Before witnesses, once.

    Parameters
    ----------
    members
        File with the members, as the hub says them.
    holder
        The holders, in the order of their places; named once each.
    threshold
        How many of them are needed for a token.
    epoch
        The quarter, as 2026Q4.
    present
        Who is at the ceremony, the dealer first; at least two.
    out
        Folder for the boxes and the transcript; must not be there yet.
    purpose
        Purposes to deal keys for.
    """
    import secrets

    from lianfang.app.node.clock import WallClock
    from lianfang.infra.published import write_whole
    from lianfang.kernel.errors import InputError
    from lianfang.services.keyholding import deal as deal_keys
    from lianfang.wire import Purpose, write
    from lianfang.wire.listing import SubjectKind

    known = {one.id: one for one in _members(members) if one.state == "active"}
    missing = [one for one in holder if one not in known]
    if missing:
        raise InputError(f"{', '.join(missing)} is no active member in {members}", "--holder")
    unknown = [one for one in purpose if one not in get_args(Purpose)]
    if unknown:
        raise InputError(f"there is no purpose {unknown[0]}; there are {', '.join(get_args(Purpose))}", "--purpose")
    if out.exists():
        raise InputError(f"{out} is there already: a ceremony gets a folder of its own", "--out")
    keys: Any = [(kind, one) for one in purpose for kind in get_args(SubjectKind)]
    dealt = deal_keys(
        [known[one] for one in holder], threshold, epoch, keys, present, secrets.token_hex(16), WallClock()(),
        secrets.token_bytes,
    )  # fmt: skip
    out.mkdir(mode=0o700, parents=True)
    write_whole(out / "transcript.json", write(dealt.transcript))
    for one, box in zip(holder, dealt.boxes, strict=True):
        write_whole(out / f"{one}.box", box)
    print(
        f"{len(keys)} keys of {epoch}, {threshold} of {len(holder)}: {out}/transcript.json and a box for each holder."
    )
    print("Give each holder its box and the transcript; each takes its shares, and signs the transcript:")
    print(f"  lianfang keyholder take {out}/HOLDER.box {out}/transcript.json --data FOLDER > HOLDER.signed.json")
    print("Then the hub's operator puts it on the log: lianfang hub ceremony")
    return 0


def take(box: Path, transcript: Path, /, *, data: Data = DATA) -> int:
    """Take one's shares out of the box, check each, keep them; print the signature under the transcript.

    Parameters
    ----------
    box
        The sealed box.
    transcript
        The ceremony's transcript.
    data
        The keyholder's folder.
    """
    import sys

    from lianfang.app.commands.common import json_text
    from lianfang.app.keyholder.folder import Kept
    from lianfang.app.keyholder.settings import load
    from lianfang.services.keyholding import open_shares
    from lianfang.services.keyholding.ceremony import read_transcript, witness

    folder, settings = _folder(data), load(data)
    told = read_transcript(_bytes(transcript))
    shares = open_shares(_bytes(box), told, settings.id, folder.sealing)
    path = folder.keep(Kept(shares=shares, transcript=told))
    signed = witness(told, settings.id, folder.signing)
    print(f"{len(shares.keys)} shares of {told.epoch}, place {shares.place}, each checked: {path}", file=sys.stderr)
    print("A running keyholder takes them up when it is restarted.", file=sys.stderr)
    print(json_text({"member": signed.member, "signature": _base64(signed.signature)}), end="")
    return 0


def check(transcript: Path, /, *signed: Path, members: Path) -> int:
    """Check that every holder signed the transcript.

    Parameters
    ----------
    transcript
        The ceremony's transcript.
    signed
        The holders' signatures, a file each.
    members
        File with the members, as the hub says them.
    """
    from lianfang.services.keyholding.ceremony import Witnessed, check_witnessed, read_transcript
    from lianfang.wire import Reader

    told = read_transcript(_bytes(transcript))
    read = Reader(Witnessed)
    check_witnessed(told, [read(_bytes(one)) for one in signed], {one.id: one.signing for one in _members(members)})
    print(
        f"all {len(told.holders)} holders signed the ceremony of {told.epoch} ({told.threshold} of {len(told.holders)})"
    )
    return 0


def serve(*, data: Data = DATA, port: int | None = None) -> int:
    """Run a keyholder until it is told to stop.

    Parameters
    ----------
    data
        Its folder.
    port
        Port of its door, in the place of the setting's. 0: any free one.
    """
    import msgspec

    from lianfang.app.keyholder.process import serve as serve_it
    from lianfang.app.keyholder.settings import load
    from lianfang.app.node.logs import set_up_logs

    settings = load(data)
    set_up_logs("info", "keyholder")
    return serve_it(data, settings if port is None else msgspec.structs.replace(settings, port=port))


def status(*, data: Data = DATA, json: JsonFile = None) -> int:
    """Which epochs' shares it holds, how many requests stand in its access log.

    Parameters
    ----------
    data
        Its folder.
    json
        Also write it to this file.
    """
    from lianfang.app.commands.common import table, write_json
    from lianfang.app.keyholder.settings import load

    kept = _folder(data).kept()
    rows = [
        (
            one.shares.epoch,
            f"{one.transcript.threshold} of {len(one.transcript.holders)}",
            one.shares.place,
            len(one.shares.keys),
        )
        for one in kept
    ]
    if str(json) != "-":
        table(f"keyholder {load(data).id}", ("epoch", "holders", "place", "keys"), rows, right=("place", "keys"))
    write_json(json, [{"epoch": e, "holders": h, "place": p, "keys": k} for e, h, p, k in rows])
    return 0


def alarms(*, data: Data = DATA, json: JsonFile = None) -> int:
    """Who ran dry, or asks about what leads to nothing.

    Parameters
    ----------
    data
        The keyholder's folder.
    json
        Also write them to this file.
    """
    import msgspec

    from lianfang.app.commands.common import table, write_json
    from lianfang.infra.sql import open_database, sqlite_url
    from lianfang.kernel.instant import moment
    from lianfang.services.keyholding import store

    database = open_database(sqlite_url(_folder(data).records))
    store.prepare(database)
    with database.reading() as connection:
        found = store.alarms_kept(connection)
    database.close()
    if str(json) != "-":
        rows = [(f"{moment(one.at):%Y-%m-%d %H:%M:%S}", one.member, one.code, one.zh, one.en) for one in found]
        table("alarms", ("time (UTC)", "member", "code", "", ""), rows)
    write_json(json, msgspec.to_builtins(found))
    return 0


def forget(epoch: str, /, *, data: Data = DATA, reason: str) -> int:
    """Delete an epoch's shares for good: once no tag of it can be valid any more.

    Parameters
    ----------
    epoch
        The quarter, as 2026Q4.
    data
        The keyholder's folder.
    reason
        Why; kept on record.
    """
    from lianfang.app.commands.common import need_reason
    from lianfang.app.keyholder.settings import load
    from lianfang.app.node.clock import WallClock
    from lianfang.infra.sql import open_database, prepare_changes, record, sqlite_url
    from lianfang.kernel.instant import Instant

    why, folder = need_reason(reason), _folder(data)
    database = open_database(sqlite_url(folder.records))
    prepare_changes(database)
    with database.writing() as connection:
        at = Instant(WallClock()())
        record(connection, who=load(data).id, act="shares.forget", what=epoch, reason=why, at=at, detail={})
        folder.forget(epoch)
    database.close()
    print(f"the shares of {epoch} are gone; restart the keyholder")
    return 0


def _folder(data: Path) -> Folder:
    from lianfang.app.keyholder.folder import Folder

    return Folder(data)


def _members(path: Path) -> Any:
    from lianfang.app.keyholder.members import FromFile

    return FromFile(path).ask().members


def _bytes(path: Path) -> bytes:
    from lianfang.kernel.errors import InputError

    try:
        return path.read_bytes()
    except OSError as why:
        raise InputError(f"{path} cannot be read: {why.strerror}") from why


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()
