"""What a node knows of its alliance: `alliance.toml` in its data folder, unknown names refused; and its keys beside it.

Whom to believe (the log's key, the witnesses) is told here by people, never by the hub.
"""

from __future__ import annotations

import secrets
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from lianfang.engines.sealing import SealingKey, SigningKey
from lianfang.engines.tlog import COSIGNATURE, SignerKey, check_witnesses, parse_verifier
from lianfang.infra.feed import Trust
from lianfang.infra.keyholders import HolderAt
from lianfang.infra.published import read_if_there, write_whole
from lianfang.kernel.errors import InputError
from lianfang.services.share import Heeding
from lianfang.services.share.meeting import Rule
from lianfang.services.share.opening import Disputed, Pending
from lianfang.wire import MemberId, build, input_error

NAME: Final = "alliance.toml"
FOLDER: Final = "alliance"
SEED_BYTES: Final = 32
SALT: Final = "salt"
KEYS: Final = ("signing", "sealing", "witness", "log", SALT)
Url = Annotated[str, Meta(pattern=r"^https?://[^\s]{1,400}$")]


class Keyholder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a keyholder answers."""

    id: MemberId
    url: Url


class AllianceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See `HELP` for what each means."""

    member: MemberId
    hub: Url
    log_key: str
    log_origin: str = ""
    witnesses: tuple[str, ...] = ()
    quorum: Annotated[int, Meta(ge=0, le=64)] = 0
    keyholders: tuple[Keyholder, ...] = ()
    peers: tuple[Url, ...] = ()
    ca_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tags_pending: Pending = "wait"
    tag_disputed: Disputed = "count"
    ask_per_day: Annotated[int, Meta(ge=0, le=10_000_000)] = 20_000
    half_life_days: Annotated[int, Meta(ge=1, le=3_650)] = 180
    stale_after_s: Annotated[int, Meta(ge=2, le=86_400)] = 60
    tagging: str = ""

    @property
    def trust(self) -> Trust:
        """Whom to believe."""
        key = parse_verifier(self.log_key)
        return Trust(
            self.log_origin or key.name, key, tuple(parse_verifier(one) for one in self.witnesses), self.quorum
        )

    @property
    def heeding(self) -> Heeding:
        """What its decider heeds."""
        return Heeding(self.tags_pending, self.tag_disputed)

    @property
    def holders(self) -> list[HolderAt]:
        """The keyholders' addresses."""
        return [HolderAt(one.id, one.url) for one in self.keyholders]


HELP: Final[dict[str, tuple[str, str]]] = {
    "member": (
        "本成员在联盟中的名称。",
        "What the alliance calls this member.",
    ),
    "hub": (
        "联盟中心的地址。",
        "Address of the hub.",
    ),
    "log_key": (
        "联盟日志的验证公钥（C2SP 签名笔记格式），由人核对后写入。",
        "The log's verifier key (C2SP signed-note); checked by people, written here.",
    ),
    "log_origin": (
        "日志名称。空：公钥中的名称。",
        "The log's name. Empty: the one in its key.",
    ),
    "witnesses": (
        "各见证人的验证公钥。",
        "Verifier keys of the witnesses.",
    ),
    "quorum": (
        "检查点须由多少见证人会签才算数。0：不要求。",
        "How many of them must cosign before a checkpoint counts. 0: none.",
    ),
    "keyholders": (
        "持钥人名称与地址。",
        "Names and addresses of the keyholders.",
    ),
    "peers": (
        "其他成员见证人的地址，用于比对检查点。",
        "Addresses of other members' witnesses, whose checkpoints are compared with ours.",
    ),
    "ca_file": (
        "信任的证书颁发机构 PEM 文件。空：系统默认。",
        "PEM file of the certificate authorities to trust. Empty: the system's.",
    ),
    "tls_cert": (
        "本成员的客户端证书 PEM 文件。",
        "PEM file of this member's client certificate.",
    ),
    "tls_key": (
        "该证书的私钥 PEM 文件。",
        "PEM file of its private key.",
    ),
    "tags_pending": (
        "尚未会签的标签：`wait` 等待，`act` 立即生效。",
        "Tags that are not cosigned yet: `wait`, or `act` on them at once.",
    ),
    "tag_disputed": (
        "被其他成员质疑的标签：`count` 仍计，`ignore` 不计。",
        "Tags that another member disputes: `count` or `ignore` them.",
    ),
    "ask_per_day": (
        "每日（UTC）至多为多少个陌生主体请求令牌。",
        "Strangers whose token is asked for in a day, UTC, at most.",
    ),
    "half_life_days": (
        "画像中可信度减半的天数。",
        "Days in which a confidence is halved in a portrait.",
    ),
    "stale_after_s": (
        "超过此秒数没有有效检查点即为陈旧。",
        "Without a checkpoint that counts for so long, what is shared is stale.",
    ),
    "tagging": (
        "由确认欺诈提出标签的规则文件。空：随附的。",
        "File of rules that propose tags from confirmed frauds. Empty: the shipped one.",
    ),
}
"""Chinese and English."""


class AllianceFiles:
    """What lies where in `alliance/` of the node's data folder (mode 0700)."""

    def __init__(self, data: Path) -> None:
        self.settings = data / NAME
        self.root = data / FOLDER

    @property
    def shared(self) -> Path:
        """The log as applied, subjects held, tokens. Raw identifiers and keys: mode 0600, not encrypted yet."""
        return self.root / "shared.sqlite"

    @property
    def feed(self) -> Path:
        """The last checkpoint believed, and proofs against the hub."""
        return self.root / "feed"

    @property
    def access_log(self) -> Path:
        """This node's own access log."""
        return self.root / "access-log"

    def make(self) -> None:
        """The folder and its keys, if they are not there."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in KEYS:
            if not (self.root / f"{name}.key").exists():
                write_whole(self.root / f"{name}.key", secrets.token_bytes(SEED_BYTES).hex().encode(), 0o600)
        if not self.shared.exists():
            self.shared.touch(0o600)

    def seed(self, name: str) -> bytes:
        """A key's secret bytes. Raises `InputError`."""
        path = self.root / f"{name}.key"
        try:
            seed = bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError) as why:
            raise InputError(f"{path} holds no key: make one with `lianfang share keys`") from why
        if len(seed) != SEED_BYTES:
            raise InputError(f"{path} holds {len(seed)} bytes, not {SEED_BYTES}")
        return seed

    @property
    def signing(self) -> SigningKey:
        """The member's Ed25519 key."""
        return SigningKey(self.seed("signing"))

    @property
    def sealing(self) -> SealingKey:
        """The member's X25519 key."""
        return SealingKey(self.seed("sealing"))

    def witness(self, member: str) -> SignerKey:
        """The key of this node's witness."""
        return SignerKey(f"{member}/witness", COSIGNATURE, self.seed("witness"))


def load(files_: AllianceFiles) -> AllianceSettings | None:
    """The settings; None where the node is in no alliance. Raises `InputError` naming the file and what is wrong in it."""
    raw = read_if_there(files_.settings)
    if raw is None:
        return None
    try:
        values = tomllib.loads(raw.decode("utf-8"))
        found = msgspec.convert(values, AllianceSettings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{files_.settings} is not TOML: {why}") from why
    except msgspec.ValidationError as why:
        raise InputError(f"{files_.settings}: {input_error(why)}") from why
    if bool(found.tls_cert) != bool(found.tls_key):
        raise InputError(f"{files_.settings}: tls_cert and tls_key go together")
    try:
        trust = found.trust
        if trust.witnesses or trust.quorum:
            check_witnesses(trust.witnesses, trust.quorum)
    except Exception as why:
        raise InputError(f"{files_.settings}: {why}") from why
    return found


def tagging_rules(path: str) -> list[Rule]:
    """From confirmed frauds to proposals. Raises `InputError`."""
    try:
        text = Path(path).read_text("utf-8") if path else _shipped()
        values: dict[str, Any] = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise InputError(f"{path or 'tagging.toml'} cannot be read: {why}") from why
    return build(list[Rule], values.get("tag", []))


def _shipped() -> str:
    return files("lianfang.app").joinpath("node", "tagging.toml").read_text("utf-8")


def registration(files_: AllianceFiles, member: str) -> dict[str, str]:
    """What the hub's operator is told to register this member by. Nothing in it is secret."""
    encode = msgspec.json.encode
    return {
        "id": member,
        "signing": encode(files_.signing.public).decode().strip('"'),
        "sealing": encode(files_.sealing.public).decode().strip('"'),
        "witness": str(files_.witness(member).verifier),
    }
