"""Errors as pages: what happened, whose fault it is, what to do next. A part of a page fails as a part."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from lianfang.console.assets import built
from lianfang.console.page import page
from lianfang.console.signed import SignInNeededError
from lianfang.infra.asgi import AnyRequest
from lianfang.infra.http.messages import status_of
from lianfang.kernel.errors import AccessError, InputError, LianfangError

SIGN_IN: Final = "/console/sign-in"
_KNOWN: Final = {
    403: "not-allowed",
    404: "not-found",
    405: "not-found",
    413: "too-large",
    429: "wait",
    503: "unavailable",
}
log = structlog.get_logger("console")


def handlers() -> ExceptionHandlersMap:
    """For the console's router."""
    return {SignInNeededError: _sign_in, LianfangError: _ours, HTTPException: _its, Exception: _fault}


def _sign_in(request: AnyRequest, _: Exception) -> Any:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    address = SIGN_IN if request.method != "GET" else f"{SIGN_IN}?next={quote(back, safe='')}"
    if request.headers.get("hx-request"):
        return Response(b"", status_code=401, headers={"HX-Redirect": SIGN_IN})
    return Redirect(address, status_code=303)


def _ours(request: AnyRequest, why: LianfangError) -> Response[bytes]:
    status = 429 if isinstance(why, AccessError) and why.retry_after_s is not None else status_of(why)
    problems = getattr(why, "problems", ())
    said = (
        "" if problems else why.what if isinstance(why, InputError) else str(why)
    )  # its text is its problems, with carets
    return failure(request, status, said, getattr(why, "where", ""), problems=problems)


def _its(request: AnyRequest, why: HTTPException) -> Response[bytes]:
    return _fault(request, why) if why.status_code >= 500 else failure(request, why.status_code, str(why.detail))


def _fault(request: AnyRequest, why: Exception) -> Response[bytes]:
    log.error("fault", path=request.url.path, exc_info=why)
    return failure(request, 500, "")


def failure(request: AnyRequest, status: int, said: str, where: str = "", problems: Any = ()) -> Response[bytes]:
    """A page, or for htmx the part, that says what went wrong."""
    part = bool(request.headers.get("hx-request"))
    template = "parts/failure.html" if part else "failure.html"
    kind = _KNOWN.get(status, "wrong" if status < 500 else "fault")
    if not built():
        return Response(said.encode(), status_code=status, media_type="text/plain")  # a page would need its style
    headers = {"HX-Retarget": "#failures", "HX-Reswap": "innerHTML"} if part else {}
    return page(
        request, template, None, status=status, headers=headers, kind=kind, said=said, where=where, problems=problems
    )
