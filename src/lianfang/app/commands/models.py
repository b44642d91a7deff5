"""`lianfang model`: look at a model folder, put one in force at the running node, ask one why."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lianfang.app.commands.common import JsonFile

if TYPE_CHECKING:
    from lianfang.wire import Model


def show(folder: Path, /, *, json: JsonFile = None) -> int:
    """What a model folder holds: what it reads, how it was trained, what it reached. Every file is checked.

    Parameters
    ----------
    folder
        The model folder.
    json
        Write the manifest to this file.
    """
    import msgspec

    from lianfang.app.commands.common import table, write_json
    from lianfang.engines.scoring import TrainedModel
    from lianfang.infra.models import read_model

    found = read_model(folder)
    trained = TrainedModel(found.manifest, found.trees)
    model = found.manifest
    if str(json) != "-":
        calibrated = type(model.calibration).__name__.lower()
        print(
            f"{trained.version}  {model.kind}, {trained.forest.trees} trees, {len(model.inputs)} inputs, {calibrated}"
        )
        print(
            f"version {model.version}; trained {model.trained.created_at:%Y-%m-%d %H:%M} by {model.trained.by or 'unknown'}"
        )
        rows = [
            (p.use, p.begins.date(), p.ends.date(), f"{p.payments:,}", f"{p.frauds:,}") for p in model.trained.periods
        ]
        table("periods", ("use", "from", "until before", "payments", "frauds"), rows, right=("payments", "frauds"))
        table(
            "held out",
            ("metric", "value"),
            [(k, f"{v:.4g}") for k, v in model.trained.metrics.items()],
            right=("value",),
        )
        table("inputs", ("name", "define", "what it is"), [(i.name, i.define, f"{i.zh} {i.en}") for i in model.inputs])
    write_json(json, msgspec.to_builtins(model))
    return 0


def features(folder: Path, /, *, out: Path | None = None) -> int:
    """Write the features that a model reads as a rule file, for `lianfang serve --rules RULES:FILE --model MODEL`.

    Parameters
    ----------
    folder
        The model folder.
    out
        The file to write; without, it is printed.
    """
    from lianfang.infra.models import read_model

    text = _declaring(read_model(folder).manifest)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, "utf-8")
    return 0


def _declaring(model: Model) -> str:
    import json

    head = f'# What the model {model.name} (version {model.version[:12]}) reads.\nschema = "ruleset/1"\n'
    parts = [
        "\n[[features]]\n" + "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in (("name", one.name), ("define", one.define), ("zh", one.zh), ("en", one.en))
        )
        for one in model.features
    ]  # fmt: skip
    return head + "".join(parts)


def list_(*, key: str | None = None, json: JsonFile = None) -> int:
    """The models the running node has, and which is in force.

    Parameters
    ----------
    key
        API key with the scope `read`.
    json
        Write them to this file.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import settings, write_json
    from lianfang.app.commands.desk import get_models

    with closing(Node(settings(), key)) as node:
        found = get_models(node)
    if str(json) != "-":
        _table(found)
    write_json(json, found)
    return 0


def load(model: str, /, *, reason: str, challenger: bool = False, key: str | None = None, json: JsonFile = None) -> int:
    """Score by a model at the running node, without a pause. A version that the node already has comes back in one step.

    Parameters
    ----------
    model
        A model folder, or the version of a model the node has.
    reason
        Why it is done; the node keeps it on record.
    challenger
        Let it score in shadow beside the model in force: on record, without effect.
    key
        API key with the scope `rules`.
    json
        Write the node's models to this file.
    """
    import msgspec

    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import need_reason, settings, write_json
    from lianfang.app.commands.desk import put_model
    from lianfang.infra.models import read_model

    brought: dict[str, Any] = {"role": "challenger" if challenger else "model"}
    if Path(model).is_dir():
        folder = read_model(Path(model))
        texts = {name: data.decode("utf-8") for name, data in folder.files.items()}
        brought |= {"manifest": msgspec.to_builtins(folder.manifest), "files": texts}
    else:
        brought["version"] = model
    with closing(Node(settings(), key)) as node:
        found = put_model(node, brought, need_reason(reason))
    if str(json) != "-":
        _table(found)
    write_json(json, found)
    return 0


def unload(*, reason: str, challenger: bool = False, key: str | None = None) -> int:
    """Score by no model any more. A policy that requires one is then unsure of every payment.

    Parameters
    ----------
    reason
        Why it is done; the node keeps it on record.
    challenger
        End the shadow instead.
    key
        API key with the scope `rules`.
    """
    from lianfang.app.commands.client import Node
    from lianfang.app.commands.common import need_reason, settings
    from lianfang.app.commands.desk import drop_model

    role = "challenger" if challenger else "model"
    with closing(Node(settings(), key)) as node:
        was = drop_model(node, role, need_reason(reason))
    print(f"there is no {role} now" if was else f"there was no {role}")
    return 0


def explain(
    folder: Path,
    /,
    *,
    payment: Path | None = None,
    id: str | None = None,  # noqa: A002 - the option's name
    json: JsonFile = None,
) -> int:
    """Why a model scores a payment as it does: exact Shapley values (TreeSHAP) beside the decision path's approximation.

    Parameters
    ----------
    folder
        The model folder.
    payment
        JSON file `{"payment": {...}, "features": {"name": number}}`; features left out are null.
    id
        Instead: the id of a payment in the journal of this node's data folder, with the features it was decided by.
    json
        Write the figures to this file.
    """
    from lianfang.app.commands.common import settings, table, write_json
    from lianfang.app.explaining import explained, from_file, from_journal
    from lianfang.infra.models import read_model
    from lianfang.kernel.errors import InputError

    found = read_model(folder)
    if (payment is None) == (id is None):
        raise InputError("say which payment: --payment FILE, or --id ID", "--payment")
    about = from_file(payment) if payment is not None else from_journal(settings(), str(id))
    said = explained(found, *about)
    if str(json) != "-":
        print(
            f"score {said['score']:.6f}   margin {said['margin']:+.4f} = {said['expected']:+.4f} expected + what follows"
        )
        rows = [
            (
                one["name"],
                f"{one['value']:g}",
                f"{one['exact']:+.4f}",
                f"{one['path']:+.4f}",
                f"{one['zh']} / {one['en']}",
            )
            for one in said["inputs"]
        ]
        table("log-odds", ("input", "value", "exact", "path", "says"), rows, right=("value", "exact", "path"))
    write_json(json, said)
    return 0


def _table(found: list[dict[str, Any]]) -> None:
    from lianfang.app.commands.common import table

    rows = [
        (one.get("role") or "", f"{one['manifest']['name']}@{one['manifest']['version'][:12]}", one["manifest"]["kind"],
         len(one["manifest"]["inputs"]), one["manifest"]["trained"]["created_at"][:16], one["added_by"])
        for one in found
    ]  # fmt: skip
    table(f"{len(found)} models", ("role", "model", "kind", "inputs", "trained", "brought by"), rows, right=("inputs",))
