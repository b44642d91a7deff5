"""What is wrong with a rule: which one, where in its condition, and where in its file."""

from __future__ import annotations

from lianfang.engines.expr import ExpressionError
from lianfang.kernel.errors import InputError


class RuleError(InputError):
    """`line` and `column` count from 1 inside the condition; `where` is a position in the file when that is known.

    `rule` is empty for a problem of the file as a whole.
    """

    code = "invalid-rule"

    def __init__(self, what: str, rule: str, where: str = "", cause: ExpressionError | None = None) -> None:
        self.rule = rule
        self.line = cause.line if cause else 0
        self.column = cause.column if cause else 0
        self.cause = cause
        place = f"line {self.line}, column {self.column} of its condition" if cause else ""
        super().__init__(f"rule `{rule}`: {what}" if rule else what, ", ".join(p for p in (where, place) if p))

    def caret(self) -> str:
        """The line of the condition with the mistake marked, or nothing."""
        return self.cause.caret() if self.cause else ""
