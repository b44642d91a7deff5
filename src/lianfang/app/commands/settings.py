"""`lianfang settings`: what is in force, and where each setting comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lianfang.app.commands.common import JsonFile


def settings(*, json: JsonFile = None) -> int:
    """Print the settings in force and where each comes from: the environment, the file, or the default.

    Parameters
    ----------
    json
        Write them to this file.
    """
    from lianfang.app.commands.common import table, write_json
    from lianfang.app.settings import HELP, load

    given = load()
    rows = [(name, getattr(given, name), origin(name, os.environ), HELP[name]) for name in HELP]
    if str(json) != "-":
        table("settings", ("setting", "value", "from", "meaning"), rows)
    write_json(json, {name: {"value": value, "from": where} for name, value, where, _ in rows})
    return 0


def origin(name: str, environ: Mapping[str, str]) -> str:
    """Where the setting's value comes from."""
    import tomllib

    from lianfang.app.settings import PREFIX

    if PREFIX + name.upper() in environ:
        return PREFIX + name.upper()
    file = Path(environ.get("LIANFANG_CONFIG", "lianfang.toml"))
    if file.exists() and name in tomllib.loads(file.read_text("utf-8")):
        return str(file)
    return "default"


def settings_reference() -> str:
    """The reference page of all settings, from their own table. Markdown, ready to be written to a file."""
    from lianfang.app.settings import ELSEWHERE, HELP, Settings

    defaults: dict[str, Any] = {name: getattr(Settings(), name) for name in Settings.__struct_fields__}
    lines = [
        "# Settings",
        "",
        "In `lianfang.toml` (or the file that `LIANFANG_CONFIG` names) as `desk_port = 9000`, or in the environment as",
        "`LIANFANG_DESK_PORT=9000`, which goes before the file. An unknown name is refused. `lianfang settings` prints",
        "what is in force and where it comes from.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {_shown(defaults[name])} | {_cell(HELP[name])} |" for name in defaults),
        "",
        "Other names in the environment: " + ", ".join(f"`{name}`" for name in sorted(ELSEWHERE)) + ".",
        "",
    ]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return "empty" if value == "" else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
