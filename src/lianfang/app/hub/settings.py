"""Settings of a hub: `hub.toml` in its data folder, unknown names refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lianfang.kernel.errors import InputError
from lianfang.wire import input_error

NAME: Final = "hub.toml"


class HubSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See `HELP` for what each means."""

    origin: Annotated[str, Meta(pattern=r"^[^\s+]{1,200}$")]
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8721
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    quorum: Annotated[int, Meta(ge=0, le=64)] = 0
    checkpoint_ms: Annotated[int, Meta(ge=50, le=60_000)] = 1_000
    log_public: bool = False
    acknowledge_within_s: Annotated[int, Meta(ge=1, le=30 * 86_400)] = 3_600
    entries_per_day_min: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 20_000
    entries_per_day_share: Annotated[float, Meta(ge=0, le=1)] = 0.02
    commit_window_us: Annotated[int, Meta(ge=0, le=50_000)] = 2_000
    connections_max: Annotated[int, Meta(ge=8, le=65_536)] = 2_048


HELP: Final = {
    "origin": "Name of the tag log, as it stands in every checkpoint. Never changes.",
    "host": "Address the door listens on. Beyond loopback, set TLS.",
    "port": "Port of the door. 0: any free one.",
    "tls_cert": "PEM file of the certificate chain; with `tls_key` the door speaks TLS.",
    "tls_key": "PEM file of the private key.",
    "tls_client_ca": "PEM file of who may issue members' certificates. Set: each member shows one that is registered for it.",
    "quorum": "So many witnesses must cosign a checkpoint before it counts. 0: none, for trying things out.",
    "checkpoint_ms": "How often there is a checkpoint.",
    "log_public": "Whether anybody may read the log's files; else members only. They hold no identifier either way.",
    "acknowledge_within_s": "A withdrawal that a member has not acknowledged within this is overdue.",
    "entries_per_day_min": "A member may send so many entries a day (UTC) ...",
    "entries_per_day_share": "... or this share of the volume that it declared, if that is more.",
    "commit_window_us": "How long an entry waits for company before it is written.",
    "connections_max": "Connections served at once, followers of the feed too.",
}


def load(folder: Path) -> HubSettings:
    """The settings of a data folder. Raises `InputError` naming the file and what is wrong in it."""
    path = folder / NAME
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{path} is not TOML: {why}") from why
    except OSError as why:
        raise InputError(f"{path} cannot be read ({why.strerror}): make one with `lianfang hub init`") from why
    try:
        settings = msgspec.convert(values, HubSettings)
    except msgspec.ValidationError as why:
        raise InputError(f"{path}: {input_error(why)}") from why
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InputError(f"{path}: tls_cert and tls_key go together")
    if settings.tls_client_ca and not settings.tls_cert:
        raise InputError(f"{path}: tls_client_ca needs tls_cert and tls_key")
    return settings
