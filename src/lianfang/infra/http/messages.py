"""Requests as the handlers see them, responses as bytes, and our errors as RFC 9457 problem details. One table for both."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from lianfang.kernel.errors import AccessError, ConflictError, DependencyError, InputError, LianfangError, TooLargeError

JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"

_REASONS: Final = {
    200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 411: "Length Required", 413: "Content Too Large",
    415: "Unsupported Media Type", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
_HEADS: Final = {status: f"HTTP/1.1 {status} {text}\r\n".encode() for status, text in _REASONS.items()}
_OK_JSON: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

STATUS: Final[tuple[tuple[type[LianfangError], int], ...]] = (
    (ConflictError, 409),
    (TooLargeError, 413),
    (InputError, 400),
    (DependencyError, 503),
)
"""Most specific first. An `AccessError`'s status follows from its code."""
ACCESS_STATUS: Final = {"no-key": 401, "bad-key": 401, "no-session": 401, "rate-limited": 429, "quota": 429}
CODE_STATUS: Final = {"unsupported-media-type": 415, "not-found": 404}
"""Where the code says more than the kind of error."""


class Request:
    """One request, whole. `target` is path and query as sent; header names are lower case, and only those we read.

    `arrived`: when its last bytes were read, by the server's clock; many requests may be read together and wait in turn.
    """

    __slots__ = ("arrived", "body", "headers", "method", "target")

    def __init__(
        self, method: bytes, target: bytes, headers: Mapping[bytes, bytes], body: bytes, arrived: float = -1.0
    ) -> None:
        self.arrived = arrived
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body


def response(status: int, body: bytes, content_type: bytes = JSON, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A whole response with its length."""
    if status == 200 and content_type is JSON and not headers:
        return _OK_JSON % (len(body), body)
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")
    return b"%bContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b" % (
        _HEADS[status],
        content_type,
        len(body),
        extra,
        body,
    )


def problem_body(status: int, code: str, detail: str, where: str = "", more: Mapping[str, Any] | None = None) -> bytes:
    """The JSON of RFC 9457 problem details. `more`: members of this kind of problem."""
    body: dict[str, Any] = {
        "type": f"urn:lianfang:problem:{code}",
        "title": _REASONS.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    if where:
        body["where"] = where
    return json.dumps(body | dict(more or {}), ensure_ascii=False).encode("utf-8", "replace")


def problem(status: int, code: str, detail: str, where: str = "", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """RFC 9457 problem details. `code` is stable for machines, `detail` a sentence, `where` a path into the request."""
    return response(status, problem_body(status, code, detail, where), PROBLEM, headers)


def status_of(error: LianfangError) -> int:
    """The HTTP status of one of our errors."""
    if isinstance(error, AccessError):
        return ACCESS_STATUS.get(error.code, 403)
    if error.code in CODE_STATUS:
        return CODE_STATUS[error.code]
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem_headers(error: LianfangError) -> tuple[tuple[str, str], ...]:
    """What a client should know beside the body: when to try again, how to sign in."""
    if isinstance(error, AccessError) and error.retry_after_s is not None:
        return (("Retry-After", str(math.ceil(error.retry_after_s))),)
    if isinstance(error, AccessError) and status_of(error) == 401:
        return (("WWW-Authenticate", "Bearer"),)
    if isinstance(error, DependencyError) and error.retryable:
        return (("Retry-After", "1"),)
    return ()


def problem_of(error: LianfangError) -> bytes:
    """One of our errors as a response."""
    what = error.what if isinstance(error, InputError) else str(error)
    return problem(status_of(error), error.code, what, getattr(error, "where", ""), problem_headers(error))
