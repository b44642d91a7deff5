"""A recipe says what a model is made of; mistakes are told before a history is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lianfang.app.learn.recipe import find_recipe, is_recipe, of_recipe
from lianfang.app.replay import load_rules
from lianfang.app.replay.sources import CHECKOUT
from lianfang.kernel.errors import InputError


def test_the_handbooks_recipe_reads_what_it_declares() -> None:
    found = of_recipe(CHECKOUT / "examples" / "fdh" / "recipe.toml")
    assert len(found.inputs) == 26
    assert all(one.zh and one.en for one in found.inputs)
    assert any("of frauds" in one.define for one in found.features)


def test_without_a_recipe_the_nodes_features_and_the_standard_inputs_are_taken() -> None:
    found = find_recipe(None, "the native layout", load_rules([]))
    names = {one.name for one in found.inputs}
    assert {"payer_count_90d", "amount_minor", "device_age_s"} <= names
    assert all(one.zh and one.en for one in found.inputs)
    assert all("param." not in one.define for one in found.features), "parameters are written out"


def test_features_that_no_input_reads_are_left_out_and_ratios_keep_their_parts(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        """
schema = "recipe/1"
features = [
    { name = "a", define = "count of payments by card over 1h" },
    { name = "b", define = "count of payments by card over 24h" },
    { name = "c", define = "ratio of a to b" },
    { name = "d", define = "count of payments by card over 7d" },
]
inputs = [{ name = "share", define = "c" }]
"""
    )
    assert is_recipe(file)
    assert [one.name for one in of_recipe(file).features] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('schema = "recipe/1"', "without inputs"),
        ('schema = "recipe/1"\ninputs = [{ name = "a", define = "nobody" }]', "nobody"),
        (
            'schema = "recipe/1"\ninputs = [{ name = "a", define = "amount" }, { name = "a", define = "amount" }]',
            "twice",
        ),
        ('schema = "recipe/1"\ncolour = "red"', "colour"),
        ("schema = ", "not TOML"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=why):
        of_recipe(file)
