"""All pages, under one table of errors."""

from __future__ import annotations

from typing import Final

from litestar import Router

from lianfang.console import assets, audit, decision, entrance, failing, outcomes, people, queue, search, style

PAGES: Final = (
    *entrance.ROUTES,
    *people.ROUTES,
    *audit.ROUTES,
    *search.ROUTES,
    *decision.ROUTES,
    *queue.ROUTES,
    *outcomes.ROUTES,
    *style.ROUTES,
)


def console_router() -> Router:
    """For the desk."""
    return Router(path="/", route_handlers=[*PAGES, assets.static], exception_handlers=failing.handlers())
