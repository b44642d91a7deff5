"""All pages, under one table of errors."""

from __future__ import annotations

from typing import Final

from litestar import Router

from lianfang.console import (
    assets,
    audit,
    draft_pages,
    entrance,
    failing,
    list_pages,
    model_pages,
    people,
    rule_editor,
    rules,
    style,
)

PAGES: Final = (
    *entrance.ROUTES, *people.ROUTES, *audit.ROUTES, *style.ROUTES,
    *rules.ROUTES, *rule_editor.ROUTES, *draft_pages.ROUTES, *list_pages.ROUTES, *model_pages.ROUTES,
)  # fmt: skip


def console_router() -> Router:
    """For the desk."""
    return Router(path="/", route_handlers=[*PAGES, assets.static], exception_handlers=failing.handlers())
