"""The matrix of patterns: one table a kind, a row for each way of filling the slots, implementations side by side.

Where they do not fit beside each other they stand below each other."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.matrix import Cell
from prism_testkit.reports.text import clip, fit_encoding
from prism_testkit.results import CheckResult

__all__ = ["pattern_lines"]

Cells = dict[str, Counter[Outcome]]

_NARROWEST = 24
"""The least room for the names of rows with which implementations stand side by side."""


def pattern_lines(results: Iterable[CheckResult], width: int = 80, encoding: str | None = "utf-8") -> list[str]:
    """Return the tables as lines of at most ``width`` columns; none if no pattern was judged."""
    kinds: dict[str, dict[str, Cells]] = {}
    for result in results:
        if result.pattern:
            kind, _, name = result.pattern.partition(":")
            row = kinds.setdefault(kind, {}).setdefault(_filled(result), {})
            row.setdefault(name, Counter())[result.outcome] += 1
    lines: list[str] = []
    for kind, rows in kinds.items():
        lines += ["", *_table(kind, rows, width)] if lines else _table(kind, rows, width)
    return [fit_encoding(line, encoding) for line in lines]


def _filled(result: CheckResult) -> str:
    """Return what stands in the inner brackets of a binding: ``queue=sqlite.queue_visibility,store=memory``."""
    return result.binding.removeprefix(result.pattern).removeprefix("[").removesuffix("]")


def _table(kind: str, rows: dict[str, Cells], width: int) -> Iterator[str]:
    names = sorted({name for cells in rows.values() for name in cells})
    texts = {row: [Cell(True, cells.get(name, Counter())).text for name in names] for row, cells in rows.items()}
    widths = [max(len(name), *(len(cells[place]) for cells in texts.values())) for place, name in enumerate(names)]
    room = width - sum(widths) - 2 * len(widths)
    label = min(room, max(len(kind), *map(len, rows)))
    if room < max(len(kind), _NARROWEST):
        yield from _listed(kind, names, texts, width)
        return
    for row, cells in [(kind, names), *sorted(texts.items())]:
        title = row
        padded = "  ".join(f"{cell:<{wide}}" for cell, wide in zip(cells, widths, strict=True))
        if len(title) > label:  # cut, it might be told from no other
            yield clip(title, width)
            title = ""
        yield f"{title:<{label}}  {padded}".rstrip()


def _listed(kind: str, names: list[str], texts: dict[str, list[str]], width: int) -> Iterator[str]:
    """Tell each implementation in a line of its own, for as many as do not fit beside each other."""
    label = min(max(map(len, names)), width // 2)
    yield clip(kind, width)
    for row, cells in sorted(texts.items()):
        yield f"  {clip(row, width - 2)}"
        yield from (f"    {clip(name, label):<{label}}  {cell}" for name, cell in zip(names, cells, strict=True))
