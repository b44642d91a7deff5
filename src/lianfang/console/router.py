"""All pages, under one table of errors."""

from __future__ import annotations

from typing import Final

from litestar import Router

from lianfang.console import (
    assets,
    audit,
    decision,
    draft_pages,
    entrance,
    failing,
    health,
    list_pages,
    live,
    model_pages,
    oidc,
    outcomes,
    people,
    queue,
    reports,
    rule_editor,
    rules,
    search,
    style,
    wall,
)

PAGES: Final = (
    *entrance.ROUTES,
    *oidc.ROUTES,
    *live.ROUTES,
    *wall.ROUTES,
    *search.ROUTES,
    *decision.ROUTES,
    *queue.ROUTES,
    *outcomes.ROUTES,
    *rules.ROUTES,
    *rule_editor.ROUTES,
    *draft_pages.ROUTES,
    *list_pages.ROUTES,
    *model_pages.ROUTES,
    *reports.ROUTES,
    *health.ROUTES,
    *people.ROUTES,
    *audit.ROUTES,
    *style.ROUTES,
)


def console_router() -> Router:
    """For the desk."""
    return Router(path="/", route_handlers=[*PAGES, assets.static], exception_handlers=failing.handlers())
