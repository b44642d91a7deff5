"""A training's result as a model folder: trees, manifest, report, cards."""

from __future__ import annotations

from pathlib import Path

from lianfang.app.learn.card import card
from lianfang.app.learn.report import page
from lianfang.app.learn.train import Result
from lianfang.infra.models import ModelFolder, write_model
from lianfang.wire import CARDS, REPORT, TREES


def write(result: Result, out: Path, *, replace: bool = False) -> ModelFolder:
    """Writes it whole. Raises `ConflictError` where a folder is there, `DependencyError` where the disk refuses."""
    english, chinese = CARDS
    files = {
        TREES["lightgbm"]: result.fitted.trees.encode(),
        REPORT: page(result).encode(),
        english: card(result, "en").encode(),
        chinese: card(result, "zh").encode(),
    }
    return write_model(out, result.model, files, replace=replace)
