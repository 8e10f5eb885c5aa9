"""Generated programs in which all clients are killed again and again, behind whatever append or trim."""

from typing import Annotated

from hypothesis import given

from prism_suites._moments import keeps_files
from prism_suites._mortal import KILL
from prism_suites._stream_steps import BASIC_OPERATIONS, run_mortal
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic
from prism_testkit.programs import Program, programs
from prism_testkit.traits import Traits

_BASIC = tuple(f"stream_basic.{number}" for number in range(1, 13))


@check("stream_basic.15", *_BASIC)
@given(program=programs((*BASIC_OPERATIONS, "append", KILL)))
async def programs_with_kills_match_the_model(
    stream: Annotated[StreamBasic, Traits(durability="process")], case: Case, program: Program
) -> None:
    """Every answer is the model's, which knows of no kill (ST-33). Of files only: servers have other checks."""
    if keeps_files(case):
        await run_mortal(case, program)
