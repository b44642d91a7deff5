"""Why a model scores one payment as it does, off the path: exact Shapley values beside the path's approximation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lianfang.app.node.files import NodeFiles
from lianfang.app.settings import Settings
from lianfang.engines.rules import features_of
from lianfang.engines.scoring import TrainedModel, shapley
from lianfang.infra import published
from lianfang.infra.journal import DECISION, scan
from lianfang.infra.models import ModelFolder
from lianfang.infra.published import read_if_there
from lianfang.kernel.errors import InputError
from lianfang.kernel.limits import PAYMENT_BYTES_MAX
from lianfang.services.decide import flattener
from lianfang.wire import Payment, Reader, read_payment, read_ruleset


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payment, and the values of features by name."""

    payment: Payment
    features: dict[str, float | None] = {}


_read_asked = Reader(Asked)


def from_file(path: Path) -> tuple[Payment, Mapping[str, float | None]]:
    """The payment and features of a JSON file. Raises `InputError`."""
    try:
        with path.open("rb") as source:
            raw = source.read(2 * PAYMENT_BYTES_MAX)
    except OSError as why:
        raise InputError(f"{path} cannot be read: {why.strerror}", "--payment") from why
    asked = _read_asked(raw)
    return asked.payment, asked.features


def from_journal(settings: Settings, payment_id: str) -> tuple[Payment, Mapping[str, float | None]]:
    """The payment of this id and the features it was decided by. Raises `InputError` where the journal has none.

    The features' names are those declared now: after a change of declarations older payments are refused.
    """
    files = NodeFiles(Path(settings.data_dir))
    raw = read_if_there(files.published / published.RULESET)
    names = [one.name for one in features_of(read_ruleset(raw))] if raw is not None else []
    wanted = payment_id.encode()
    for record in scan(files.journal, 0):
        if record.kind != DECISION or wanted not in record.parts[0]:
            continue
        payment = read_payment(record.parts[0])
        if payment.id == payment_id:
            values = np.frombuffer(record.parts[2], "<f8") if len(record.parts) > 2 else np.zeros(0)
            if len(values) != len(names):
                raise InputError(
                    f"the payment was decided by {len(values)} features, and {len(names)} are declared now", "--id"
                )
            return payment, dict(zip(names, values.tolist(), strict=True))
    raise InputError(f"the journal in {files.journal} has no payment {payment_id}", "--id")


def explained(folder: ModelFolder, payment: Payment, features: Mapping[str, float | None]) -> dict[str, Any]:
    """Score, margin, what was expected, and of each input its value, both attributions and its sentences, the strongest first."""
    trained = TrainedModel(folder.manifest, folder.trees)
    declared = folder.manifest.features
    layout = ("id", *sorted(trained.paths - {"id"}))
    model = trained.bind(layout, declared)
    given = [features.get(one.name) for one in declared]
    values = np.array([np.nan if one is None else one for one in given], np.float64)
    score = model(flattener(layout)(payment), values)
    x, path = model.trees.x.copy(), model.trees.pushes()
    exact, expected = shapley(trained.forest, x)
    order = np.argsort(-np.abs(exact), kind="stable").tolist()
    inputs = []
    for i in order:
        why = trained.sentences.one(i, float(x[i]), float(exact[i]))
        inputs.append(
            {
                "name": why.name,
                "value": why.value,
                "exact": why.push,
                "path": float(path[i]),
                "zh": why.zh,
                "en": why.en,
            }
        )
    return {"score": score, "margin": float(exact.sum() + expected), "expected": expected, "inputs": inputs}
