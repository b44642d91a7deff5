"""What is wrong with an expression, and exactly where."""

from __future__ import annotations

import re
from unicodedata import east_asian_width

from lianfang.kernel.errors import InputError


class ExpressionError(InputError):
    """`line` and `column` count from 1 inside the expression, in characters. `also` holds further mistakes."""

    code = "invalid-expression"

    def __init__(self, what: str, text: str, line: int = 1, column: int = 1, width: int = 1) -> None:
        super().__init__(what, f"line {line}, column {column}")
        self.text = text
        self.line = line
        self.column = column
        self.width = width
        self.also: tuple[ExpressionError, ...] = ()

    def caret(self) -> str:
        """The line with the mistake and, under it, the mark."""
        lines = lines_of(self.text)
        line = lines[min(self.line, len(lines)) - 1]
        before, wrong = line[: self.column - 1], line[self.column - 1 : self.column - 1 + self.width]
        return f"{line}\n{' ' * _cells(before)}{'^' * max(_cells(wrong), 1)}"


def lines_of(text: str) -> list[str]:
    """Lines as Python's parser counts them, which are fewer than `splitlines` finds."""
    return re.split(r"\r\n|\r|\n", text)


def _cells(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
