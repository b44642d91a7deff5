"""`lianfang convert`: payments, decisions and recalls from one form of message to another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lianfang.app.commands.common import JsonFile


def convert(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    to: str = "json",
    source: Annotated[str, Parameter(name="--from")] = "auto",
    out: Path | None = None,
    mapping: Path | None = None,
    timezone: str | None = None,
    json: JsonFile = None,
) -> int:
    """Convert messages, and list what could not be kept: on standard error, by path.

    Read are ISO 20022 pacs.008, pain.001, pacs.002, camt.056, camt.029 and the entries of camt.052, 053 and 054; ISO 8583;
    our JSON; CSV and Parquet.

    Parameters
    ----------
    file
        The messages; `-` for standard input.
    to
        json (an object a line), pacs.008, pain.001, pacs.002, camt.056, camt.029, iso8583 (hexadecimal, a message a line),
        csv, parquet.
    source
        What the file is, where its content does not tell.
    out
        Write to this file instead of standard output.
    mapping
        How columns become payments, for CSV and Parquet. Without: the native layout.
    timezone
        IANA zone of times without an offset. Without: the setting `messages_timezone`.
    json
        Write what was read, written and lost to this file; `-` for standard output, with --out.
    """
    from lianfang.app.commands.common import settings, write_json
    from lianfang.app.convert import read_any, write_any
    from lianfang.app.convert.sources import Reading
    from lianfang.app.node.clock import WallClock
    from lianfang.infra.history import read_mapping
    from lianfang.kernel.errors import DependencyError, InputError
    from lianfang.kernel.instant import moment

    if out is None and (to == "parquet" or str(json) == "-"):
        raise InputError("say where the converted messages go: --out FILE", "--out")
    zone = settings(messages_timezone=timezone).zone()
    how = Reading(source, zone, moment(WallClock()()), read_mapping(mapping) if mapping else None)
    held = read_any(file, how)
    made, gone = write_any(held, to, zone)
    if out is None:
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
    else:
        try:
            out.write_bytes(made)
        except OSError as why:
            raise DependencyError(f"cannot write {out}: {why.strerror}") from why
    lost = [("reading", one) for one in held.lost] + [("writing", one) for one in gone]
    for when, one in lost:
        print(f"note: {one}" if one.note else f"lost in {when}: {one}", file=sys.stderr)
    figures = {
        "from": held.form,
        "to": to,
        "items": len(held.items),
        "lost": [{"in": when, "path": one.path, "times": one.times} for when, one in lost if not one.note],
        "notes": [one.path for _, one in lost if one.note],
    }
    write_json(json, figures)
    return 0
