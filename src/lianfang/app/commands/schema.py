"""`lianfang schema`: the data standard as JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path


def schema(*, check: Path | None = None, write: Path | None = None) -> int:
    """Print the data standard as JSON Schema (2020-12).

    Parameters
    ----------
    check
        Compare with this file instead; exit status 1 when they differ.
    write
        Write to this file instead.
    """
    from lianfang.kernel.errors import DependencyError, InputError
    from lianfang.wire import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if check is not None:
        try:
            same = json.loads(check.read_text("utf-8")) == json.loads(text)
        except OSError as why:
            raise InputError(f"cannot read it: {why.strerror}", str(check)) from why
        except ValueError as why:
            raise InputError(f"not JSON: {why}", str(check)) from why
        print(f"{check} is the current schema" if same else f"{check} differs; `lianfang schema --write {check}`")
        return 0 if same else 1
    if write is None:
        print(text, end="")
        return 0
    try:
        write.parent.mkdir(parents=True, exist_ok=True)
        write.write_text(text, "utf-8")
    except OSError as why:
        raise DependencyError(f"cannot write {write}: {why.strerror}") from why
    return 0
