"""Settings of a keyholder: `keyholder.toml` in its data folder, unknown names refused."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from lianfang.kernel.errors import InputError
from lianfang.services.keyholding import Rates
from lianfang.wire import MemberId, input_error

NAME: Final = "keyholder.toml"


class KeyholderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See `HELP` for what each means."""

    id: MemberId
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8731
    hub: str = ""
    members: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    threads: Annotated[int, Meta(ge=1, le=256)] = 2
    rates: Rates = Rates()


HELP: Final = {
    "id": "The member that holds this share, as the alliance calls it.",
    "host": "Address its door listens on. Beyond loopback, set TLS.",
    "port": "Port of its door. 0: any free one.",
    "hub": "Address of the hub: who is a member, and who was expelled, is asked there every second.",
    "members": "Instead of a hub: a file with a list of members, looked at every second.",
    "tls_cert": "PEM file of the certificate chain; with `tls_key` the door speaks TLS.",
    "tls_key": "PEM file of the private key.",
    "threads": "Threads that evaluate; one a processor.",
    "rates": "Prices and buckets, in the place of metering.toml's.",
}


def default_rates() -> dict[str, Any]:
    """The shipped `metering.toml`."""
    return tomllib.loads(files("lianfang.app.keyholder").joinpath("metering.toml").read_text("utf-8"))


def load(folder: Path) -> KeyholderSettings:
    """The settings of a data folder. Raises `InputError` naming the file and what is wrong in it."""
    path = folder / NAME
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{path} is not TOML: {why}") from why
    except OSError as why:
        raise InputError(f"{path} cannot be read ({why.strerror}): make one with `lianfang keyholder init`") from why
    values["rates"] = {**default_rates(), **values.get("rates", {})}
    try:
        settings = msgspec.convert(values, KeyholderSettings)
    except msgspec.ValidationError as why:
        raise InputError(f"{path}: {input_error(why)}") from why
    if bool(settings.hub) == bool(settings.members):
        raise InputError(f"{path}: name either a hub or a file of members")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InputError(f"{path}: tls_cert and tls_key go together")
    return settings
