"""Every sentence that this program raises and a page may show, read out of its source: f-strings with their holes left open."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

import lianfang

SOURCE: Final = Path(lianfang.__file__).parent
HOLE: Final = "\ue000"
"""Stands in a pattern where an f-string has a value."""
SCANNED: Final = (
    "kernel", "wire", "engines", "infra", "services", "console",
    "app/listfiles.py",  # the console reads files of lists through it
    "app/node/backtesting.py", "app/node/peer.py", "app/node/beside.py",  # what the desk does for a page
    # A backtest's process, whose last words stand on the draft's page; the lake's, on the page of health.
    "app/commands/backtest.py", "app/learn/backtest.py", "app/learn/foresight.py", "app/learn/sides.py",
)  # fmt: skip
NEVER_ON_A_PAGE: Final = (
    # The decider, its door and what only it runs: its answers go to programs.
    "engines/hotpath/", "engines/keyed/", "engines/lookup/", "engines/native/", "services/decide/decider.py",
    "services/decide/door.py", "services/decide/facts.py", "services/decide/replaying.py", "engines/features/state.py",
    "infra/http/", "infra/journal/ahead.py", "infra/journal/files.py", "infra/journal/format.py",
    "infra/journal/native.py", "infra/journal/writer.py", "infra/journal/export.py", "infra/messages/",
    # HTTP for programs; what these modules share with pages lies in others.
    "routes.py", "infra/asgi.py",
    # Commands: training, histories, queries of the lake, files of models, the simulator and the figures.
    "engines/evaluate/", "engines/expr/columns.py", "engines/features/offline/", "engines/rules/columns.py",
    "engines/world/", "engines/scoring/calibrate.py", "infra/history/alliance.py", "infra/history/convert.py",
    "infra/history/mapping.py", "infra/history/reader.py", "infra/history/table.py", "infra/history/times.py",
    "infra/history/writer.py", "infra/lake/ask.py", "infra/lake/columns.py", "infra/lake/halves.py",
    "infra/lake/retain.py", "infra/lake/views.py", "services/learn/calibration.py", "services/learn/checks.py",
    "services/learn/fitting.py", "services/learn/intervals.py", "services/learn/sampling.py",
    "services/learn/splits.py", "services/learn/thresholds.py",
    "engines/scoring/catboost_json.py", "engines/scoring/forest.py", "engines/scoring/lightgbm_text.py",
    "engines/scoring/trained.py",
    # The alliance: keyholders, members, the hub and its feed answer programs and commands. The page of health shows what
    # of theirs needs attention (`alliance.*`), in English yet; the module that a page of its own shows leaves this list.
    "engines/oprf/", "engines/sealing/", "engines/subjects/", "infra/accesslog.py", "infra/keyholders.py",
    "infra/members_http.py", "infra/tlogfiles.py", "services/keyholding/",
    "services/members/", "services/hub/", "services/share/", "services/witness/", "infra/feed/", "wire/sharing.py",
    "wire/tokens.py",
    # A catalogue of ours that is incomplete fails its test before any page.
    "console/words.py", "console/sentences.py",
)  # fmt: skip
ONLY: Final = {
    "services/decide/door.py": ("_room",),
    "infra/http/server.py": ("_handle",),
    "infra/journal/files.py": ("unavailable", "lock"),
    "infra/journal/format.py": ("__str__",),
    "infra/journal/writer.py": ("_refuse",),
}
"""Of these modules just what these functions say: refusals that a page reports where the decider cannot record an outcome."""
ATTENTION: Final = ("app/node/decider.py", "app/node/following.py", "app/node/alliance.py")
"""Of these modules just what they keep as needing attention, which the page of health shows."""
WRITES: Final = {
    "infra/journal/format.py": ("__str__",),
    "infra/journal/recovery.py": ("sentences",),
    "services/decide/models.py": ("take_over",),
}
"""Functions whose f-strings are sentences without being raised."""
KEPT: Final = frozenset({"trouble", "found"})
"""Where they keep it, by what it is about."""
NOT_OURS: Final = frozenset(
    {"AssertionError", "KeyError", "IndexError", "OSError", "StopIteration", "StopAsyncIteration", "SignInNeededError"}
)
"""Faults of the program and of the system: a page says `fault`, never their text. The last one's text is its own."""
SAYS: Final = {
    "engines/expr/names.py": ("_unknown",),
    "engines/rules/reading.py": ("_contradictions", "_unanswerable"),
    "engines/rules/parameters.py": ("problems_of",),
    "services/decide/assemble.py": ("_said",),
}
"""Functions that return a sentence, or a list of them, for others to raise."""
INLINED: Final = {
    "suggestion": ("", f"; did you mean `{HOLE}`?"),
    "did_you_mean": ("", f"; did you mean {HOLE}?"),
    "_hint": ("", f"; did you mean {HOLE}?"),
    "_said": (HOLE,),
}
"""Calls within an f-string whose text is a part of the sentence."""
VARIANTS_MAX: Final = 64


class Raised(NamedTuple):
    """One sentence and where it is raised."""

    place: str
    pattern: str

    def sample(self) -> str:
        """The sentence with something in every hole that no sentence has."""
        text = self.pattern
        for n in range(text.count(HOLE)):
            text = text.replace(HOLE, f"⟦{n}⟧", 1)
        return text


class _Module:
    """One module's source, and the tables of texts in it."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(SOURCE).as_posix()
        self.tree = ast.parse(path.read_text("utf-8"))
        self.tables: dict[str, tuple[str, ...]] = {}
        for node in self.tree.body:
            target = node.target if isinstance(node, ast.AnnAssign) else None
            value = node.value if isinstance(node, ast.AnnAssign) else None
            if isinstance(target, ast.Name) and isinstance(value, ast.Dict):
                texts = [v.value for v in value.values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
                if len(texts) == len(value.values):
                    self.tables[target.id] = tuple(dict.fromkeys(texts))


class _Scope:
    """One function: what its names were given."""

    def __init__(self, module: _Module, function: ast.AST) -> None:
        self.module = module
        self.given: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._give(target, node.value)

    def _give(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.given.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._give(one, its)

    def texts(self, node: ast.expr, seen: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """The patterns of an expression; a hole for what is no text of ours."""
        return tuple(dict.fromkeys(self._texts(node, seen)))[:VARIANTS_MAX]

    def _texts(self, node: ast.expr, seen: frozenset[str]) -> Iterator[str]:
        match node:
            case ast.Constant(value=str() as text):
                yield text
            case ast.JoinedStr(values=parts):
                found = [self.texts(part, seen) for part in parts]
                yield from ("".join(one) for one in product(*found))
            case ast.FormattedValue(value=inner, conversion=-1):
                yield from self.texts(inner, seen)
            case ast.IfExp(body=a, orelse=b):
                yield from (*self.texts(a, seen), *self.texts(b, seen))
            case ast.BoolOp(op=ast.Or(), values=values):
                yield from (text for one in values for text in self.texts(one, seen) if text)
            case ast.BinOp(op=ast.Add(), left=a, right=b):
                yield from ("".join(one) for one in product(self.texts(a, seen), self.texts(b, seen)))
            case ast.Name(id=name) if name in self.given and name not in seen:
                yield from (text for one in self.given[name] for text in self.texts(one, seen | {name}))
            case ast.Subscript(value=ast.Name(id=name)) if name in self.module.tables:
                yield from self.module.tables[name]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get")) if name in self.module.tables:
                yield from (
                    *self.module.tables[name],
                    *(text for one in node.args[1:] for text in self.texts(one, seen)),
                )
            case ast.Call(func=ast.Name(id=name)) if name in INLINED:
                yield from INLINED[name]
            case _:
                yield HOLE


def raised() -> tuple[Raised, ...]:
    """Every sentence once for each place that raises it."""
    return tuple(dict.fromkeys(one for path in _modules() for one in _of(_Module(path))))


def _modules() -> Iterator[Path]:
    for name in (*SCANNED, *ATTENTION):
        path = SOURCE / name
        for one in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            place = one.relative_to(SOURCE).as_posix()
            if place in ONLY or not any(_is(place, out) for out in NEVER_ON_A_PAGE):
                yield one


def _is(place: str, out: str) -> bool:
    return place.startswith(out) or ("/" not in out and place.endswith(out))


def _of(module: _Module) -> Iterator[Raised]:
    for function in ast.walk(module.tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if module.name in ONLY and function.name not in ONLY[module.name]:
            continue
        scope = _Scope(module, function)
        for said in _said_in(module, function):
            yield from (Raised(f"{module.name}:{said.lineno}", text) for text in scope.texts(said))


def _said_in(module: _Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """Expressions of a function that are sentences."""
    for node in ast.walk(function):
        if module.name in ATTENTION:
            yield from _kept(node)
        elif isinstance(node, ast.Call) and (told := _told(node, module.name)) is not None:
            yield told
    if function.name in SAYS.get(module.name, ()):
        yield from _said_by(function)
    if function.name in WRITES.get(module.name, ()):
        yield from (node for node in ast.walk(function) if isinstance(node, ast.JoinedStr))


def _kept(node: ast.AST) -> Iterator[ast.expr]:
    """What is kept by `trouble[about] = ...` or `_say(about, ...)`."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name))], value=said):
            if name in KEPT:
                yield said
        case ast.Call(func=ast.Attribute(attr="_say"), args=[_, said]):
            yield said
        case _:
            pass


def _told(call: ast.Call, place: str) -> ast.expr | None:
    """The argument of a call that is the sentence of an error or of a problem."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    at = {"Problem": 2, "problem": 2}.get(name)
    if place.startswith("engines/expr/"):
        at = {"fail": 1, "error": 1, "at": 0}.get(name)
    if name.endswith("Error") and name not in NOT_OURS:
        at = 0
    if name == "Problem":
        for one in call.keywords:
            if one.arg == "what":
                return one.value
    return call.args[at] if at is not None and len(call.args) > at else None


def _said_by(function: ast.AST) -> Iterator[ast.expr]:
    """What a function returns, or puts into the list that it returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            yield node.args[0]
