"""`Model`, version 1: the `model.json` of a model folder: what the model reads, how its trees become a probability, its past.

The folder holds this, the trees as their library writes them (`TREES`), and for people `report.html`, `card.md` and
`card.zh-CN.md`. `files` has the SHA-256 of each of them, and `version` the SHA-256 of this struct with an empty `version`:
so one hash names everything (docs/reference/model.md).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from lianfang.kernel import limits
from lianfang.wire.decision import Action
from lianfang.wire.payment import Id, Moment, Part, Text
from lianfang.wire.rule import Expression, Feature, FeatureName

ModelKind = Literal["lightgbm", "catboost"]
ModelName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
MaybeSha256 = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")]
TREES: Final[dict[ModelKind, str]] = {"lightgbm": "trees.txt", "catboost": "trees.json"}
"""The file of the trees by kind: LightGBM's own text, CatBoost's own JSON."""
MANIFEST: Final = "model.json"
REPORT: Final = "report.html"
CARDS: Final = ("card.md", "card.zh-CN.md")
PAPERS: Final = (REPORT, *CARDS)
"""Files for people."""
Share = Annotated[float, Meta(ge=0, le=1)]


class Said(Part, frozen=True, kw_only=True):
    """One sentence, in both languages."""

    zh: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    en: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]


class Input(Part, frozen=True, kw_only=True):
    """One number that the trees read; its place in `Model.inputs` is their column.

    `define` is an expression of the rules' language over the payment's fields and the model's `features` that gives a number
    (null: NaN) or a condition (true 1, false 0, null NaN): `payments_24h`, `amount`, `amount / mean_30d`, `hour(time)`,
    `kind == "transfer"`. No list, tag, parameter or score stands in it: a model must mean the same everywhere.
    """

    name: FeatureName
    define: Expression
    zh: Text = ""
    """What the number is, for reasons: "近24小时付款次数". Without it: the feature's, else the name."""
    en: Text = ""
    """"number of payments in 24 h"."""
    high: Said | None = None
    """Said where a value above its average raised the score. Without: `<zh>偏高`, `<en> is high`."""
    low: Said | None = None
    """... below its average. Without: `<zh>偏低`, `<en> is low`."""
    missing: Said | None = None
    """... where there was no value. Without: `<zh>缺失`, `<en> is missing`."""
    usual: float = 0.0
    """The number's median in training: what `high` and `low` are measured against."""


class Uncalibrated(Part, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Probability = 1 / (1 + exp(-margin))."""


class Isotonic(Part, frozen=True, kw_only=True, tag_field="kind", tag="isotonic"):
    """Probability by straight lines between points, level beyond the outermost.

    `x`: margins (log-odds, before the logistic function), strictly rising. `y`: probabilities, never falling.
    """

    x: Annotated[tuple[float, ...], Meta(min_length=2, max_length=limits.CALIBRATION_POINTS_MAX)]
    y: Annotated[tuple[Share, ...], Meta(min_length=2, max_length=limits.CALIBRATION_POINTS_MAX)]


class Platt(Part, frozen=True, kw_only=True, tag_field="kind", tag="platt"):
    """Probability = 1 / (1 + exp(-(a * margin + b))). J. Platt, "Probabilistic Outputs for SVMs" (1999), signs turned."""

    a: Annotated[float, Meta(gt=0)]
    b: float


Calibration = Uncalibrated | Isotonic | Platt


class Period(Part, frozen=True, kw_only=True):
    """Payments that served one purpose, by their time: from `begins`, until before `ends`."""

    use: Literal["train", "choose", "calibrate", "held-out"]
    """`choose`: early stopping and every other choice. `held-out`: used once, for the report."""
    begins: Moment
    ends: Moment
    payments: Annotated[int, Meta(ge=0)]
    frauds: Annotated[int, Meta(ge=0)]


class Trained(Part, frozen=True, kw_only=True):
    """How the model came about."""

    created_at: Moment
    by: Text = ""
    """Who or what trained it."""
    periods: Annotated[tuple[Period, ...], Meta(max_length=16)] = ()
    gap_s: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds left out between two periods, so that no label is used before it was known."""
    metrics: dict[Id, float] = {}
    """On the held-out period: `auc`, `average_precision`, ..."""
    data: Text = ""
    """Fingerprint of the data it learned from."""
    settings: dict[Id, float | bool | Text] = {}
    """The library's settings that differ from its defaults."""
    note: Text = ""


class Threshold(Part, frozen=True, kw_only=True):
    """A suggestion for the policy: from this score on, this action."""

    action: Action
    score: Share
    aim: Text = ""
    """What it was chosen for: `false alarms <= 0.3 %`."""
    recall: Share | None = None
    false_alarms: Share | None = None
    """Shares of frauds and of genuine payments that reach it on the held-out period."""


class Model(Part, frozen=True, kw_only=True):
    """The manifest of a trained model."""

    schema: Literal["model/1"] = "model/1"
    name: ModelName
    version: MaybeSha256 = ""
    """SHA-256 of this struct, written with an empty `version`. Empty only before the folder is written."""
    kind: ModelKind
    features: Annotated[tuple[Feature, ...], Meta(max_length=limits.FEATURES_MAX)] = ()
    """Every feature that an input reads, with its full declaration, parameters written out. A node that declares one of
    them otherwise refuses the model."""
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1, max_length=limits.MODEL_INPUTS_MAX)]
    calibration: Calibration = Uncalibrated()
    trained: Trained
    thresholds: Annotated[tuple[Threshold, ...], Meta(max_length=16)] = ()
    files: dict[Id, Sha256] = {}
    """SHA-256 of every other file of the folder, by name."""

    @property
    def trees(self) -> str:
        """Name of the file of the trees."""
        return TREES[self.kind]


def version_of_model(model: Model) -> str:
    """The version that a manifest must bear: 64 hex digits."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(model, version=""))).hexdigest()
