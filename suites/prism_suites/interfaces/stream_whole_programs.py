"""stream: programs of every call that a driver offers of it: groups that are moved, bounds, holes and partitions together."""

from hypothesis import given

from prism_suites._stream_whole import LENGTH, OPERATIONS, run_whole
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.programs import Program, programs


@check(
    *(f"stream_consumer_groups.{number}" for number in (1, 2, 3, 4, 5, 6, 7, 10, 11, 12)),
    *(f"stream_partitioning.{number}" for number in (1, 3, 4, 5, 6, 7, 9, 10)),
    *(f"stream_retention.{number}" for number in (4, 8, 10)),
    "stream_replay.4",
)
@given(program=programs(OPERATIONS, LENGTH))
async def programs_of_all_match_the_model(stream: StreamConsumerGroups, case: Case, program: Program) -> None:
    """Each of the interfaces holds beside the others, on streams of one partition and of several (ST-04, ST-11, ST-12, ST-24)."""
    await run_whole(case, program)
