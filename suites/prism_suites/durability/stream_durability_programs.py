"""Generated programs in which all clients are killed again and again, behind whatever append, trim or call of a group."""

from typing import Annotated, Any

from hypothesis import given

from prism_suites._moments import keeps_files
from prism_suites._mortal import KILL, frees
from prism_suites._stream_steps import BASIC_OPERATIONS, GROUP_OPERATIONS, run_mortal
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic, StreamConsumerGroups
from prism_testkit.programs import Program, programs
from prism_testkit.traits import Traits

_KEEPS_ALL = Traits(durability="process", ack_survives_kill="yes", attempts_survive_kill="yes")
_BASIC = tuple(f"stream_basic.{number}" for number in range(1, 13))


@check("stream_basic.15", *_BASIC)
@given(program=programs((*BASIC_OPERATIONS, "append", KILL)))
async def programs_with_kills_match_the_model(
    stream: Annotated[StreamBasic, Traits(durability="process")], case: Case, program: Program
) -> None:
    """Every answer is the model's, which knows of no kill (ST-33). Of files only: servers have other checks."""
    if keeps_files(case):
        await run_mortal(case, program)


@check("stream_consumer_groups.16", *(f"stream_consumer_groups.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)))
@given(program=programs((*GROUP_OPERATIONS, "append", "receive", KILL)))
async def programs_of_groups_with_kills_match_the_model(
    stream: Annotated[StreamConsumerGroups, _KEEPS_ALL], case: Case, program: Program
) -> None:
    """Groups go on where they were, and what the dead held comes to others, counted (ST-11, ST-25). Of files only."""
    if not keeps_files(case) or case.traits.member_timeout_s is None:
        return
    if not await frees(case, _takes):
        case.inconclusive("what a killed member held stays with it: who knows its process by number finds it alive in a copy")
    await run_mortal(case, program)


async def _takes(slot: Any, first: bool) -> bool:
    if first:
        await slot.create_group("s", "g")
        await slot.append("s", b"held")
    manager = slot.join("s", "g", "c")
    member = await manager.__aenter__()
    return bool(await member.receive(1, 0))
