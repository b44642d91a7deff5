"""What the desk's routes share: strict bodies, reasons for changes, and every error as RFC 9457 problem details.

`status_of` in `messages` is the one table from our errors to HTTP; Litestar's own refusals pass through here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from lianfang.infra.http.messages import problem_body, problem_headers, status_of
from lianfang.kernel.errors import InputError, LianfangError
from lianfang.wire import write

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
MEDIA_JSON: Final = "application/json"
MEDIA_PROBLEM: Final = "application/problem+json"
REASON_HEADER: Final = "Lianfang-Reason"
_CODES: Final = {
    400: "invalid-input",
    404: "not-found",
    405: "wrong-method",
    413: "too-large",
    415: "unsupported-media-type",
}
_SENTENCES: Final = {
    404: "there is nothing at this path; GET /openapi.json lists what there is",
    405: "this method is not for this path",
    413: "the body is larger than this path takes",
}
log = structlog.get_logger("desk")


class Who(Protocol):
    """Whoever a key stands for."""

    @property
    def id(self) -> str: ...


Authorize = Callable[[bytes | None, str], Who]
"""Checks an `Authorization` header (None: absent) for a scope. Raises `AccessError`."""


class NotFoundError(InputError):
    """Nothing has this name."""

    code = "not-found"


class UnsupportedBodyError(InputError):
    """A body that is not JSON."""

    code = "unsupported-media-type"


def authorized(request: AnyRequest, scope: str) -> str:
    """The id of the key that makes this request. Raises `AccessError`."""
    authorize: Authorize = request.app.state.authorize
    header = request.headers.get("authorization")
    return authorize(None if header is None else header.encode("latin-1", "replace"), scope).id


async def body(request: AnyRequest, read: Callable[[bytes], T]) -> T:
    """The body, read strictly. Raises `InputError`."""
    kind = request.headers.get("content-type", MEDIA_JSON)
    if kind.partition(";")[0].strip().lower() != MEDIA_JSON:
        raise UnsupportedBodyError(f"the body must be {MEDIA_JSON}", "Content-Type")
    return read(await request.body())


def reason_of(request: AnyRequest) -> str:
    """Why a change is made: the header (UTF-8), or `?reason=`. Empty when not said; `record` refuses that."""
    header = request.headers.get(REASON_HEADER.lower())
    if header is None:
        return str(request.query_params.get("reason", ""))
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def answer(value: Any, status: int = 200) -> Response[bytes]:
    """A value as JSON. Never cached: it may be a key."""
    return Response(write(value), status_code=status, media_type=MEDIA_JSON, headers={"Cache-Control": "no-store"})


def error_handlers() -> ExceptionHandlersMap:
    """For Litestar's `exception_handlers`: ours, its own, and the last fence, which shows no traceback."""
    return {LianfangError: _ours, HTTPException: _its, Exception: _fault}


def _problem(
    status: int,
    code: str,
    detail: str,
    where: str = "",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response[bytes]:
    content = problem_body(status, code, detail, where, more)
    return Response(
        content, status_code=status, media_type=MEDIA_PROBLEM, headers={"Cache-Control": "no-store", **(headers or {})}
    )


def _ours(_: AnyRequest, why: LianfangError) -> Response[bytes]:
    detail = why.what if isinstance(why, InputError) else str(why)
    problems = getattr(why, "problems", ())
    more: dict[str, Any] = {}
    if problems:
        first = problems[0]
        more = {"line": first.line, "column": first.column, "caret": first.caret}
        more["problems"] = [{name: getattr(p, name) for name in p.__struct_fields__} for p in problems]
    return _problem(status_of(why), why.code, detail, getattr(why, "where", ""), dict(problem_headers(why)), more)


def _its(request: AnyRequest, why: HTTPException) -> Response[bytes]:
    status = why.status_code
    if status >= 500:
        return _fault(request, why)
    where, detail = "", _SENTENCES.get(status, why.detail)
    extra = why.extra
    if isinstance(extra, list) and extra and isinstance(extra[0], dict):
        source = extra[0].get("source", "")
        where = f"{getattr(source, 'value', source)} {extra[0].get('key', '')}".strip()
        detail = str(extra[0].get("message", detail))
    allow = {"Allow": _allowed(request)} if status == 405 else {}
    return _problem(status, _CODES.get(status, "invalid-input"), detail, where, allow)


def _allowed(request: AnyRequest) -> str:
    """The methods that this path does take (RFC 9110 section 15.5.6)."""
    sent = request.scope["path"].strip("/").split("/")
    methods: set[str] = set()
    for route in request.app.routes:
        known = route.path_components
        if len(known) == len(sent) and all(k == s for k, s in zip(known, sent, strict=True) if isinstance(k, str)):
            methods |= set(getattr(route, "methods", ()))
    return ", ".join(sorted(methods))


def _fault(_: AnyRequest, why: Exception) -> Response[bytes]:
    log.error("fault", exc_info=why)
    return _problem(500, "internal", "this is our fault; it was recorded")
