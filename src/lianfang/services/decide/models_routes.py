"""HTTP of models, at the desk. `opt` says what `/openapi.json` cannot see (see `routes`)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, put

from lianfang.infra.asgi import AnyRequest, answer, authorized, body, reason_of
from lianfang.infra.models import ModelFolder, checked, read_model
from lianfang.kernel import limits
from lianfang.kernel.errors import InputError
from lianfang.services.decide.at_desk import publisher_of, reading, writing
from lianfang.services.decide.drafts_routes import refuse_beside_drafts
from lianfang.services.decide.models import Held, Role, drop_model, find_model, fit, known_models, put_model
from lianfang.wire import Model
from lianfang.wire.codec import LAYOUT, Reader

_TEXT: Final = LAYOUT
BODY_BYTES_MAX: Final = 2 * limits.MODEL_TREES_BYTES_MAX
"""Trees, report and cards as JSON."""


class Brought(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model to be scored by: its manifest and files, or the version of one that the node has. `role`: see the docs."""

    role: Role = "model"
    manifest: Model | None = None
    files: dict[str, str] = {}
    """Name to text, all that the manifest names."""
    version: str | None = None
    """Instead of manifest and files: so a model that was in force before comes back in one step."""


class Unloaded(msgspec.Struct, frozen=True):
    """Whether a model was in this role."""

    was: bool


_read_brought: Final = Reader(Brought, _TEXT)


def _folder(request: AnyRequest, connection: Any, brought: Brought) -> ModelFolder:
    if brought.manifest is not None:
        return checked(brought.manifest, {name: text.encode() for name, text in brought.files.items()})
    if brought.version is None:
        raise InputError("send a manifest and its files, or the version of a model that is here", "$")
    return read_model(publisher_of(request).models / find_model(connection, brought.version).version)


@get("/v1/models", summary="The models this node has, and what they do", opt={"scope": "read", "answer": list[Held]})
async def models_list(request: AnyRequest) -> Response[bytes]:
    authorized(request, "read")
    return answer(await reading(request, known_models))


@put("/v1/model", summary="Score by a model, or let it score in shadow; in force within a second",
     request_max_body_size=BODY_BYTES_MAX,
     opt={"scope": "rules", "reason": True, "body": Brought, "answer": list[Held]})  # fmt: skip
async def model_put(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "rules")
    brought = await body(request, _read_brought)
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> list[Held]:
        refuse_beside_drafts(request, connection)
        publisher = publisher_of(request)
        folder = _folder(request, connection, brought)
        fit(folder, publisher.ruleset)
        put_model(connection, publisher.models, folder, brought.role, by=by, at=at, reason=reason)
        return known_models(connection)

    return answer(await writing(request, change, publish=True))


@delete("/v1/model", status_code=200, summary="Score by no model any more; `?role=challenger`: end the shadow",
        opt={"scope": "rules", "reason": True, "answer": Unloaded})  # fmt: skip
async def model_drop(request: AnyRequest) -> Response[bytes]:
    by = authorized(request, "rules")
    wanted = str(request.query_params.get("role", "model"))
    if wanted not in ("model", "challenger"):
        raise InputError("the role is `model` or `challenger`", "query role")
    role: Role = "challenger" if wanted == "challenger" else "model"
    at, reason = request.app.state.wall(), reason_of(request)

    def change(connection: Any) -> bool:
        refuse_beside_drafts(request, connection)
        return drop_model(connection, role, by=by, at=at, reason=reason)

    return answer(Unloaded(await writing(request, change, publish=True)))


ROUTES: Final = (models_list, model_put, model_drop)
