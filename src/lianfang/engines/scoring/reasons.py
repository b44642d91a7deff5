"""What a model's reasons say: the inputs that raised a score most, as sentences in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from lianfang.wire import Input, Model, Said

REASONS_MAX: Final = 3
LEAST_PUSH: Final = 0.05
"""In log-odds. What raises the odds by less than a twentieth is no reason."""


class Why(NamedTuple):
    """One input's part in a score."""

    name: str
    value: float
    push: float
    """Log-odds that it added."""
    zh: str
    en: str


class Sentences:
    """Says what an input's value did. `conditions`: the inputs that are true or false."""

    def __init__(self, model: Model, conditions: Sequence[bool]) -> None:
        named = {one.name: one for one in model.features}
        self._inputs = model.inputs
        self._conditions = tuple(conditions)
        self._names = []
        for one in model.inputs:
            feature = named.get(one.define.strip())
            zh = one.zh or (feature.zh if feature else "") or one.name
            en = one.en or (feature.en if feature else "") or one.name
            self._names.append((zh, en))

    def one(self, i: int, value: float, push: float) -> Why:
        """What input `i` did, whichever way."""
        one, (zh, en) = self._inputs[i], self._names[i]
        said = self._said(one, value)
        if said is not None:
            return Why(one.name, value, push, said.zh, said.en)
        if value != value:
            return Why(one.name, value, push, f"{zh}缺失", f"{en} is missing")
        if self._conditions[i]:
            return Why(one.name, value, push, f"{zh}：{'是' if value else '否'}", f"{en}: {'yes' if value else 'no'}")
        if value < one.usual:
            return Why(one.name, value, push, f"{zh}偏低", f"{en} is low")
        return Why(one.name, value, push, f"{zh}偏高", f"{en} is high")

    @staticmethod
    def _said(one: Input, value: float) -> Said | None:
        if value != value:
            return one.missing
        return one.low if value < one.usual else one.high
