"""The coverage table in a terminal: how much was reached, and what the suites are known to reach and this run did not."""

from collections.abc import Iterator, Sequence

from prism_testkit.results import Covered

__all__ = ["coverage_lines"]


def coverage_lines(coverage: Sequence[Covered], verbose: bool) -> Iterator[str]:
    """Yield the lines; none if nothing was called. The report has every cell."""
    cells = sum(len(each.cells) for each in coverage)
    missing = [(each, cell) for each in coverage for cell in each.missing]
    if not cells:
        return
    known = f"; {len(missing):,} that the suites are known to reach were not (inconclusive)" if missing else ""
    more = "" if verbose or not missing else "; -v or the report names them"
    yield f"coverage: {cells:,} kinds of calls (operation x argument class x fault x state){known}{more}"
    if verbose:
        yield from (f"  {_where(each)}: not {cell}" for each, cell in missing)
        for each in coverage:
            yield f"  {_where(each)}: {len(each.cells):,} kinds of calls, {sum(each.cells.values()):,} in all"


def _where(each: Covered) -> str:
    return each.who if each.who == each.interface else f"{each.interface} on {each.who}"
