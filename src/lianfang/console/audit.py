"""Who did what, when and why: for auditors. Nothing here can be altered."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import Response, get
from litestar.params import FromQuery, QueryParameter

from lianfang.console.page import page
from lianfang.console.reach import reading
from lianfang.console.signed import signed
from lianfang.infra.asgi import AnyRequest
from lianfang.infra.sql import changes

PAGE: Final = 50
Before = Annotated[int | None, QueryParameter(ge=1, le=2**62)]


@get("/console/audit", include_in_schema=False)
async def audit(
    request: AnyRequest, before: Before = None, who: FromQuery[str] = "", act: FromQuery[str] = ""
) -> Response[bytes]:
    session = await signed(request, "audit")
    found = await reading(
        request, lambda c: changes(c, before=before, limit=PAGE + 1, who=who.strip()[:100], act=act.strip()[:40])
    )
    shown = found[:PAGE]
    following = shown[-1].id if len(found) > PAGE else None
    return page(request, "audit.html", session, changes=shown, next=following, before=before, who=who, act=act)


ROUTES: Final = (audit,)
