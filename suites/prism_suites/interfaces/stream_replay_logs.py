"""stream_replay: whatever happened to a stream, and whenever one looks, places in it are those of what is kept."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import same
from prism_suites._stream_histories import STORIES, State, behind, edges, history
from prism_suites._stream_replaying import Replayed, comes_after, quiet_group
from prism_suites._stream_shared import Put
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Record, StreamReplay


def _puts(records: Sequence[Record]) -> list[Put]:
    return [Put(record.offset, record.payload, record.key, dict(record.headers)) for record in records]


@check("stream_replay.7")
@gauntlet(lambda limits: [{"story": story} for story in STORIES])
async def a_replay_gives_what_is_kept(stream: StreamReplay, case: Case, story: str) -> None:
    """After every step, by both clients: between any two offsets the records that are kept, as `read` gives them (ST-02, ST-23)."""
    async for state in history(case, story):
        places = edges(state)
        for turn, start in enumerate(places):
            stop = places[(turn + state.number) % len(places)] + state.number % 2
            got = [record async for record in state.slots[turn % 2].replay("s", start, stop)]
            wanted = [record for record in state.kept if start <= record.offset < stop]
            same("stream_replay.7", got, wanted, f"a replay from {start} to {stop} does not give what is kept, {state.told}")
        for slot in state.slots:
            got = [record async for record in slot.replay("s", 0, 10**30)]
            same("stream_replay.7", got, list(state.kept), f"a replay of everything does not give what is kept, {state.told}")


@check("stream_replay.1", "stream_replay.2", "stream_replay.3")
@gauntlet(lambda limits: [{"story": story} for story in STORIES])
async def groups_are_moved_to_what_is_kept(stream: Replayed, case: Case, story: str) -> None:
    """After every step a group is moved to offsets and to instants, and goes on with what is kept there (ST-04, ST-05, ST-23)."""
    await stream.create_group("s", "g", "latest")
    async for state in history(case, story):
        if case.server and state.number % 3:
            continue
        for turn, offset in enumerate(edges(state)[:: 2 if case.server else 1]):
            await state.slots[turn % 2].seek("s", "g", offset)
            await _goes_on(case, state, behind(state, offset), "stream_replay.1", f"a seek to {offset}, {state.told},", turn)
        instants = [record.appended_ms for record in state.kept]
        for turn, at_ms in enumerate(dict.fromkeys([*instants[:: max(1, len(instants) // 2)], *(ms + 1 for ms in instants[-1:])])):
            await state.slots[turn % 2].seek_to_time("s", "g", at_ms)
            wanted = [record for record in state.kept if record.appended_ms >= at_ms]
            await _goes_on(case, state, wanted, "stream_replay.2", f"a seek to {at_ms} ms, {state.told},", turn)


async def _goes_on(case: Case, state: State, records: Sequence[Record], promise: str, told: str, turn: int) -> None:
    """Judge what a group tells and gets; every second time what it gets is left pending."""
    slot: Any = state.slots[1 - turn % 2]
    await quiet_group(case, slot, _puts(records), promise, told)
    await comes_after(case, slot, _puts(records), promise, told, acks=turn % 2 == 0)
