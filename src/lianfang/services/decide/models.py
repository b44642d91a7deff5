"""Models at a node: which were brought, which is in force, which scores in shadow; and how they reach the decider.

Rows of the decide room; the folders themselves lie under the data folder, by version. Times are microseconds UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from lianfang.engines.rules import features_of
from lianfang.engines.scoring import TrainedModel, refuse_other_features
from lianfang.infra.models import ModelFolder, checked, read_model, write_model
from lianfang.infra.sql import record, upsert
from lianfang.kernel import limits
from lianfang.kernel.errors import EvidenceError, InputError, LianfangError
from lianfang.kernel.instant import Instant
from lianfang.services.decide.store import metadata
from lianfang.wire import Model, RuleSet, read_manifest, version_of_model, write

Role = Literal["model", "challenger"]
ROLES: Final[tuple[Role, ...]] = ("model", "challenger")
"""In force; in shadow: scored beside it, on record, without effect."""

models_table: Final = sa.Table(
    "models",
    metadata,
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("added_by", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("added_at", sa.BigInteger, nullable=False),
)
roles_table: Final = sa.Table(
    "model_roles",
    metadata,
    sa.Column("role", sa.String(20), primary_key=True),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("changed_by", sa.String(limits.ID_LENGTH_MAX), nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)


class Held(msgspec.Struct, frozen=True):
    """A model that this node has. `role`: what it does now, null for nothing. `added_at`: microseconds UTC."""

    manifest: Model
    role: Role | None
    added_by: str
    added_at: int


class Pair(msgspec.Struct, frozen=True):
    """Manifest (JSON) and trees, as they are handed to the decider."""

    manifest: bytes
    trees: bytes


class Handed(msgspec.Struct, frozen=True):
    """What the desk publishes about models."""

    model: Pair | None = None
    challenger: Pair | None = None


_read_handed: Final = msgspec.msgpack.Decoder(Handed).decode


def fit(folder: ModelFolder, ruleset: RuleSet) -> TrainedModel:
    """The model, ready for a node of these rules. Raises `ModelError` naming the features that differ, or what is broken."""
    trained = TrainedModel(folder.manifest, folder.trees)
    refuse_other_features(folder.manifest, features_of(ruleset))
    return trained


def known_models(connection: sa.Connection) -> list[Held]:
    """Every model that was brought, the newest first."""
    roles = _roles(connection)
    rows = connection.execute(sa.select(models_table).order_by(models_table.c.added_at.desc(), models_table.c.version))
    return [
        Held(read_manifest(row.manifest.encode()), roles.get(row.version), row.added_by, row.added_at) for row in rows
    ]


def find_model(connection: sa.Connection, wanted: str) -> Model:
    """The model whose version begins so, or whose name and short version this is. Raises `InputError`."""
    digits = wanted.rpartition("@")[2]
    found = [
        one.manifest for one in known_models(connection) if len(digits) >= 6 and one.manifest.version.startswith(digits)
    ]
    if len(found) != 1:
        raise InputError(f"{'no' if not found else 'more than one'} model here has the version {wanted}", "$.version")
    return found[0]


def put_model(
    connection: sa.Connection, store: Path, folder: ModelFolder, role: Role, *, by: str, at: Instant, reason: str
) -> None:
    """Keep a model, and give it a role. The same again changes nothing."""
    manifest = folder.manifest
    place = store / manifest.version
    if not place.exists():
        write_model(place, manifest, folder.files)
    row = {
        "version": manifest.version,
        "name": manifest.name,
        "manifest": write(manifest).decode(),
        "added_by": by,
        "added_at": at,
    }
    if connection.scalar(sa.select(models_table.c.version).where(models_table.c.version == manifest.version)) is None:
        connection.execute(models_table.insert().values(row))
    before = connection.scalar(sa.select(roles_table.c.version).where(roles_table.c.role == role))
    if before == manifest.version:
        return
    changed = {"role": role, "version": manifest.version, "changed_by": by, "changed_at": at}
    upsert(connection, roles_table, [changed], ("role",))
    record(
        connection, who=by, act=f"{role}.load", what=manifest.name, reason=reason, at=at,
        detail={"version": manifest.version, "before": before},
    )  # fmt: skip


def drop_model(connection: sa.Connection, role: Role, *, by: str, at: Instant, reason: str) -> bool:
    """Whether there was a model in this role; there is none now. Its folder stays."""
    before = connection.scalar(sa.select(roles_table.c.version).where(roles_table.c.role == role))
    if before is None:
        return False
    connection.execute(roles_table.delete().where(roles_table.c.role == role))
    record(connection, who=by, act=f"{role}.unload", what=role, reason=reason, at=at, detail={"version": before})
    return True


def hand_over(connection: sa.Connection, store: Path) -> bytes:
    """What the decider is to score by. Raises `LianfangError` when a folder is not what it was."""
    pairs: dict[str, Pair] = {}
    for role, version, *_ in connection.execute(sa.select(roles_table)):
        folder = read_model(store / version)
        if folder.manifest.version != version:
            raise EvidenceError(f"the model folder {store / version} holds another version; load the model again")
        pairs[role] = Pair(write(folder.manifest), folder.trees)
    return msgspec.msgpack.encode(Handed(**pairs))


def take_over(raw: bytes) -> tuple[dict[Role, TrainedModel], dict[str, str]]:
    """At the decider: the models by role, and what is wrong with those that cannot be used, by role."""
    try:
        handed = _read_handed(raw)
    except msgspec.MsgspecError as why:
        return {}, {"model": f"what the desk published cannot be read ({why}): load the model again"}
    found: dict[Role, TrainedModel] = {}
    trouble: dict[str, str] = {}
    for role in ROLES:
        pair: Pair | None = getattr(handed, role)
        if pair is None:
            continue
        try:
            manifest = read_manifest(pair.manifest)
            alone = msgspec.structs.replace(manifest, files={manifest.trees: manifest.files.get(manifest.trees, "")})
            found[role] = TrainedModel(manifest, _proved(manifest, alone, pair.trees))
        except LianfangError as why:
            trouble[role] = str(why)
    return found, trouble


def _proved(manifest: Model, alone: Model, trees: bytes) -> bytes:
    """The trees, when they are those that the manifest names. Reports and cards are not handed over."""
    checked(msgspec.structs.replace(alone, version=version_of_model(alone)), {manifest.trees: trees})
    if version_of_model(manifest) != manifest.version:
        raise EvidenceError("the manifest does not have the version that it bears: load the model again")
    return trees


def _roles(connection: sa.Connection) -> Mapping[str, Any]:
    return {version: role for role, version, *_ in connection.execute(sa.select(roles_table))}
