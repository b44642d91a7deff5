"""What the names in an expression mean, and the sentence for one that means nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from keyword import iskeyword

from lianfang.engines.expr.functions import CLOCK, FUNCTIONS, Function
from lianfang.engines.expr.tree import Column, Const, Feature, Score, Value
from lianfang.wire import catalogue

BITS_TIME = 63
BITS_AMOUNT = 50
BITS_INT = 53
SPECIAL = frozenset(
    {
        *CLOCK,
        "abs",
        "coalesce",
        "days_since",
        "finding",
        "flag",
        "is_null",
        "listed",
        "max",
        "min",
        "number",
        "round",
        "tag",
        "text",
    }
)
"""Functions whose check needs more than their types."""
PARAMETER = "param"
"""`param.name` is the parameter of that name."""
_OTHER_SPELLINGS = {"true": "True", "false": "False", "null": "None", "none": "None", "nil": "None"}


@dataclass(frozen=True)
class Environment:
    """What names mean beside the payment's fields. The order of `features` is their index in the features' values."""

    features: tuple[str, ...] = ()
    lists: frozenset[str] = frozenset()
    functions: Mapping[str, Function] = field(default_factory=lambda: FUNCTIONS, compare=False, repr=False)
    parameters: Mapping[str, int | float] = field(default_factory=dict, hash=False)
    """Values of the parameters, by name; they are compiled in as literals."""


def is_reserved(name: str) -> bool:
    """True for a name that already means something, so that a feature cannot bear it."""
    roots = {path.partition(".")[0] for path in catalogue()}
    words = {"surroundings", "attributes", "score", PARAMETER}
    return name in roots | words | SPECIAL or name in FUNCTIONS or name in _OTHER_SPELLINGS or iskeyword(name)


def lookup(name: str, env: Environment) -> Value | str:
    """The value a name stands for, or the sentence that says why it stands for none."""
    if (known := catalogue().get(name)) is not None:
        whole = known.type in ("int", "time")
        bits = (BITS_AMOUNT if name == "amount" else BITS_TIME) if whole else 0
        return Column(type=known.type, path=name, nullable=known.nullable, nan=known.type == "float", bits=bits)
    if name == "score":
        return Score(type="float", nan=True)
    if name in env.features:
        return Feature(type="float", name=name, nan=True)
    root, _, rest = name.partition(".")
    if root == PARAMETER and rest in env.parameters:
        return constant(env.parameters[rest], rest)
    return _unknown(name, env)


def constant(value: int | float, parameter: str = "") -> Const:
    """A number written out, or the parameter it stands for."""
    if isinstance(value, int):
        return Const(type="int", value=value, bits=value.bit_length(), parameter=parameter)
    return Const(type="float", value=value, parameter=parameter)


def _unknown(name: str, env: Environment) -> str:
    if name in _OTHER_SPELLINGS:
        return f"write `{_OTHER_SPELLINGS[name]}`"
    if name in env.lists:
        return f"`{name}` is a list; write `payee.account in {name}`"
    if name in SPECIAL or name in env.functions:
        return f"`{name}` is a function; call it: `{name}(...)`"
    if name == "surroundings":
        return 'ask for a finding with `finding("code")`'
    if name == PARAMETER:
        return "name the parameter: `param.name`"
    if name.startswith(PARAMETER + "."):
        return f"unknown parameter `{name}`{suggestion(name, [f'{PARAMETER}.{known}' for known in env.parameters])}"
    if name.partition(".")[0] == "attributes":
        return 'read an attribute with `text("key")`, `number("key")` or `flag("key")`'
    fields = [path for path in catalogue() if path.startswith(name + ".")]
    if fields:
        return f"`{name}` is not one value; it has {', '.join(f'`{path}`' for path in fields)}"
    return f"unknown name `{name}`{suggestion(name, [*catalogue(), *env.features, 'score'])}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing."""
    names = list(known)
    close = get_close_matches(name, names, 1, 0.6)
    if not close:  # the last part alone: `account` for `payer.account`
        close = [n for n in names if n.rpartition(".")[2] == name][:1]
    return f"; did you mean `{close[0]}`?" if close else ""
