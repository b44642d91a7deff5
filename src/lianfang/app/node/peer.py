"""The desk and the supervisor ask the decider: one plain HTTP request, with a time limit."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from lianfang.app.settings import Settings
from lianfang.kernel.errors import DependencyError

ANSWER_MAX: Final = 16 << 20
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not bound, recognised


class Said(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    kind: str


def door_url(settings: Settings, port: int) -> str:
    """The address of a door of this node, as this machine reaches it."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    return f"{'https' if settings.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def ask(
    url: str,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    tls_cert: str = "",
    timeout_s: float = 2.0,
) -> Said:
    """One request. Raises `DependencyError` when nobody answers in time. `tls_cert`: the certificate it must show."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=_trust(tls_cert))
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request(method, target, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return Said(
            answer.status, answer.read(ANSWER_MAX), answer.headers.get("Content-Type", "application/octet-stream")
        )
    except (OSError, http.client.HTTPException) as why:
        raise DependencyError(f"the decider does not answer: {why or type(why).__name__}", "decider-down") from why
    finally:
        connection.close()


def _trust(tls_cert: str) -> ssl.SSLContext:
    """Exactly our own certificate, whatever name it bears: both doors show the same one."""
    context = ssl.create_default_context(cafile=tls_cert or None)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
