"""`lianfang log`: logs of others, watched."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Many = Annotated[tuple[str, ...], Parameter(negative=())]


def watch(
    url: str,
    /,
    *,
    key: str,
    witness: Many = (),
    quorum: int = 0,
    every_s: float = 1.0,
    rounds: int = 0,
    state: str = "",
) -> int:
    """Follow a log's checkpoints: each must be signed, cosigned by a quorum, and grow out of the one before. Ctrl-C stops it.

    Parameters
    ----------
    url
        Where the log's files are, as https://hub.example/log or any C2SP tlog-tiles address.
    key
        The verifier key that signs it.
    witness
        Verifier keys of witnesses, named once each.
    quorum
        So many of them must have cosigned.
    every_s
        How often to look, in seconds.
    rounds
        Stop after so many looks. 0: never.
    state
        Folder to remember the last checkpoint in, and to keep proofs.
    """
    import asyncio
    from pathlib import Path

    from lianfang.app.witness.watch_log import watch_log
    from lianfang.engines.tlog import parse_verifier
    from lianfang.infra.feed import Trust

    log_key = parse_verifier(key)
    trust = Trust(log_key.name, log_key, tuple(parse_verifier(one) for one in witness), quorum)
    return asyncio.run(watch_log(url, trust, Path(state) if state else None, every_s, rounds))
