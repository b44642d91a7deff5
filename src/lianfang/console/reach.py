"""Back to a page after an act. Records are read and written as the desk's routes do it."""

from __future__ import annotations

from urllib.parse import urlencode

from litestar.response import Redirect

from lianfang.services.decide.at_desk import reading, writing

__all__ = ["done", "reading", "writing"]


def done(address: str, said: str = "") -> Redirect:
    """Back to a page after an act; `said`: the key of the words it greets with (`?done=`)."""
    return Redirect(f"{address}?{urlencode({'done': said})}" if said else address, status_code=303)
