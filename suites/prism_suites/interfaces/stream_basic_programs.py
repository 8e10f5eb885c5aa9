"""Generated programs against an independent model: what only a sequence of calls shows.

Fifty calls over a few streams with confusable names, by two clients of one namespace and one of a sibling; each answer is
judged at once, and at the end everything is read.
"""

from hypothesis import given

from prism_suites._stream_steps import BASIC_OPERATIONS, run_program
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic
from prism_testkit.programs import Program, programs

_LAWS = tuple(f"stream_basic.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 11, 12))


@check(*_LAWS)
@given(program=programs(BASIC_OPERATIONS))
async def programs_match_the_model(stream: StreamBasic, case: Case, program: Program) -> None:
    """Every answer is the model's (ST-01, ST-02, ST-03, ST-23)."""
    await run_program(case, stream, program)
