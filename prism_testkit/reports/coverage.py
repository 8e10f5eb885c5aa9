"""The coverage table in a terminal: how much was reached, and what the suites are known to reach and this run did not."""

from collections.abc import Iterator, Sequence

from prism_testkit.results import Covered

__all__ = ["coverage_lines"]

_FEW = 5


def coverage_lines(coverage: Sequence[Covered], verbose: bool) -> Iterator[str]:
    """Yield the lines; none if nothing was called. The report has every cell."""
    cells = sum(len(each.cells) for each in coverage)
    missing = [(each, cell) for each in coverage for cell in each.missing]
    if not cells:
        return
    known = f"; {len(missing):,} that the suites are known to reach were not (inconclusive)" if missing else ""
    yield f"coverage: {cells:,} kinds of calls (operation x argument class x fault x state){known}"
    shown = missing if verbose else missing[:_FEW]
    for each, cell in shown:
        yield f"  {_where(each)}: {cell}"
    if len(shown) < len(missing):
        yield f"  and {len(missing) - len(shown):,} more; -v or the report shows them"
    if verbose:
        for each in coverage:
            yield f"  {_where(each)}: {len(each.cells):,} kinds of calls, {sum(each.cells.values()):,} in all"


def _where(each: Covered) -> str:
    return each.who if each.who == each.interface else f"{each.interface} on {each.who}"
