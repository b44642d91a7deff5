"""A witness's HTTP: `POST /add-checkpoint` (C2SP tlog-witness), and the newest checkpoint it has seen, for who compares."""

from __future__ import annotations

import asyncio
from typing import Final

from litestar import Response, get, post

from lianfang.engines.tlog.witness import REQUEST_BYTES_MAX
from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.kernel.errors import InputError
from lianfang.services.witness.watching import Watch

ORIGIN_LENGTH_MAX: Final = 255


def _watch(request: AnyRequest) -> Watch:
    watch: Watch = request.app.state.witness
    return watch


@post(
    "/add-checkpoint",
    status_code=200,
    summary="Cosign a checkpoint (C2SP tlog-witness)",
    request_max_body_size=REQUEST_BYTES_MAX,
)
async def add_checkpoint(request: AnyRequest) -> Response[bytes]:
    said = await _watch(request).add_checkpoint(await request.body())
    return Response(
        said.body, status_code=said.status, media_type=said.content_type, headers={"Cache-Control": "no-store"}
    )


@get("/v1/log/checkpoint", summary="The newest checkpoint of a log that this party has seen")
async def seen_checkpoint(request: AnyRequest) -> Response[bytes]:
    watch = _watch(request)
    origin = str(request.query_params.get("origin", ""))
    if not origin:
        known = await asyncio.to_thread(watch.records.logs)
        if len(known) != 1:
            raise InputError("say which log: ?origin=", "origin")
        origin = known[0].origin
    note = await asyncio.to_thread(watch.records.note, origin[:ORIGIN_LENGTH_MAX])
    if note is None:
        raise NotFoundError(f"no checkpoint of {origin[:80]} was seen here", "origin")
    return Response(note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


ROUTES: Final = (add_checkpoint, seen_checkpoint)
