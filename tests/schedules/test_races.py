"""Plans find what first come, first served hides, shrink it to little, and never accuse the corrected twin."""

import pytest

from .hunting import EXAMPLES, failing, hunt, random_plans
from .programs_known import KNOWN
from .programs_more import MORE
from .racing import FIFO, Plan, Program, play

PROGRAMS = {**KNOWN, **MORE}
EACH = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
NARROW = "narrow window"


@EACH
def test_none_fails_first_come_first_served(program: Program) -> None:
    for plan in (Plan(), FIFO):
        for correct in (False, True):
            assert play(program, plan, correct=correct).race is None


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != NARROW])
def test_hypothesis_finds_a_plan_and_shrinks_it(name: str) -> None:
    """Three seeds of 300 examples: the table in docs/schedules.md says how often one is enough."""
    program = PROGRAMS[name]
    found = next(hit for seed in range(3) if (hit := hunt(program, seed, EXAMPLES)) is not None)
    assert found.after <= EXAMPLES
    assert len(found.plan.changes) <= 2
    again = [play(program, found.plan) for _ in range(2)]
    assert again[0].race is not None
    assert again[0].words == again[1].words == found.words


def test_the_narrow_window_is_there() -> None:
    """Hardly ever found, as docs/schedules.md says: the plan that shows it is written down here."""
    played = play(KNOWN[NARROW], Plan((1, 1), ((11, 0), (17, 0))))
    assert played.race is not None
    assert "client 1 waits after its set" in played.words


@EACH
def test_the_corrected_twin_never_fails(program: Program) -> None:
    assert failing(program, random_plans(1, 2000), correct=True) == 0
