"""The operator's side of the hub's HTTP: finds the running hub by its folder, acts with the key that stands there."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from lianfang.app.hub.folder import Folder
from lianfang.app.hub.settings import load
from lianfang.infra.published import read_if_there
from lianfang.kernel.errors import AccessError, DependencyError, InputError
from lianfang.services.keyholding.ceremony import ceremony_entry, read_transcript
from lianfang.wire import CeremonyEntry, Reader, write

TIMEOUT_S: Final = 60.0
KEYS: Final = ("signing", "sealing")
_read_ceremony: Final = Reader(CeremonyEntry)


class OperatorClient:
    """Acts and questions of an operator."""

    def __init__(self, data: Path) -> None:
        folder, settings = Folder(data), load(data)
        said = read_if_there(folder.running)
        if said is None:
            raise DependencyError(f"the hub of {data} is not running: lianfang hub serve --data {data}", "not-running")
        url = msgspec.json.decode(said, type=dict[str, Any])["url"]
        verify: Any = ssl.create_default_context(cafile=settings.tls_cert) if settings.tls_cert else True
        headers = {"Authorization": f"Bearer {folder.operator_key()}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False, verify=verify)

    def act(self, path: str, body: dict[str, Any], reason: str) -> int:
        """An act with its reason; its place in the log. Raises what the hub refuses by."""
        if not reason.strip():
            raise InputError("say why: --reason 'decided on ... by ...'", "--reason")
        headers = {"Lianfang-Reason": reason.encode().decode("latin-1"), "Content-Type": "application/json"}
        said = self._ask("POST", path, headers, msgspec.json.encode(body))
        return int(said["index"])

    def get(self, path: str) -> Any:
        """What the hub says."""
        return self._ask("GET", path, {}, b"")

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        try:
            answer = self._http.request(method, quote(path), headers=sent, content=body)
        except httpx.HTTPError as why:
            raise DependencyError(
                f"the hub does not answer: {type(why).__name__}; is it running?", "not-running"
            ) from why
        said = msgspec.json.decode(answer.content) if answer.content else {}
        if answer.status_code < 400:
            return said
        detail = str(said.get("detail", f"the hub answers {answer.status_code}"))
        if answer.status_code in (401, 403, 429):
            raise AccessError(detail, str(said.get("code", "forbidden")))
        if answer.status_code >= 500:
            raise DependencyError(detail, str(said.get("code", "dependency-failed")))
        raise InputError(detail, str(said.get("where", "")))


def registration_of(path: Path) -> dict[str, Any]:
    """A registration file, its keys in base64 whether they were hex or base64. Raises `InputError`."""
    try:
        said = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as why:
        raise InputError(f"{path} cannot be read: {why.strerror}") from why
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise InputError(f"{path} is no registration: {why}") from why
    for name in KEYS:
        value = said.get(name)
        if isinstance(value, str) and len(value) == 64:
            said[name] = base64.b64encode(bytes.fromhex(value)).decode()
    said.pop("schema", None)
    return said


def ceremony_of(path: Path) -> dict[str, Any]:
    """A ceremony's entry, from the entry itself or from its transcript. Raises `InputError`."""
    try:
        raw = path.read_bytes()
    except OSError as why:
        raise InputError(f"{path} cannot be read: {why.strerror}") from why
    entry = ceremony_entry(read_transcript(raw)) if b'"ceremony-transcript/1"' in raw else _read_ceremony(raw)
    said: dict[str, Any] = msgspec.json.decode(write(entry))
    return said
