"""streams: a client whose first call this is, and one in another process: what they do not know yet is true all the same."""

import asyncio
from typing import Annotated, Protocol

from prism_suites._judging import broken, refused, same
from prism_suites._stream_shared import GROUPS, fill, numbered
from prism_suites._stream_taking import gets, nothing_comes
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, StreamConsumerGroups, StreamReplay
from prism_testkit.returned import Returned, Told
from prism_testkit.traits import Traits


class _Moved(StreamReplay, StreamConsumerGroups, Protocol):
    """Groups that can be moved."""


@check("stream_consumer_groups.1")
@gauntlet(lambda limits: [{"count": count} for count in (1, 4)])
async def the_latest_is_that_of_all_clients(stream: StreamConsumerGroups, case: Case, count: int) -> None:
    """A group that a client makes by its first call, to begin with the latest, gets nothing that others had appended (ST-10)."""
    await fill(stream, "s", numbered(count), laws=GROUPS)
    newcomer = await case.client()
    await newcomer.create_group("s", "g", "latest")
    later = await fill(stream, "s", numbered(2, "later"), laws=GROUPS)
    async with (await case.client()).join("s", "g", "c") as member:
        await gets(case, member, later, story="from the latest, by a client that had not called before")
        await nothing_comes(case, member, "stream_consumer_groups.1", "a group is given what lies before its start", wait_s=1.0)


@check("stream_replay.4", level="standard", needs_server=True)
async def who_is_joined_in_another_process_counts(stream: Annotated[_Moved, Traits(sharing="processes")], case: Case) -> None:
    """A group is not moved while a member of it lives in another process, and is once that was left (ST-13)."""
    promise, sentence = "stream_replay.4", "{} of a group that has a member in another process is not refused"
    await stream.create_group("s", "g")
    with case.conducted(1) as (player,):
        joined = _done(player.call("join", "s", "g", "c"))
        for way in ("seek", "seek_to_time"):
            await refused(promise, getattr(stream, way)("s", "g", 0), Conflict, sentence.format(way))
        _done(player.call("join.exit", joined))
        with case.law(promise):
            await stream.seek("s", "g", 0)


_ROUNDS = 4
"""So many receives, for one may come upon its record before it waits."""
_WAITS_S = 120.0
_PATIENCE_S = 15.0
"""Far less than a receive waits, and far more than it takes to be woken."""


@check("stream_consumer_groups.10", level="standard", needs_server=True)
async def a_member_hears_another_process(stream: Annotated[StreamConsumerGroups, Traits(sharing="processes")], case: Case) -> None:
    """A receive that waits returns what another process appends, long before its time is over (ST-10)."""
    promise = "stream_consumer_groups.10"
    await stream.create_group("s", "g")
    with case.conducted(1) as (player,):
        async with stream.join("s", "g", "c") as member:
            for number in range(_ROUNDS):
                payload = b"%d" % number
                waiting = asyncio.ensure_future(member.receive(1, _WAITS_S))
                told = await asyncio.to_thread(player.call, "append", "s", payload)
                done, _ = await asyncio.wait({waiting}, timeout=_PATIENCE_S if told.error is None else 0)
                if not done:
                    waiting.cancel()
                    await asyncio.wait({waiting})
                if told.error is not None:
                    broken(promise, "append, of another process, raised", expected="no error", got=told.error)
                if not done:
                    sentence = f"a receive is not woken by what another process appends, and would wait for {_WAITS_S:g} s"
                    broken(promise, sentence, expected=payload, got=f"nothing for {_PATIENCE_S:g} s")
                await member.ack(*waiting.result())
                got = [bytes(delivery.record.payload) for delivery in waiting.result()]
                same(promise, got, [payload], "a receive that waits does not give what another process appends")


def _done(told: Told) -> Returned:
    """Return what stands for the result; no call here may raise."""
    if told.error is not None:
        broken("stream_replay.4", f"{told.op}, of another process, raised", expected="no error", got=told.error)
    return Returned(told.step)
