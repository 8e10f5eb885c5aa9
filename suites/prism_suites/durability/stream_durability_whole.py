"""Programs of every call that a driver offers of streams, in which all clients are killed again and again."""

from typing import Annotated

from hypothesis import given

from prism_suites._moments import keeps_files
from prism_suites._mortal import KILL
from prism_suites._stream_whole import LENGTH, OPERATIONS, run_mortal_whole
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.programs import Program, programs
from prism_testkit.traits import Traits

_KeepsAll = Annotated[StreamConsumerGroups, Traits(durability="process", ack_survives_kill="yes", attempts_survive_kill="yes")]


@check("stream_consumer_groups.16", "stream_partitioning.13", "stream_retention.14", "stream_replay.11")
@given(program=programs((*OPERATIONS, KILL), LENGTH))
async def programs_of_all_with_kills_match_the_model(stream: _KeepsAll, case: Case, program: Program) -> None:
    """Whatever of partitions, groups, bounds and moves came before a kill is there behind it (ST-25, ST-29). Of files only."""
    if keeps_files(case) and case.traits.member_timeout_s is not None:
        await run_mortal_whole(case, program)
