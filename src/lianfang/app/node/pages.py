"""What the console is told of its node, and how the desk speaks to the decider for a person who is signed in."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from lianfang.app.listfiles import read_list_text
from lianfang.app.node.backtesting import Backtesting
from lianfang.app.node.clock import WallClock
from lianfang.app.node.files import NodeFiles
from lianfang.app.node.peer import ask
from lianfang.app.node.reports import JSON_BYTES_MAX, newest
from lianfang.app.node.watched import Watched
from lianfang.app.settings import Settings
from lianfang.console.installation import Console, ReadList, RefusedLine, Said
from lianfang.console.navigation import HOME, NAVIGATION
from lianfang.infra.published import read_if_there, write_whole
from lianfang.infra.sql import Database
from lianfang.kernel.errors import InputError
from lianfang.kernel.instant import Instant
from lianfang.services.identity import people_store
from lianfang.services.identity.keys import issue
from lianfang.services.identity.oidc import Oidc, Provider

ASK_S: Final = 5.0
CODE_BYTES: Final = 9


class Pages:
    """The console's side of the desk. Its key to the decider lives in memory alone, and changes with every start."""

    def __init__(
        self, settings: Settings, files: NodeFiles, database: Database, decider_url: Callable[[], str], at: Instant
    ) -> None:
        self._settings = settings
        self._files = files
        self._database = database
        self._decider_url = decider_url
        self.backtesting = Backtesting(files, database, WallClock())
        issued = issue(("decide", "read", "outcomes"), at, secrets.token_bytes, note="the console of this node")
        self.key = issued.key
        self._bearer = f"Bearer {issued.text}"

    def console(self, watched: Watched) -> Console:
        """What pages need to know."""
        return Console(
            node=self._settings.node_name or self._settings.host,
            zone=ZoneInfo(self._settings.timezone),
            secure=bool(self._settings.tls_cert),
            ask_decider=self._ask,
            oidc=self._oidc(),
            setup_code=self.setup_code,
            navigation=NAVIGATION,
            home=HOME,
            backtests=self.backtesting,
            read_list=_read_list,
            newest_watch=self._newest_watch,
            watched=watched,
        )

    def _oidc(self) -> Oidc | None:
        """Raises `InputError` if it is half set."""
        settings = self._settings
        if not settings.oidc_issuer:
            return None
        try:
            secret = Path(settings.oidc_secret_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as why:
            raise InputError(f"the OIDC secret cannot be read: {why}", "oidc_secret_file") from why
        provider = Provider(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_roles_claim)
        return Oidc(provider, secrets.token_bytes)

    def _newest_watch(self) -> bytes | None:
        last = newest(self._files.reports, "watch")
        return read_if_there(last) if last is not None and last.stat().st_size <= JSON_BYTES_MAX else None

    def _ask(self, method: str, target: str, body: bytes = b"") -> Said:
        headers = {"Authorization": self._bearer, "Content-Type": "application/json"}
        said = ask(self._decider_url(), method, target, headers, body, self._settings.tls_cert, ASK_S)
        return Said(said.status, said.body)

    def setup_code(self) -> str | None:
        """The code that lets the first person in, kept in `first.code`; None once there is one, and the file is gone."""
        path = self._files.first_code
        with self._database.reading() as connection:
            known = bool(people_store.all_people(connection))
        if known:
            path.unlink(missing_ok=True)
            return None
        try:
            return path.read_text("utf-8").strip()
        except OSError:
            code = secrets.token_urlsafe(CODE_BYTES)
            write_whole(path, code.encode() + b"\n", 0o600)
            return code


def _read_list(raw: bytes, kind: Literal["csv", "jsonl", "txt"], defaults: Mapping[str, Any]) -> ReadList:
    found = read_list_text(raw, kind, defaults)
    return ReadList(found.entries, [RefusedLine(*one) for one in found.refused], found.repeated)
