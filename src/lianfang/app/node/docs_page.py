"""The page at /docs: Swagger UI from the installed bundle, from our own origin, under a policy that allows no other.

"Try it out" reaches the decider through `/decider/...` here, because the page may not call another origin.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import HttpMethod, Response, get, route
from litestar.params import FromPath
from litestar.response import Redirect
from swagger_ui_bundle import swagger_ui_path

from lianfang.app.node.api_document import as_3_0
from lianfang.app.node.peer import ask
from lianfang.infra.asgi import AnyRequest, NotFoundError

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No inline script, no inline style, no other origin for anything."""
_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START: Final = b"""window.ui = SwaggerUIBundle({
  url: "/docs/openapi-3.0.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout", defaultModelsExpandDepth: 0, docExpansion: "list"
});
"""
_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lianfang node: API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
RELAYED: Final = ("/v1/decisions", "/v1/outcomes", "/readyz", "/healthz", "/metrics")
RELAY_TIMEOUT_S: Final = 5.0


def _file(content: bytes, kind: str) -> Response[bytes]:
    return Response(content, media_type=kind, headers={"Content-Security-Policy": POLICY})


@get("/", include_in_schema=False)
async def home() -> Redirect:
    return Redirect("/console")


@get("/docs", include_in_schema=False)
async def page() -> Response[bytes]:
    return _file(_PAGE, "text/html")


@get("/docs/{name:str}", include_in_schema=False)
async def part(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    if name == "start.js":
        return _file(_START, "text/javascript")
    if name == "openapi-3.0.json":
        older = as_3_0(request.app.state.document(), request.app.state.decider_url())
        return _file(msgspec.json.encode(older), "application/json")
    if name not in _FILES:
        raise NotFoundError("there is no such file", "path")
    return _file(await asyncio.to_thread((swagger_ui_path / name).read_bytes), _FILES[name])


@get("/openapi.json", include_in_schema=False)
async def document(request: AnyRequest) -> Response[bytes]:
    return _file(msgspec.json.encode(request.app.state.document()), "application/json")


@route("/decider/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST], include_in_schema=False)
async def relay(request: AnyRequest, rest: FromPath[str]) -> Response[bytes]:
    """One request of the page handed to the decider, which checks its key; not a door for production."""
    if not any(rest == path or rest.startswith(path + "/") for path in RELAYED):
        raise NotFoundError("the decider has nothing at this path", "path")
    kept = {name: value for name in ("authorization", "content-type") if (value := request.headers.get(name))}
    raw_path: bytes = request.scope["raw_path"]
    target = raw_path.removeprefix(b"/decider").decode("latin-1")
    sent: Any = await request.body()
    said = await asyncio.to_thread(
        ask,
        request.app.state.decider_url(),
        request.method,
        target,
        kept,
        sent,
        request.app.state.tls_cert,
        RELAY_TIMEOUT_S,
    )
    return Response(said.body, status_code=said.status, media_type=said.kind, headers={"Cache-Control": "no-store"})


ROUTES: Final = (home, page, part, document, relay)
