"""What a model is made of: features and inputs, from a file, or the node's own rules with the standard inputs."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from lianfang.app.learn.columns import check_input
from lianfang.engines.expr import Environment
from lianfang.engines.features import declare
from lianfang.engines.features.declare import Ratio
from lianfang.engines.rules import features_of
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.wire import Feature, Input, RuleSet, build
from lianfang.wire.payment import Part, Text

RECIPE_BYTES_MAX: Final = 1 << 20
STANDARD: Final = Path(__file__).with_name("standard.toml")
"""Inputs that every payment may have."""
BESIDE: Final = "recipe.toml"
"""A recipe beside a mapping file is the one for that data."""


class Recipe(Part, frozen=True, kw_only=True):
    """One recipe file. `standard`: the standard inputs are added to its own."""

    schema: Literal["recipe/1"] = "recipe/1"
    zh: Text = ""
    en: Text = ""
    standard: bool = False
    features: Annotated[tuple[Feature, ...], Meta(max_length=limits.FEATURES_MAX)] = ()
    inputs: Annotated[tuple[Input, ...], Meta(max_length=limits.MODEL_INPUTS_MAX)] = ()


class Ingredients(NamedTuple):
    """Checked: every input's expression means something, and `features` are those that inputs read, with what they need."""

    features: tuple[Feature, ...]
    inputs: tuple[Input, ...]
    source: str


def read_recipe(path: Path) -> Recipe:
    """A recipe file (TOML). Raises `InputError` naming the file and the key."""
    try:
        raw = path.read_bytes()
    except OSError as why:
        raise InputError(f"cannot read the recipe: {why.strerror}", str(path)) from why
    if len(raw) > RECIPE_BYTES_MAX:
        raise InputError(f"a recipe has at most {RECIPE_BYTES_MAX:,} bytes", str(path))
    try:
        return build(Recipe, tomllib.loads(raw.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"not TOML: {why}", str(path)) from why
    except InputError as why:
        raise InputError(why.what, f"{path}: {why.where}" if why.where else str(path)) from why


def is_recipe(path: Path) -> bool:
    """Whether a file says it is a recipe; a rule file is the other thing that features come from."""
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return str(document.get("schema", "")).startswith("recipe/")


def of_recipe(path: Path) -> Ingredients:
    """The ingredients that a recipe file names."""
    recipe = read_recipe(path)
    inputs = (*recipe.inputs, *(read_recipe(STANDARD).inputs if recipe.standard else ()))
    if not inputs:
        inputs = tuple(_as_input(feature) for feature in recipe.features)
    return ingredients(recipe.features, inputs, str(path))


def of_rules(ruleset: RuleSet, source: str) -> Ingredients:
    """All features of a rule set, its parameters written out, and the standard inputs."""
    features = features_of(ruleset)
    extra = read_recipe(STANDARD)
    known = {feature.name for feature in features}
    features = (*features, *(feature for feature in extra.features if feature.name not in known))
    return ingredients(features, (*(_as_input(f) for f in features), *extra.inputs), source)


def _as_input(feature: Feature) -> Input:
    return Input(name=feature.name, define=feature.name, zh=feature.zh, en=feature.en)


def ingredients(features: Sequence[Feature], inputs: Sequence[Input], source: str) -> Ingredients:
    """Checks inputs and drops features that none reads. Raises `InputError` naming the input and what is wrong."""
    if not inputs:
        raise InputError("a model without inputs learns nothing; declare features or inputs", source)
    declared = {one.name: one for one in declare(features)}
    env = Environment(features=tuple(declared))
    read: set[str] = set()
    names: set[str] = set()
    for one in inputs:
        if one.name in names:
            raise InputError(f"the input {one.name} stands twice", source)
        names.add(one.name)
        read.update(check_input(one, env).features)
    for name in list(read):
        feature = declared[name]
        if isinstance(feature, Ratio):
            read |= {feature.top, feature.bottom}
    return Ingredients(tuple(f for f in features if f.name in read), tuple(inputs), source)


def find_recipe(given: Path | None, mapping: str, ruleset: RuleSet | None) -> Ingredients:
    """The recipe given, else the one beside the mapping, else the node's rules with the standard inputs.

    `given` may be a recipe or a rule file; `ruleset`: what the caller read where it is none of them.
    """
    if given is not None and is_recipe(given):
        return of_recipe(given)
    if given is None and (beside := Path(mapping).with_name(BESIDE)).is_file() and mapping.endswith(".toml"):
        return of_recipe(beside)
    if ruleset is None:
        raise InputError("neither a recipe nor rules", str(given or ""))
    return of_rules(ruleset, str(given) if given else "the starting pack")


def recipe_bytes(made: Ingredients) -> bytes:
    """Canonical bytes of the ingredients: for a fingerprint."""
    return msgspec.json.encode([made.features, made.inputs])
