"""Why the hub does not take an entry: a code for machines, a sentence, and what to do next."""

from __future__ import annotations

from typing import Final, Literal

from lianfang.kernel.errors import ConflictError, InputError

Code = Literal[
    "clock-skew", "too-long", "ended", "vetoed", "unknown-tag", "withdrawn", "own-tag", "bad-signature", "no-such-epoch",
    "no-appeal", "operator-only", "bad-acknowledgement",
]  # fmt: skip
REPLAYED: Final = "replayed"


class RefusedError(InputError):
    """An entry that the alliance's rules do not let in. Do not send it again unchanged."""

    def __init__(self, what: str, code: Code, where: str = "") -> None:
        super().__init__(what, where)
        self.code = code


class StandsAlreadyError(ConflictError):
    """The log has it: whoever lost the answer is done."""

    code = REPLAYED
