"""uvicorn's protocol, and two things more in each request's scope: the client's certificate, and how to cut the connection."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lianfang.app.hub.door import ABORT

CERTIFICATE: Final = "lianfang.certificate"
"""SHA-256 of the client's certificate in DER, hex; missing when it showed none."""


class HubProtocol(HttpToolsProtocol):
    """See the module."""

    certificate = ""

    def connection_made(self, transport: Any) -> None:
        """Reads the certificate once a connection."""
        super().connection_made(transport)
        found = transport.get_extra_info("ssl_object")
        if isinstance(found, ssl.SSLObject | ssl.SSLSocket):
            shown = found.getpeercert(binary_form=True)
            self.certificate = hashlib.sha256(shown).hexdigest() if shown else ""

    def on_message_begin(self) -> None:
        """A scope with both."""
        super().on_message_begin()
        scope: Any = self.scope
        scope[ABORT] = self.transport.abort
        if self.certificate:
            scope[CERTIFICATE] = self.certificate
