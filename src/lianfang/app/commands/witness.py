"""`lianfang witness`: cosign other parties' logs, each history once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

Data = Annotated[Path, Parameter(name=["--data"])]
DATA: Final = Path("witness")


def init(name: str, /, *, data: Data = DATA) -> int:
    """Make a witness's folder with its key, and print the verifier key that the hub's operator registers.

    Parameters
    ----------
    name
        The witness's name, as `witness.bank-a.example`.
    data
        Its folder.
    """
    from lianfang.app.commands.common import json_text
    from lianfang.app.witness.process import make_key

    print(json_text({"witness": str(make_key(data, name).verifier)}), end="")
    return 0


def add(origin: str, key: str, /, *, reason: str, data: Data = DATA) -> int:
    """Watch a log: cosign its checkpoints from now on. A running witness takes it up when it is restarted.

    Parameters
    ----------
    origin
        The log's name.
    key
        The verifier key that signs it, as `lianfang hub init` prints.
    reason
        Why; kept on record.
    data
        The witness's folder.
    """
    from lianfang.app.commands.common import need_reason
    from lianfang.app.witness.process import open_watch
    from lianfang.services.witness import Watched

    why = need_reason(reason)
    open_watch(data).watch(Watched(origin, key), "operator", why)
    print(f"{origin} is watched")
    return 0


def serve(
    *, data: Data = DATA, host: str = "127.0.0.1", port: int = 8741, tls_cert: str = "", tls_key: str = ""
) -> int:
    """Run a witness until it is told to stop.

    Parameters
    ----------
    data
        Its folder.
    host
        Address its door listens on.
    port
        Port of its door. 0: any free one.
    tls_cert
        PEM file of the certificate chain.
    tls_key
        PEM file of the private key.
    """
    from lianfang.app.node.logs import set_up_logs
    from lianfang.app.witness.process import serve as serve_it

    set_up_logs("info", "witness")
    return serve_it(data, host, port, tls_cert, tls_key)


def status(*, data: Data = DATA, json: JsonFile = None) -> int:
    """What it has cosigned, and logs that it caught with two histories.

    Parameters
    ----------
    data
        Its folder.
    json
        Also write it to this file.
    """
    import msgspec

    from lianfang.app.commands.common import table, write_json
    from lianfang.app.witness.process import open_watch

    watch = open_watch(data)
    rows = []
    for one in watch.records.logs():
        seen = watch.records.seen(one.origin)
        rows.append((one.origin, seen.size if seen else 0, one.key))
    forks = watch.records.forks()
    if str(json) != "-":
        table(f"witness {watch.signer.name}", ("log", "entries", "key"), rows, right=("entries",))
        for fork in forks:
            print(f"FORK of {fork.origin}:\n{fork.ours.decode()}\n{fork.theirs.decode()}")
    logs = [{"origin": origin, "size": size, "key": key} for origin, size, key in rows]
    write_json(json, {"logs": logs, "forks": msgspec.to_builtins(forks)})
    return 1 if forks else 0
