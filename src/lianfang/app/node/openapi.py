"""The decider's part of the OpenAPI document, built from the wire structs."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lianfang import __version__
from lianfang.kernel import limits
from lianfang.wire import Decision, Outcome, Payment

_REF: Final = "#/components/schemas/{name}"


class Problem(msgspec.Struct):
    """RFC 9457 problem details: what is wrong, and where in the request."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str = ""


def decider_openapi() -> dict[str, Any]:
    """OpenAPI 3.1: decisions, outcomes, health."""
    (payment, decision, outcome, problem), schemas = msgspec.json.schema_components(
        (Payment, Decision, Outcome, Problem), ref_template=_REF
    )
    refusals = _refusals(problem)
    batch = {"type": "array", "items": payment, "maxItems": limits.BATCH_PAYMENTS_MAX}
    refused = {
        "type": "object",
        "required": ["payment_id", "refused", "detail"],
        "properties": {k: {"type": "string"} for k in ("payment_id", "refused", "detail")},
    }
    answers = {"type": "array", "items": {"anyOf": [decision, refused]}}
    path_id = {
        "name": "payment_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": limits.ID_LENGTH_MAX},
    }
    recorded = {"type": "object", "properties": {"recorded": {"type": "boolean"}}}
    paths = {
        "/v1/decisions": {
            "post": {
                "operationId": "decide",
                "summary": "Decide one payment, or a list of them. The answer leaves when it is durable.",
                "requestBody": _body({"oneOf": [payment, batch]}, xml="An ISO 20022 pacs.008 or pain.001"),
                "responses": {
                    "200": _answer(
                        "The decision, or the decisions in order",
                        {"oneOf": [decision, answers]},
                        xml="An ISO 20022 pacs.002, where the request was XML",
                    ),
                    **refusals,
                },
                "security": [{"key": ["decide"]}],
            }
        },
        "/v1/decisions/{payment_id}": {
            "get": {
                "operationId": "show",
                "summary": "The decision given to a payment before.",
                "parameters": [path_id],
                "responses": {
                    "200": _answer("The decision", decision),
                    **refusals,
                    "404": _answer("Not remembered", problem, "application/problem+json"),
                },
                "security": [{"key": ["read"]}],
            }
        },
        "/v1/outcomes": {
            "post": {
                "operationId": "report_outcome",
                "summary": "Report what a payment turned out to be.",
                "requestBody": _body(outcome, xml="An ISO 20022 camt.056"),
                "responses": {
                    "202": _answer(
                        "Durably recorded", recorded, xml="An ISO 20022 camt.029, where the request was XML"
                    ),
                    **refusals,
                },
                "security": [{"key": ["outcomes"]}],
            }
        },
        "/healthz": {"get": _page("alive", "Whether the process runs.")},
        "/readyz": {
            "get": _page("ready", "Whether decisions are answered, what is in force, what needs attention.", "503")
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Prometheus metrics.",
                "responses": {
                    "200": {"description": "Text", "content": {"text/plain": {"schema": {"type": "string"}}}}
                },
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lianfang decider",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, lf_..."}},
        },
    }


def _body(schema: dict[str, Any], xml: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}, "application/xml": _xml(xml)}}


def _answer(description: str, schema: dict[str, Any], kind: str = "application/json", xml: str = "") -> dict[str, Any]:
    content = {kind: {"schema": schema}} | ({"application/xml": _xml(xml)} if xml else {})
    return {"description": description, "content": content}


def _xml(description: str) -> dict[str, Any]:
    """XML is described by its own schemas (docs/reference/messages.md), not by one of ours."""
    return {"schema": {"type": "string", "description": description}}


def _page(name: str, summary: str, *more: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {code: _answer(summary, {"type": "object"}) for code in ("200", *more)},
    }


def _refusals(problem: dict[str, Any]) -> dict[str, Any]:
    said = {
        "400": "What was sent is wrong: what and where",
        "401": "No key, or not a valid one",
        "403": "The key lacks the scope",
        "405": "Wrong method",
        "409": "Another payment under an id already decided",
        "413": "Too large",
        "415": "Neither JSON nor XML",
        "429": "The key's rate is used up",
        "503": "The journal cannot be written, or too much is waiting; nothing was decided",
    }
    return {code: _answer(text, problem, "application/problem+json") for code, text in said.items()}
