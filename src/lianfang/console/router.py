"""All pages, under one table of errors."""

from __future__ import annotations

from typing import Final

from litestar import Router

from lianfang.console import assets, audit, entrance, failing, health, live, people, reports, style, wall

PAGES: Final = (
    *entrance.ROUTES,
    *people.ROUTES,
    *audit.ROUTES,
    *live.ROUTES,
    *wall.ROUTES,
    *health.ROUTES,
    *reports.ROUTES,
    *style.ROUTES,
)


def console_router() -> Router:
    """For the desk."""
    return Router(path="/", route_handlers=[*PAGES, assets.static], exception_handlers=failing.handlers())
