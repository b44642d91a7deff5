"""`lianfang rules packs`, `pack`, `parameters`, `set`: what an installation changes without touching its rule files."""

from __future__ import annotations

from typing import Literal

from lianfang.app.commands.common import JsonFile


def packs(*, key: str | None = None, json: JsonFile = None) -> int:
    """The rule packs, and whether they run: the running node's, or the shipped ones where none runs.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write the packs to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, table, write_json
    from lianfang.app.commands.desk import get_packs
    from lianfang.app.replay import rule_files
    from lianfang.kernel.errors import DependencyError

    try:
        shown = get_packs(Node(settings(), key))
    except DependencyError as why:
        print(f"as shipped; {why}")
        files = [(f.ruleset.pack, len(f.ruleset.rules)) for f in rule_files(())]
        shown = [{"name": p.name, "zh": p.zh, "en": p.en, "rules": n, "on": True} for p, n in files if p is not None]
    if str(json) != "-":
        rows = [(p["name"], "on" if p["on"] else "off", p["rules"], f"{p['zh']} {p['en']}") for p in shown]
        table(f"{len(shown)} packs", ("pack", "is", "rules", "what it is"), rows, right=("rules",))
    write_json(json, shown)
    return 0


def pack(name: str, switch: Literal["on", "off"], /, *, reason: str, key: str | None = None) -> int:
    """Switch a pack's rules on or off at the running node. Its features go on being counted.

    Parameters
    ----------
    name
        The pack.
    switch
        on or off.
    reason
        Why it is done; the node keeps it on record.
    key
        API key with the scope `rules`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import need_reason, settings
    from lianfang.app.commands.desk import put_pack

    said = put_pack(Node(settings(), key), name, need_reason(reason), on=switch == "on")
    print(f"{name} is {'on' if said['on'] else 'off'}: {said['rules']} rules")
    return 0


def parameters(*, key: str | None = None, json: JsonFile = None) -> int:
    """The numbers that rules call by name: the running node's, or the shipped ones where none runs.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write them to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, table, write_json
    from lianfang.app.commands.desk import get_parameters
    from lianfang.app.replay import load_rules
    from lianfang.kernel.errors import DependencyError

    try:
        shown = get_parameters(Node(settings(), key))
    except DependencyError as why:
        import msgspec

        print(f"as shipped; {why}")
        shown = [{"parameter": msgspec.to_builtins(p), "value": p.value} for p in load_rules(()).parameters]
    if str(json) != "-":
        rows = [
            (p["parameter"]["name"], f"{p['value']:,}", p["parameter"]["unit"], p["parameter"]["since"], _said(p))
            for p in shown
        ]
        table(f"{len(shown)} parameters", ("param.", "value", "unit", "since", "what it is"), rows, right=("value",))
    write_json(json, shown)
    return 0


def set_(name: str, value: float | None = None, /, *, reason: str, key: str | None = None) -> int:
    """Give a parameter another value at the running node, or the file's again where no value is given.

    Parameters
    ----------
    name
        The parameter, without `param.`.
    value
        Whole where the file's is whole. Left out: the file's again.
    reason
        Why it is done; the node keeps it on record.
    key
        API key with the scope `rules`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import need_reason, settings
    from lianfang.app.commands.desk import put_parameter

    whole = int(value) if value is not None and value.is_integer() else value
    said = put_parameter(Node(settings(), key), name, whole, need_reason(reason))
    print(f"param.{name} is {said['value']:,} {said['parameter']['unit']}")
    return 0


def _said(shown: dict[str, object]) -> str:
    of = shown["parameter"]
    assert isinstance(of, dict)
    changed = f" (changed; the file says {of['value']:,})" if shown["value"] != of["value"] else ""
    return f"{of.get('zh', '')} {of.get('en', '')}{changed}"
