"""One page: a template, the language, who looks, and the policy under which the browser may show it."""

from __future__ import annotations

import base64
import gzip
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from litestar import Response

from lianfang.console import shown
from lianfang.console.assets import asset
from lianfang.console.installation import Installation
from lianfang.console.sentences import teller
from lianfang.console.words import Lang, chosen, sayer
from lianfang.infra.asgi import AnyRequest
from lianfang.services.identity.people_store import Session
from lianfang.wire import TAXONOMY

GRAPH_STYLE: Final = "'sha256-pgvDUBa4IjFA2yuSJ2cqcyxmNYJMborsd0ORcRv9vw8='"
"""The one style element that the network's library writes itself."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'{graph}; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; manifest-src 'self'"
)
LANG_COOKIE: Final = "lianfang_lang"
THEME_COOKIE: Final = "lianfang_theme"
THEMES: Final = ("auto", "light", "dark")
GZIP_FROM: Final = 1_400
"""A page smaller than a packet is sent as it is."""


@cache
def _environment(lang: Lang, zone: ZoneInfo) -> Environment:
    environment = Environment(
        loader=PackageLoader("lianfang.console", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(say=sayer(lang), lang=lang, asset=asset, taxonomy=TAXONOMY, **shown.functions(lang))
    environment.filters.update(shown.filters(lang, zone), sentence=teller(lang))
    return environment


def language(request: AnyRequest) -> Lang:
    """The language this page is in."""
    return chosen(request.cookies.get(LANG_COOKIE), request.headers.get("accept-language", ""))


def text(template: str, lang: Lang, zone: ZoneInfo, **values: Any) -> str:
    """A template filled in."""
    return _environment(lang, zone).get_template(template).render(values)


def page(
    request: AnyRequest,
    template: str,
    session: Session | None,
    *,
    status: int = 200,
    graph: bool = False,
    editor: bool = False,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response[bytes]:
    """A whole page, or the part of one that htmx asked for.

    `graph`: it draws a network; `editor`: it has one, whose own style needs a nonce.
    """
    lang = language(request)
    console: Installation = request.app.state.console
    theme = request.cookies.get(THEME_COOKIE)
    nonce = secrets.token_urlsafe(16) if editor else ""
    html = text(
        template,
        lang,
        console.zone,
        session=session,
        may=session.person.permissions if session else frozenset(),
        csrf=masked(session.csrf) if session else "",
        theme=theme if theme in THEMES else "auto",
        themes=THEMES,
        here=request.url.path,
        query=request.url.query,
        navigation=console.navigation,
        home=console.home,
        node=console.node,
        has_oidc=console.oidc is not None,
        now=request.app.state.wall(),
        nonce=nonce,
        **values,
    )
    policy = POLICY.format(graph=(f" {GRAPH_STYLE}" if graph else "") + (f" 'nonce-{nonce}'" if nonce else ""))
    return _html(request, html, status, {"Content-Security-Policy": policy, **(headers or {})})


def _html(request: AnyRequest, html: str, status: int, headers: Mapping[str, str]) -> Response[bytes]:
    content = html.encode()
    said = {"Cache-Control": "no-store", "Vary": "Cookie, Accept-Language, Accept-Encoding, HX-Request", **headers}
    if len(content) > GZIP_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        content, said["Content-Encoding"] = gzip.compress(content, 5, mtime=0), "gzip"
    return Response(content, status_code=status, media_type="text/html", headers=said)


def masked(token: str) -> str:
    """The form's secret under a fresh random mask, so that its compressed length tells nothing (BREACH)."""
    raw = token.encode()
    mask = secrets.token_bytes(len(raw))
    return base64.urlsafe_b64encode(mask + bytes(a ^ b for a, b in zip(mask, raw, strict=True))).decode()


def unmasked(sent: str) -> str:
    """The secret of a form; empty for what is none."""
    try:
        raw = base64.urlsafe_b64decode(sent.encode())
        half = len(raw) // 2
        return bytes(a ^ b for a, b in zip(raw[:half], raw[half:], strict=True)).decode()
    except (ValueError, UnicodeError):
        return ""
