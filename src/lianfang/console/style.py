"""The page of the visual language: every part that pages are made of, in every state."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get

from lianfang.console.page import language, page
from lianfang.console.signed import signed
from lianfang.console.words import sayer
from lianfang.infra.asgi import AnyRequest

_HEIGHTS: Final = {"allow": (820, 37, 140), "challenge": (12, 7, 9), "block": (2, 5, 4)}


def _rates(request: AnyRequest) -> dict[str, Any]:
    """Made-up lines, the same at every look."""
    say = sayer(language(request))
    series = [
        {"name": name, "label": say(f"action.{name}"), "data": [base + (i * step) % of for i in range(36)]}
        for name, (base, step, of) in _HEIGHTS.items()
    ]
    return {"x": [f"{9 + i // 6:02d}:{i % 6 * 10:02d}" for i in range(36)], "series": series}


@get("/console/style", include_in_schema=False)
async def style(request: AnyRequest) -> Response[bytes]:
    session = await signed(request)
    return page(request, "style.html", session, rates=_rates(request), sample_at=request.app.state.wall())


ROUTES: Final = (style,)
