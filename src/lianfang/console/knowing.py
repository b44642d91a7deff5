"""Telling the node what a payment turned out to be, for a person: an outcome that goes through the decider, as all do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from lianfang.console.installation import AskDecider, Console
from lianfang.console.signed import Act
from lianfang.infra.asgi import AnyRequest
from lianfang.kernel.errors import DependencyError, InputError
from lianfang.kernel.instant import moment
from lianfang.wire import Outcome, read_outcome, write

ACCEPTED: Final = 202


def outcome_of(payment_id: str, label: str, known_at: int, by: str, kind: str = "", note: str = "") -> Outcome:
    """An outcome of these values, checked as the decider will. Raises `InputError` naming what is wrong."""
    made: dict[str, Any] = {
        "payment_id": payment_id, "label": label, "known_at": moment(known_at).isoformat(), "source": by,
    }  # fmt: skip
    made |= {name: value for name, value in (("kind", kind), ("note", note)) if value}
    return read_outcome(msgspec.json.encode(made))


def tell(ask: AskDecider, outcomes: Sequence[Outcome]) -> int:
    """Each to the decider, in order; how many it took. Raises its refusal, or `DependencyError`. Blocks: for a thread."""
    for told, one in enumerate(outcomes):
        said = ask("POST", "/v1/outcomes", write(one))
        if said.status != ACCEPTED:
            what = f"the decider refused outcome {told + 1} of {len(outcomes)}: {_detail(said.body)}"
            if said.status < 500:
                raise InputError(what, one.payment_id)
            raise DependencyError(what)
    return len(outcomes)


async def tell_outcome(request: AnyRequest, who: Act, payment_id: str, label: str, kind: str, note: str) -> None:
    """One label by the person who acts."""
    console: Console = request.app.state.console
    one = outcome_of(payment_id, label, who.at, who.by, kind, note)
    await asyncio.to_thread(tell, console.ask_decider, [one])


def _detail(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body).get("detail", ""))[:300]
    except (msgspec.MsgspecError, AttributeError):
        return "it did not say why"
