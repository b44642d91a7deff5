"""Text to Python's `ast`, within limits, with positions in characters of the text as written."""

from __future__ import annotations

import ast
import warnings

from lianfang.engines.expr.errors import ExpressionError, lines_of
from lianfang.kernel import limits

_BEFORE = "("
"""The text is parsed inside parentheses, so that a condition may run over several lines."""


class Source:
    """One expression's text, parsed. Raises `ExpressionError`."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > limits.EXPRESSION_LENGTH_MAX:
            raise self.at(f"longer than {limits.EXPRESSION_LENGTH_MAX} characters")
        if not text.strip():
            raise self.at("the expression is empty")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.root = ast.parse(f"{_BEFORE}{text}\n)", mode="eval").body
        except SyntaxError as why:
            raise self._syntax(why) from None
        except (RecursionError, MemoryError):
            raise self.at(f"nested deeper than {limits.EXPRESSION_DEPTH_MAX} levels") from None
        except (ValueError, UnicodeError):
            raise self.at("holds a character that is not text") from None
        self._lines = lines_of(text)
        if self.root.lineno == 1 and self.root.col_offset == 0 and not isinstance(self.root, ast.Tuple):
            raise self.at("unmatched ')'", 1, max(text.find(")") + 1, 1))
        self._refuse_large()

    def _refuse_large(self) -> None:
        count, level = 0, [self.root]
        for depth in range(limits.EXPRESSION_DEPTH_MAX + 1):
            if not level:
                return
            if depth == limits.EXPRESSION_DEPTH_MAX:
                raise self.error(level[0], f"nested deeper than {limits.EXPRESSION_DEPTH_MAX} levels")
            count += len(level)
            if count > limits.EXPRESSION_NODES_MAX:
                raise self.error(level[0], f"more than {limits.EXPRESSION_NODES_MAX} parts")
            level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]

    def _syntax(self, why: SyntaxError) -> ExpressionError:
        line, column = why.lineno or 1, why.offset or 1
        what = (why.msg or "invalid syntax").removesuffix(". Perhaps you forgot a comma?")
        if what.startswith("invalid syntax. Maybe you meant '=='"):
            what = "`=` does not compare; write `==`"
        elif what == "'(' was never closed" and line == 1 and column == 1:
            what = "the text ends inside a quotation or bracket"
        column = max(column - len(_BEFORE), 1) if line == 1 else column
        lines = lines_of(self.text)
        if line > len(lines) and what == "unmatched ')'":  # the one we appended: the text closed ours
            line = max(i for i, text in enumerate(lines, 1) if ")" in text)
            column = lines[line - 1].rindex(")") + 1
        elif line > len(lines):
            line, column, what = len(lines), len(lines[-1]) + 1, "the expression ends too early"
        return self.at(what, line, column)

    def at(self, what: str, line: int = 1, column: int = 1, width: int = 1) -> ExpressionError:
        return ExpressionError(what, self.text, line, column, width)

    def error(self, node: ast.expr, what: str) -> ExpressionError:
        """A mistake at a node."""
        line = node.lineno
        column = self._characters(line, node.col_offset)
        same_line = node.end_lineno == line and node.end_col_offset is not None
        end = self._characters(line, node.end_col_offset or 0) if same_line else len(self._lines[line - 1]) + 1
        return self.at(what, line, column, max(end - column, 1))

    def _characters(self, line: int, offset: int) -> int:
        """`ast` counts UTF-8 bytes from 0; people count characters from 1."""
        raw = self._lines[line - 1].encode()
        return len(raw[: max(offset - (len(_BEFORE) if line == 1 else 0), 0)].decode(errors="replace")) + 1
