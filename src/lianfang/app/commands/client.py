"""A running node, spoken to over its two doors. Found through `running.json`; every failure is one of our errors."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any, Final

from lianfang.app.settings import Settings
from lianfang.kernel.errors import AccessError, ConflictError, DependencyError, EvidenceError, InputError, LianfangError

TIMEOUT_S: Final = 30.0
REASON_HEADER: Final = "Lianfang-Reason"
KEY_VARIABLE: Final = "LIANFANG_KEY"
FIRST_KEY: Final = "first.key"
"""The key a node makes for itself at its first start, in its data folder."""


class Node:
    """Both doors of a node on this machine. Not thread-safe; connections are kept open."""

    def __init__(self, settings: Settings, key: str | None = None) -> None:
        self._root = Path(settings.data_dir)
        self._key = key or os.environ.get(KEY_VARIABLE) or _first_key(self._root)
        self._host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - compared
        self._context = _trusting(settings.tls_cert) if settings.tls_cert else None
        self.ports = running(self._root)
        self._open: dict[str, http.client.HTTPConnection] = {}

    def ask(self, door: str, method: str, path: str, body: bytes | None = None, *, reason: str = "") -> Any:
        """JSON from `door` (`decider` or `desk`), or the text of another kind. Raises our errors, with what it said.

        `reason`: why a change is made; it stands in the node's record of changes.
        """
        status, content_type, answer = self.raw(door, method, path, body, reason)
        if status >= 400:
            raise _error(status, answer)
        if "json" not in content_type:
            return answer.decode("utf-8", "replace")
        return json.loads(answer) if answer else None

    def raw(
        self, door: str, method: str, path: str, body: bytes | None = None, reason: str = ""
    ) -> tuple[int, str, bytes]:
        """(status, content type, body). Raises `DependencyError` when the door does not answer."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if reason:
            headers[REASON_HEADER] = reason.encode().decode("latin-1")  # UTF-8, as bytes
        for attempt in (1, 2):
            connection = self._connection(door)
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response.status, response.getheader("Content-Type", ""), response.read()
            except (OSError, http.client.HTTPException) as why:
                connection.close()
                self._open.pop(door, None)
                stale = isinstance(why, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError))
                if attempt == 2 or not stale:  # a kept connection may have been closed while idle
                    where = f"{self._host}:{self.ports[door]}"
                    raise DependencyError(f"the node's {door} at {where} does not answer: {why}") from why
        raise AssertionError

    def _connection(self, door: str) -> http.client.HTTPConnection:
        found = self._open.get(door)
        if found is None:
            if door not in self.ports:
                raise DependencyError(f"the node has no {door} running; start it with `lianfang serve`")
            if self._context is not None:
                found = http.client.HTTPSConnection(
                    self._host, self.ports[door], timeout=TIMEOUT_S, context=self._context
                )
            else:
                found = http.client.HTTPConnection(self._host, self.ports[door], timeout=TIMEOUT_S)
            self._open[door] = found
        return found

    def close(self) -> None:
        """Close what is open."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()


def running(root: Path) -> dict[str, int]:
    """Ports by door of the node whose data folder this is. Raises `DependencyError` when none runs."""
    path = root / "running.json"
    try:
        said = json.loads(path.read_bytes())
        return {door: int(said[f"{door}_port"]) for door in ("decider", "desk") if said.get(f"{door}_port")}
    except FileNotFoundError as why:
        raise DependencyError(
            f"no node runs on {root}; start one with `lianfang serve`, or name its folder with LIANFANG_DATA_DIR"
        ) from why
    except (OSError, ValueError, TypeError, KeyError) as why:
        raise DependencyError(f"{path} cannot be read: {why}") from why


def _first_key(root: Path) -> str | None:
    try:
        return (root / FIRST_KEY).read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _trusting(certificate: str) -> ssl.SSLContext:
    """Trust this node's own certificate, whatever name it carries: it was read from its settings."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    return context


def _error(status: int, answer: bytes) -> LianfangError:
    """A problem document as the error it was made of."""
    try:
        said = json.loads(answer)
        detail, code, where = str(said["detail"]), str(said.get("code", "")), str(said.get("where", ""))
    except (ValueError, TypeError, KeyError):
        detail, code, where = f"the node answered {status}", "", ""
    if status in (401, 403, 429):
        return AccessError(f"{detail} (give a key with --key or {KEY_VARIABLE})", code or "forbidden")
    if status == 409:
        return ConflictError(detail, where)
    if status < 500:
        return InputError(detail, where)
    return EvidenceError(detail) if code == "bad-evidence" else DependencyError(detail, code or "dependency-failed")
