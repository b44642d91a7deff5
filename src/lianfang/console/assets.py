"""Scripts and styles from our own origin: bundled by `web/build.mjs` at set-up, named by their content, compressed ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.kernel.errors import DependencyError

BUILT: Final = Path(str(files("lianfang.console"))) / "static"
_KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_PACKED: Final = (("br", ".br"), ("gzip", ".gz"))
_FOREVER: Final = "public, max-age=31536000, immutable"


@cache
def _manifest() -> Mapping[str, str]:
    """`charts.js` -> `charts-4F2A.js`."""
    try:
        return msgspec.json.decode((BUILT / "manifest.json").read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError) as why:
        raise DependencyError(
            "the console's scripts are not built: run `make pages` in the checkout", "no-assets", retryable=False
        ) from why


def built() -> bool:
    """Whether pages can be shown at all."""
    return (BUILT / "manifest.json").is_file()


def asset(name: str) -> str:
    """The address of a built file. Raises `DependencyError` if nothing was built."""
    return f"/console/static/{_manifest()[name]}"


@get("/console/static/{name:str}", include_in_schema=False)
async def static(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A built file, as the browser can take it. Its name changes with its content, so it is kept for good."""
    if name not in _manifest().values():
        raise NotFoundError("there is no such file", "path")
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    accepted = request.headers.get("accept-encoding", "")
    path = BUILT / name
    for encoding, ending in _PACKED:
        packed = BUILT / (name + ending)
        if encoding in accepted and await asyncio.to_thread(packed.is_file):
            path, headers["Content-Encoding"] = packed, encoding
            break
    content = await asyncio.to_thread(path.read_bytes)
    kind = _KINDS.get(Path(name).suffix, "application/octet-stream")
    return Response(content, media_type=kind, headers=headers)
