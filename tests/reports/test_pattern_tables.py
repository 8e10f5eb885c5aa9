"""Implementations of a pattern stand side by side, or below each other where there are too many."""

from collections.abc import Iterator

import pytest
from report_samples import result

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.patterns import pattern_lines
from prism_testkit.results import CheckResult

ROWS = ["queue=memory.queue_visibility,store=memory", "queue=sqlite.stream_basic,store=memory"]


def _results(names: list[str], rows: list[str] = ROWS) -> Iterator[CheckResult]:
    for name in names:
        for row in rows:
            yield result(Outcome.PASSED, binding=f"outbox:{name}[{row}]", pattern=f"outbox:{name}")


def test_two_stand_side_by_side() -> None:
    lines = pattern_lines(_results(["mine", "simple"]))
    assert lines[0].split() == ["outbox", "mine", "simple"]
    assert [line.split() for line in lines[1:]] == [[row, "✓", "1", "✓", "1"] for row in ROWS]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_many_stand_below_each_other(width: int) -> None:
    names = [f"mutant-{number}" for number in range(28)]
    lines = pattern_lines(_results(names), width)
    assert max(map(len, lines)) <= width
    assert lines[0] == "outbox"
    assert len(lines) == 1 + len(ROWS) * (1 + len(names))
    assert lines[2].split() == [names[0], "✓", "1"]


def test_a_row_that_is_too_long_has_a_line_of_its_own() -> None:
    names = [f"mutant-{number}" for number in range(4)]
    rows = ["destination=memory.queue_basic,state=memory", "destination=memory.queue_basic,state=sqlite"]
    lines = pattern_lines(_results(names, rows))
    assert lines[0].split() == ["outbox", *names]
    assert lines[1::2] == rows
    assert [line.split() for line in lines[2::2]] == [["✓", "1"] * 4] * 2
    assert max(map(len, lines)) <= 80
