"""What the desk's routes share: the publisher, and reading and writing the records off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from lianfang.infra.asgi import AnyRequest, NotFoundError
from lianfang.services.decide.publisher import Publisher

T = TypeVar("T")


def publisher_of(request: AnyRequest) -> Publisher:
    """The desk's own."""
    found: Publisher = request.app.state.publisher
    return found


async def reading(request: AnyRequest, ask: Callable[[Any], T]) -> T:
    """`ask(connection)` in a thread of its own."""

    def run() -> T:
        with request.app.state.database.reading() as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


async def writing(request: AnyRequest, change: Callable[[Any], T], *, publish: bool = False) -> T:
    """`change(connection)` in one transaction; then it is published: now, or by the desk's next look."""

    def run() -> T:
        publisher = publisher_of(request)
        with publisher.lock:
            with request.app.state.database.writing() as connection:
                result = change(connection)
            if publish:
                publisher.publish()
            return result

    return await asyncio.to_thread(run)


def plain_name(name: str) -> str:
    """A name from a path: what no record can bear is no name."""
    if "\0" in name or not name.isprintable():
        raise NotFoundError("nothing has this name", "path")
    return name
