"""How pages read and write the records: off the event loop, in one transaction, published where the decider must know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from litestar.response import Redirect

from lianfang.infra.asgi import AnyRequest

T = TypeVar("T")


async def reading(request: AnyRequest, ask: Callable[[Any], T]) -> T:
    """`ask(connection)` in a thread of its own."""

    def run() -> T:
        with request.app.state.database.reading() as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


async def writing(request: AnyRequest, change: Callable[[Any], T], *, publish: bool = False) -> T:
    """`change(connection)` in one transaction. `publish`: hand the decider the new version at once."""

    def run() -> T:
        with request.app.state.publisher.lock:
            with request.app.state.database.writing() as connection:
                result = change(connection)
            if publish:
                request.app.state.publisher.publish()
            return result

    return await asyncio.to_thread(run)


def done(address: str, said: str = "") -> Redirect:
    """Back to a page after an act; `said`: the key of the words it greets with (`?done=`)."""
    return Redirect(f"{address}?{urlencode({'done': said})}" if said else address, status_code=303)
