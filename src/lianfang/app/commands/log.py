"""`lianfang log`: verify a verifiable log from its files, prove an entry, check a proof, watch another party's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.engines.tlog import VerifierKey

Witnesses = Annotated[tuple[str, ...], Parameter(consume_multiple=False)]


def verify(
    folder: Path,
    /,
    *,
    key: str,
    witness: Witnesses = (),
    quorum: int | None = None,
    origin: str | None = None,
    json: JsonFile = None,
) -> int:
    """Recompute a whole log: every entry hashed, every tile compared, the root, who signed it.

    Parameters
    ----------
    folder
        The log's folder: the one with the file `checkpoint` in it.
    key
        The log's verifier key, name+hash+base64. Have it from the log's operator, never from the log.
    witness
        A witness's verifier key; may be given several times.
    quorum
        How many of the witnesses must have cosigned; without, all of them.
    origin
        The log's name in its checkpoints; without, the key's name.
    json
        Write what was found to this file.
    """
    from lianfang.app.commands.common import progress, write_json
    from lianfang.infra.tlog import verify_log

    log, witnesses, needed = _keys(key, witness, quorum)
    with progress() as bar:
        task = bar.add_task("entries", total=None)
        found = verify_log(
            folder,
            log,
            origin or log.name,
            witnesses,
            needed,
            lambda done, of: bar.update(task, completed=done, total=of),
        )
    checkpoint = found.signed.checkpoint
    if str(json) != "-":
        print(f"{checkpoint.origin}: {checkpoint.size:,} entries, {found.bytes:,} bytes; sound.")
        print(f"Every entry was hashed, {found.tiles:,} tiles agree, and the root is the one that {log.name} signed:")
        print(f"root {checkpoint.root.hex()}")
        print(_said_of(found.witnesses))
    write_json(
        json,
        {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "bytes": found.bytes,
            "tiles": found.tiles,
            "witnesses": list(found.witnesses),
            "sound": True,
        },
    )
    return 0


def prove(folder: Path, index: int, /, *, out: Path | None = None, checkpoint: Path | None = None) -> int:
    """Write a proof file (C2SP tlog-proof) that an entry is in the log, to be checked anywhere without the log.

    Parameters
    ----------
    folder
        The log's folder.
    index
        The entry's number, from 0.
    out
        Where to write the proof; without, `<index>.tlog-proof`. The entry itself goes beside it, as `<index>.entry`.
    checkpoint
        An earlier signed checkpoint of this log, such as one that more witnesses cosigned; without, the newest.
    """
    from lianfang.engines.tlog import (
        LoggedProof,
        leaf_hash,
        parse_checkpoint,
        parse_note,
        prove_inclusion,
        verify_inclusion,
    )
    from lianfang.infra.tlog import LogReader

    reader = LogReader(folder)
    note = parse_note(reader.checkpoint() if checkpoint is None else _read(checkpoint, "--checkpoint"))
    tree = parse_checkpoint(note.text)
    hashes = prove_inclusion(reader.hashes(tree.size), index, tree.size)
    (entry,) = reader.entries(index, index + 1, tree.size)
    verify_inclusion(leaf_hash(entry), index, tree.size, hashes, tree.root)  # tiles may have been changed
    proof_file = out or Path(f"{index}.tlog-proof")
    entry_file = proof_file.with_suffix(".entry")
    _write(proof_file, bytes(LoggedProof(index, tuple(hashes), note)))
    _write(entry_file, entry)
    print(f"{proof_file} proves that {entry_file} is entry {index} of the {tree.size:,} of {tree.origin}.")
    print(f"To check it: lianfang log check-proof {proof_file} {entry_file} --key <the log's verifier key>")
    return 0


def check_proof(
    proof: Path,
    entry: Path,
    /,
    *,
    key: str,
    witness: Witnesses = (),
    quorum: int | None = None,
    origin: str | None = None,
) -> int:
    """Check a proof file against the entry's own bytes, without the log.

    Parameters
    ----------
    proof
        The proof file.
    entry
        A file with the entry, byte for byte.
    key
        The log's verifier key. Have it from the log's operator, never with the proof.
    witness
        A witness's verifier key; may be given several times.
    quorum
        How many of the witnesses must have cosigned; without, all of them.
    origin
        The log's name in its checkpoints; without, the key's name.
    """
    from lianfang.engines.tlog import leaf_hash, parse_proof_file, verify_proof_file

    log, witnesses, needed = _keys(key, witness, quorum)
    read = parse_proof_file(_read(proof, "PROOF"))
    leaf = leaf_hash(_read(entry, "ENTRY"))
    signed = verify_proof_file(read, leaf, log, origin or log.name, witnesses, needed)
    size = signed.checkpoint.size
    print(f"Proved: {entry} is entry {read.index} of the {size:,} entries that {log.name} signed.")
    if witnesses:
        print(f"At least {needed} of {len(witnesses)} witnesses have cosigned them.")
    if read.extra is not None:
        print("The extra data in the proof are signed by nobody; they were not looked at.")
    return 0


def _keys(key: str, witness: tuple[str, ...], quorum: int | None) -> tuple[VerifierKey, list[VerifierKey], int]:
    """The log's key, the witnesses', and how many of them it takes. Raises `InputError`."""
    from lianfang.engines.tlog import check_witnesses, parse_verifier
    from lianfang.kernel.errors import InputError

    witnesses = [parse_verifier(text) for text in witness]
    if quorum is not None and not witnesses:
        raise InputError("a quorum is of witnesses: give their keys with --witness", "--quorum")
    needed = len(witnesses) if quorum is None else quorum
    if witnesses:
        check_witnesses(witnesses, needed)
    return parse_verifier(key), witnesses, needed


def _said_of(names: tuple[str, ...]) -> str:
    if names:
        return f"Cosigned by {', '.join(names)}."
    return "No witness was asked: another reader may have been shown another history (--witness)."


def _read(path: Path, where: str) -> bytes:
    from lianfang.kernel.errors import InputError

    try:
        with path.open("rb") as file:
            return file.read(1 << 20)
    except OSError as why:
        raise InputError(f"cannot read {path}: {why.strerror}", where) from why


def _write(path: Path, data: bytes) -> None:
    from lianfang.kernel.errors import DependencyError

    try:
        path.write_bytes(data)
    except OSError as why:
        raise DependencyError(f"cannot write {path}: {why.strerror}; give another place with --out") from why


def watch(
    url: str,
    /,
    *,
    key: str,
    witness: Witnesses = (),
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
