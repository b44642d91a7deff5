"""The house stays tidy: short functions and modules, faces with a docstring and a sorted list, nothing left lying about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "lianfang"
FUNCTION_LINES_MAX = 69
MODULE_LINES_MAX = 499

LONG_FUNCTIONS = frozenset(
    {
        "src/lianfang/app/commands/replay.py:replay",  # its options
        "src/lianfang/app/node/openapi.py:decider_openapi",  # a document
    }
)
"""`module:function` of what is longer than the limit. This list only gets shorter."""

FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = [file for file in FILES if file.name == "__init__.py"]
TEXTS = sorted(
    file
    for folder in ("src", "docs", "tests", "benchmarks", "examples")
    for file in (ROOT / folder).rglob("*")
    if file.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".sh"} and file.resolve() != Path(__file__).resolve()
)
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\")")
MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(home|root|Users|work)/\w")


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"), str(file))


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines, from `def` to the end, of every function."""
    for node in ast.walk(tree(file)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def exported(module: ast.Module) -> list[str] | None:
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [str(item) for item in ast.literal_eval(node.value)]
    return None


def sort_key(word: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    return (0 if word.isupper() else 1 if word[:1].isupper() else 2, word)


def test_functions_are_short() -> None:
    long = {f"{name(file)}:{f}" for file in FILES for f, lines in functions(file) if lines > FUNCTION_LINES_MAX}
    assert long - LONG_FUNCTIONS == set(), f"longer than {FUNCTION_LINES_MAX} lines"
    assert LONG_FUNCTIONS - long == set(), "now short: take them off the list"


def test_modules_are_short() -> None:
    long = [name(f) for f in FILES if len(f.read_text("utf-8").splitlines()) > MODULE_LINES_MAX]
    assert long == [], f"longer than {MODULE_LINES_MAX} lines"


def test_every_module_says_what_it_is() -> None:
    assert [name(f) for f in FILES if not ast.get_docstring(tree(f))] == []


@pytest.mark.parametrize("file", PACKAGES, ids=name)
def test_a_package_that_exports_has_a_sorted_face(file: Path) -> None:
    module = tree(file)
    taken = {
        alias.asname or alias.name
        for node in module.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lianfang.")
        for alias in node.names
    }
    names = exported(module)
    if not taken and names is None:
        return
    assert names is not None, "it imports names but has no __all__"
    assert names == sorted(names, key=sort_key)
    assert len(set(names)) == len(names)
    assert taken <= set(names)


def test_only_app_prints() -> None:
    printing = [
        f"{name(file)}:{node.lineno}"
        for file in FILES
        if SOURCE / "app" not in file.parents
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{name(file)}:{number}"
        for file in TEXTS
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if LEFT_OVER.search(line)
    ]
    assert found == []


def test_no_machines_paths() -> None:
    found = [
        f"{name(file)}:{number}: {line.strip()[:80]}"
        for file in TEXTS
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_every_test_folder_is_a_package() -> None:
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    assert [name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
