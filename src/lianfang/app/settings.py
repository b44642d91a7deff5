"""Every setting of an installation, in one table: `lianfang.toml` or the environment, unknown names refused.

`LIANFANG_DESK_PORT=9000` in the environment goes before `desk_port = 9000` in the file, which goes before the default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from lianfang.kernel.errors import InputError

PREFIX: Final = "LIANFANG_"
ELSEWHERE: Final = frozenset({"LIANFANG_REQUIRE_SERVICES", "LIANFANG_CONFIG", "LIANFANG_KEY"})
"""Names of ours in the environment that are not settings."""

Port = Annotated[int, Meta(ge=0, le=65_535)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See `HELP` for what each means."""

    data_dir: str = "data"
    rules: str = ""
    model: str = ""
    challenger: str = ""
    host: str = "127.0.0.1"
    decider_port: Port = 8701
    desk_port: Port = 8702
    tls_cert: str = ""
    tls_key: str = ""
    feature_memory_mb: Annotated[int, Meta(ge=16, le=1 << 20)] = 8_192
    ids_remembered: Annotated[int, Meta(ge=1_024, le=1 << 30)] = 2_097_152
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] = 50
    waiting_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    rule_budget_us: Annotated[int, Meta(ge=10, le=1_000_000)] = 1_000
    commit_window_us: Annotated[int, Meta(ge=0, le=1_000)] = 0
    segment_mb: Annotated[int, Meta(ge=1, le=256)] = 64
    segments_ahead: Annotated[int, Meta(ge=1, le=64)] = 4
    snapshot_every_s: Annotated[int, Meta(ge=1, le=86_400)] = 300
    snapshot_every_records: Annotated[int, Meta(ge=1_000, le=1 << 30)] = 1_000_000
    connections_max: Annotated[int, Meta(ge=1, le=65_536)] = 4_096
    node_name: Annotated[str, Meta(max_length=40)] = ""
    timezone: str = "Asia/Shanghai"
    oidc_issuer: str = ""
    oidc_client_id: str = "lianfang"
    oidc_secret_file: str = ""
    oidc_roles_claim: str = "lianfang_roles"
    messages_timezone: str = "UTC"
    iso8583_port: Annotated[int, Meta(ge=-1, le=65_535)] = -1
    iso8583_host: str = "127.0.0.1"
    iso8583_connections_max: Annotated[int, Meta(ge=1, le=65_536)] = 64
    lake_every_s: Annotated[int, Meta(ge=0, le=86_400)] = 300
    lake_law: str = ""
    watch_every_days: Annotated[int, Meta(ge=0, le=365)] = 7
    review_every_days: Annotated[int, Meta(ge=0, le=365)] = 30
    decider_cpu: Annotated[int, Meta(ge=-1, le=4_095)] = -1
    two_people: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def zone(self) -> ZoneInfo:
        """`messages_timezone` as a zone. Raises `InputError` for one that this machine does not know."""
        return _zone("messages_timezone", self.messages_timezone)


def _zone(setting: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as why:
        raise InputError(f"{setting} = {name!r} is not a time zone of this machine") from why


HELP: Final = {
    "data_dir": "Folder for the journal, snapshots, records and keys. Made with mode 0700.",
    "rules": "Rule files or folders, separated by `:`. Empty: the starting rule pack that is shipped.",
    "model": "A model folder to score by, taken up once for each of its versions. Empty: as the desk was last told.",
    "challenger": "A model folder that scores in shadow: on record, without effect. Taken up as `model` is.",
    "host": "Address both doors listen on. Beyond loopback, set TLS.",
    "decider_port": "Port of the decider's door (decisions, outcomes). 0: any free one.",
    "desk_port": "Port of the desk (rules, lists, keys, API documentation). 0: any free one.",
    "tls_cert": "PEM file of the certificate chain; with `tls_key` both doors speak TLS.",
    "tls_key": "PEM file of the private key.",
    "feature_memory_mb": "Address space for feature state, used as keys come. When full, answers are unsure.",
    "ids_remembered": "How many of the last payment ids repeat the same answer, at least.",
    "deadline_ms": "A payment that waits longer for its turn, after it was read, gets the policy's `late` action.",
    "waiting_max": "Answers waiting to become durable; past it payments are refused with 503.",
    "rule_budget_us": "When all rules together overrun this often, one that is slower three times in a row is quarantined.",
    "commit_window_us": "How long a commit waits for company. 0: not at all; groups form by themselves under load.",
    "segment_mb": "Size of a journal segment.",
    "segments_ahead": "Empty segments kept ready, so that a burst does not wait for the disk to be filled with zeros.",
    "snapshot_every_s": "Feature state is written to disk so often ...",
    "snapshot_every_records": "... and after so many payments, whichever comes first. Bounds the time of a restart.",
    "connections_max": "Connections the decider serves at once.",
    "node_name": "What this installation is called on its pages. Empty: its address.",
    "timezone": "IANA zone of the times that people read in the console.",
    "oidc_issuer": "Address of the OpenID Connect provider by which people may sign in. Empty: local accounts only.",
    "oidc_client_id": "What this node is called at that provider.",
    "oidc_secret_file": "File with the secret that the provider gave this node.",
    "oidc_roles_claim": "Claim of its ID token that names the person's roles: a text or a list of them.",
    "messages_timezone": "IANA zone of times in ISO 20022 messages without an offset, and of local times in ISO 8583.",
    "iso8583_port": "Port for ISO 8583 over TCP. -1: closed. 0: any free one. It knows no keys and serves whoever reaches it.",
    "iso8583_host": "Address that port listens on. Beyond loopback, only inside a network that keeps strangers out.",
    "iso8583_connections_max": "ISO 8583 connections served at once.",
    "lake_every_s": "The desk takes the journal into the lake so often, giving way to all else. 0: never.",
    "lake_law": "Laws of the retention file that bind this installation, separated by `:`, as `cn_aml`. Empty: 3 years.",
    "watch_every_days": "The desk writes a report of drift into `reports/` so often, of its own lake. 0: never.",
    "review_every_days": "The desk reviews the rules in force so often, and proposes; it changes nothing. 0: never.",
    "decider_cpu": "Pin the decider to this processor. -1: do not.",
    "two_people": "Rules, models, parameters and packs change only by drafts that another person approves, never directly.",
    "log_level": "debug, info, warning or error.",
}


def load(
    environ: Mapping[str, str] | None = None, file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """The settings in force. Raises `InputError` naming the file or variable, and the setting it may have meant."""
    environ = os.environ if environ is None else environ
    named = file or environ.get("LIANFANG_CONFIG")
    file = Path(named or "lianfang.toml")
    values: dict[str, Any] = {}
    if named or file.exists():
        values |= _from_file(file)
    values |= _from_environment(environ)
    values |= {k: v for k, v in (overrides or {}).items() if v is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as why:
        raise InputError(f"a setting is wrong: {why}") from why
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InputError("tls_cert and tls_key go together")
    _zone("timezone", settings.timezone)
    return settings


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{file} is not TOML: {why}") from why
    except OSError as why:
        raise InputError(f"the settings in {file} cannot be read: {why.strerror}") from why
    for name in values:
        _known(name, str(file))
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and name not in ELSEWHERE:
            setting = name.removeprefix(PREFIX).lower()
            _known(setting, f"the environment ({name})")
            values[setting] = value
    return values


def _known(name: str, where: str) -> None:
    known = Settings.__struct_fields__
    if name not in known:
        close = get_close_matches(name, known, n=1)
        raise InputError(f"{where} has an unknown setting {name!r}" + (f"; did you mean {close[0]}?" if close else ""))
