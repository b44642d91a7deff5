"""The canonical form of a link, after Google's Safe Browsing v4 (URLs and Hashing): the same page, the same text."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import idna

from lianfang.kernel.errors import InputError

ROUNDS_MAX: Final = 16
"""A link escaped so often over is refused."""
_SAFE: Final = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def canonical_url(text: str) -> str:
    """`http(s)://host/path?query`, no fragment, no user, escapes undone and put back once. Raises `InputError`."""
    value = re.sub(r"[\t\r\n]", "", text).partition("#")[0]
    if "://" not in value:
        value = f"http://{value}"
    try:
        parts = urlsplit(_unescaped(value))
        host, port = parts.hostname or "", parts.port
    except ValueError as why:
        raise InputError("this is no link: its host or port is malformed") from why
    if parts.scheme not in {"http", "https"} or not host:
        raise InputError("a link begins with http:// or https:// and names a host")
    where = _host(host)
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        where = f"{where}:{port}"
    query = f"?{_escaped(parts.query)}" if parts.query else ""
    return f"{parts.scheme}://{where}{_escaped(_path(parts.path))}{query}"


def _unescaped(text: str) -> str:
    for _ in range(ROUNDS_MAX):
        plain = unquote_to_bytes(text).decode("utf-8", "surrogateescape")
        if plain == text:
            return plain.encode("utf-8", "surrogateescape").decode("latin-1") if _broken(plain) else plain
        text = plain
    raise InputError(f"the link is escaped more than {ROUNDS_MAX} times over")


def _broken(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _host(host: str) -> str:
    host = re.sub(r"\.{2,}", ".", host.strip("."))
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        pass
    try:
        return idna.encode(host, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as why:
        raise InputError("the link's host is no domain name") from why


def _path(path: str) -> str:
    """Dots resolved, runs of slashes made one."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in {"", "."}:
            kept.append(part)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + end


def _escaped(text: str) -> str:
    return quote(text.replace("%", "%25"), safe=_SAFE + "%")
