"""Generated programs of groups: members that join, receive, ack, nack and leave, on two clients, beside a sibling namespace.

What is certain is judged at once; at the end every delay passes, everybody leaves, one more member takes what is left, and the
laws of `prism_testkit.checkers.groups` must have held throughout.
"""

from hypothesis import given

from prism_suites._stream_steps import BASIC_OPERATIONS, GROUP_OPERATIONS, run_program
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.programs import Program, programs

_LAWS = tuple(f"stream_consumer_groups.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15))


@check(*_LAWS)
@given(program=programs(GROUP_OPERATIONS))
async def programs_of_groups_match_the_model(stream: StreamConsumerGroups, case: Case, program: Program) -> None:
    """Records are shared, held, settled and given again as promised (ST-10 to ST-13)."""
    await run_program(case, stream, program)


@check(*_LAWS, "stream_basic.1", "stream_basic.7")
@given(program=programs(tuple(dict.fromkeys((*GROUP_OPERATIONS, *BASIC_OPERATIONS)))))
async def programs_of_all_that_is_offered_match_the_model(stream: StreamConsumerGroups, case: Case, program: Program) -> None:
    """Groups, reads and trims of one driver agree with each other."""
    await run_program(case, await case.whole(), program, whole=True)
