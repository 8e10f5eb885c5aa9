"""What one change of a module is, and how it is put into the module's text: nothing else of the text moves."""

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Change", "Place", "Text"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something stands: bytes of the UTF-8 text from ``start`` to ``end``, ``indent`` of its first line."""

    start: int
    end: int
    indent: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change. ``line`` is where it stands, ``what`` says it, ``text`` is the whole changed module.

    ``statements`` are the first lines of the innermost statements of functions that hold the change, or use the private name
    that it is in: who runs none of them runs as before. None: whoever imports the module runs it.
    """

    line: int
    statements: frozenset[int] | None
    what: str
    text: str


class Text:
    """A module's text, with its tree."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self.tree = ast.parse(text)
        lines = self.data.splitlines(keepends=True)
        self._begins = [0]
        for line in lines:
            self._begins.append(self._begins[-1] + len(line))

    def place(self, first: ast.expr | ast.stmt, last: ast.expr | ast.stmt | None = None) -> Place:
        """Return where a node stands, or all from ``first`` to ``last``; a decorated one with its decorators."""
        end = last or first
        assert end.end_lineno is not None
        assert end.end_col_offset is not None
        return Place(
            start=self._begins[first.lineno - 1] + first.col_offset,
            end=self._begins[end.end_lineno - 1] + end.end_col_offset,
            indent=first.col_offset,
        )

    def put(self, place: Place, new: ast.expr | Sequence[ast.stmt]) -> str | None:
        """Return the text with something else at a place, or None if that is no Python or is what was there."""
        if isinstance(new, ast.expr):
            written = f"({ast.unparse(new)})"
        else:
            body = "\n".join(ast.unparse(ast.fix_missing_locations(statement)) for statement in new) or "pass"
            written = textwrap.indent(body, " " * place.indent).lstrip(" ")
        changed = (self.data[: place.start] + written.encode() + self.data[place.end :]).decode()
        try:
            compile(changed, "changed", "exec")
        except SyntaxError:
            return None
        return None if changed == self.text else changed
