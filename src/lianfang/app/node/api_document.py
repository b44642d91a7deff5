"""The node's OpenAPI document: the desk's routes as Litestar sees them, their bodies and answers from the wire structs,
and the decider's paths with the address of its own door.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from lianfang import __version__
from lianfang.app.node.openapi import Problem, decider_openapi
from lianfang.infra.asgi import MEDIA_JSON, MEDIA_PROBLEM, REASON_HEADER
from lianfang.kernel import limits
from lianfang.services.identity import SCOPES

_REF: Final = "#/components/schemas/{name}"
_REFUSALS: Final = {
    "400": "What was sent is wrong: what and where",
    "401": "No key, or not a valid one",
    "403": "The key lacks the scope",
    "404": "Nothing has this name",
    "409": "It disagrees with what is on record",
    "413": "Too large",
    "415": "Not JSON",
    "429": "The key's rate is used up",
    "503": "The records cannot be read or written now",
}
_REASON: Final = {
    "name": REASON_HEADER,
    "in": "header",
    "required": False,
    "description": "Why the change is made (UTF-8); or the query parameter `reason`. One of the two is required.",
    "schema": {"type": "string", "minLength": 1, "maxLength": limits.TEXT_LENGTH_MAX},
}


def node_openapi(app: Litestar, decider_url: str) -> dict[str, Any]:
    """One document for both doors. Litestar gives paths and parameters; the routes' `opt` gives the rest."""
    seen = app.openapi_schema.to_schema()
    routes = [
        (route, handler) for route in app.routes if isinstance(route, HTTPRoute) for handler in route.route_handlers
    ]
    shown = [(r, h) for r, h in routes if "answer" in h.opt]
    types = [t for _, h in shown for t in (h.opt.get("body"), h.opt["answer"]) if t is not None]
    schemas, components = msgspec.json.schema_components((*types, Problem), ref_template=_REF)
    by_type = iter(schemas)
    problem = schemas[-1]
    paths: dict[str, Any] = {}
    for route, handler in shown:
        body = next(by_type) if handler.opt.get("body") is not None else None
        result = next(by_type)
        method = next(iter(handler.http_methods)).lower()
        operation = seen["paths"][route.path_format][method]
        paths.setdefault(route.path_format, {})[method] = _operation(handler, operation, body, result, problem)
    decider = decider_openapi()
    for path, item in decider["paths"].items():
        if path not in paths:
            paths[path] = {"servers": [{"url": decider_url, "description": "the decider"}], **item}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lianfang node",
            "version": __version__,
            "description": "Decisions are asked of the decider, everything else of the desk. Both take the same keys.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "the desk"}],
        "paths": paths,
        "components": {
            "schemas": decider["components"]["schemas"] | components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, lf_... Scopes: " + "; ".join(f"{s}: {t}" for s, t in SCOPES.items()),
                }
            },
        },
    }


def _operation(
    handler: HTTPRouteHandler, seen: dict[str, Any], body: Any, result: Any, problem: dict[str, Any]
) -> dict[str, Any]:
    refusals = {
        code: {"description": text, "content": {MEDIA_PROBLEM: {"schema": problem}}} for code, text in _REFUSALS.items()
    }
    parameters = [*seen.get("parameters", []), *([_REASON] if handler.opt.get("reason") else [])]
    operation: dict[str, Any] = {
        "operationId": handler.handler_name,
        "summary": handler.summary,
        "responses": {str(handler.status_code): {"description": "Done", "content": {MEDIA_JSON: {"schema": result}}}},
    }
    if "scope" in handler.opt:
        operation["security"] = [{"key": [handler.opt["scope"]]}]
        operation["responses"] |= refusals
    else:
        operation["responses"]["503"] = {"description": "Not ready", "content": {MEDIA_JSON: {"schema": result}}}
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {MEDIA_JSON: {"schema": body}}}
    return operation


def as_3_0(document: dict[str, Any], decider_url: str) -> dict[str, Any]:
    """The same for readers of OpenAPI 3.0, as the bundled Swagger UI is; the decider is then reached through the desk."""
    made: dict[str, Any] = _older(document)
    made["openapi"] = "3.0.3"
    made["info"]["license"] = {"name": "Apache-2.0"}
    for item in made["paths"].values():
        if item.get("servers"):
            item["servers"] = [
                {"url": "/decider", "description": f"the decider, through the desk; directly at {decider_url}"}
            ]
    return made


def _older(node: Any) -> Any:
    """JSON Schema 2020-12 in the words of OpenAPI 3.0: nullable, boolean bounds, enum for const."""
    if isinstance(node, list):
        return [_older(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _older(value) for key, value in node.items()}
    for choice in ("anyOf", "oneOf"):
        if isinstance(made.get(choice), list) and {"type": "null"} in made[choice]:
            rest = [one for one in made.pop(choice) if one != {"type": "null"}]
            made |= {"nullable": True} | (rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {choice: rest})
    for bound, old in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(bound), (int, float)) and not isinstance(made.get(bound), bool):
            made[old], made[bound] = made[bound], True
    if "const" in made:
        made["enum"] = [made.pop("const")]
    return made
