"""Groups and what they have not acked survive SIGKILL; what a killed process held goes to others."""

from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._racing import together
from prism_suites._stream_durable import HEADERS, GroupLeft, Left, lives
from prism_suites._stream_shared import read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import AlreadyExists, GroupNotFound, RecordDelivery, StreamConsumerGroups
from prism_testkit.killing import Target
from prism_testkit.traits import Traits

_P = "stream_consumer_groups.16"
_DELAY_S = 60.0
Groups = Annotated[StreamConsumerGroups, Traits(durability="process")]


@check("stream_consumer_groups.16", "stream_consumer_groups.5", "stream_consumer_groups.6")
@gauntlet(lambda limits: [{"count": count, "repeats": 3} for count in (190,)])
async def groups_survive_the_writer(stream: Groups, case: Case, count: int, repeats: int) -> None:
    """After SIGKILL of whoever was a member every group is there, with all that was not acked (ST-11, ST-25)."""
    await _groups(case, "writer", count, repeats)


@check("stream_consumer_groups.16", "stream_consumer_groups.5", "stream_consumer_groups.6", needs_server=True)
@gauntlet(lambda limits: [{"count": 190, "repeats": 3}])
async def groups_survive_the_server(stream: Groups, case: Case, count: int, repeats: int) -> None:
    """The same after SIGKILL of the server and its restart (ST-11, ST-25)."""
    await _groups(case, "server", count, repeats)


async def _groups(case: Case, target: Target, count: int, repeats: int) -> None:
    story = lives(0, repeats, _DELAY_S)
    story.fill()
    with case.law(_P):
        survivors = await case.kill(story.steps, count, target)
    left = story.left(survivors.acknowledged)
    pending = () if survivors.finished else story.marks[survivors.acknowledged]
    slot = survivors.slot
    if pending and pending[0] == "create":
        await _may_be(slot, pending[1], pending[2])
    offsets = {stream: [record.offset for record in await read(slot, stream)] for stream in left.records}
    calls = [
        _group(case, slot, stream, group, state, left, offsets[stream], pending) for (stream, group), state in left.groups.items()
    ]
    await together(*calls)  # at once, so that the death of members is waited for once
    if survivors.finished:
        case.inconclusive("the writer had finished before it was killed")


async def _may_be(slot: Any, stream: str, group: str) -> None:
    """A group whose creation was in flight is there, or can be made."""
    try:
        await slot.group_info(stream, group)
    except GroupNotFound:
        await slot.create_group(stream, group)


async def _group(
    case: Case, slot: Any, stream: str, group: str, state: GroupLeft, left: Left, offsets: list[int], pending: tuple[Any, ...]
) -> None:
    """Join a group anew, and judge what comes to its only living member."""
    told = f"after the kill, in group {group!r}"
    try:
        await slot.create_group(stream, group)
    except AlreadyExists:
        pass
    else:
        broken(_P, f"a group is gone after the kill: {group!r}", expected="AlreadyExists", got="it was made anew")
    flying = pending[3] if pending[0:1] in (("ack",), ("delay",), ("nack",)) and pending[1:3] == (stream, group) else None
    records = left.records[stream]
    wanted = {number for number in range(state.start, len(records)) if number not in state.acked}
    may = {flying} if flying is not None and pending[0] == "ack" else set()
    if case.traits.ack_survives_kill != "yes":
        may |= state.acked
    away = state.delayed | ({flying} if flying is not None and pending[0] == "delay" else set())
    if not case.clock.virtual:  # a delay may be kept, or end with its member
        may |= away
    if case.traits.member_timeout_s is None:  # nobody says when what the dead held comes again
        may |= {number for number in state.delivered if group.partition("-")[0] != "left"}
    places = {offset: number for number, offset in enumerate(offsets)}
    async with slot.join(stream, group, "after") as member:
        found = await _drain(case, member, {offsets[number] for number in wanted - may}, case.clock.virtual and bool(away))
        for delivery in found:
            number = places.get(delivery.record.offset, -1)
            if number not in wanted | may:
                promise = "stream_consumer_groups.6" if number in state.acked else _P
                what = "an acked record comes again" if number in state.acked else "a record comes that should not"
                broken(promise, f"{told} {what}", expected=sorted(wanted), got=number)
            _whole(case, delivery, records[number], state, number, told, pending[1:4] == (stream, group, number))
        missing = sorted(wanted - may - {places[delivery.record.offset] for delivery in found})
        if missing:
            held = [number for number in missing if number in state.delivered]
            what = "what the dead had held does not come" if held else "a record does not come"
            broken("stream_consumer_groups.5" if held else _P, f"{told} {what}", expected=sorted(wanted), got=f"all but {missing}")
        await member.ack(*found)


def _whole(
    case: Case, delivery: RecordDelivery, record: tuple[bytes, str | None], state: GroupLeft, number: int, told: str, flying: bool
) -> None:
    got = delivery.record
    same(_P, (got.payload, got.key), record, f"{told} a record is changed")
    same(_P, dict(got.headers), HEADERS if record[1] else {}, f"{told} the headers of a record are changed")
    times = state.delivered.get(number, 0) + 1
    exact = case.traits.attempts_survive_kill == "yes" and case.traits.delivery_count == "exact" and number not in state.acked
    if exact and delivery.delivery_count not in ((times, times + 1) if flying else (times,)):
        sentence = f"{told} delivery_count did not survive"
        broken("stream_consumer_groups.5", sentence, expected=times, got=delivery.delivery_count)


async def _drain(case: Case, member: Any, wanted: set[int], delayed: bool) -> list[RecordDelivery]:
    """Receive until these have come, as long as the death of members and delays may take, and then whatever more there is."""
    found: list[RecordDelivery] = []
    given: set[int] = set()
    limit_s = (case.traits.member_timeout_s or 0.0) + 2 * case.limits.clock_resolution_s + (5.0 if case.clock.virtual else 20.0)
    if delayed:
        limit_s += _DELAY_S
    until_s, step_s = case.clock.now_s() + limit_s, 20.0 if case.clock.virtual else 1.0
    while True:
        left_s = until_s - case.clock.now_s()
        done = wanted <= given
        got = await member.receive(10, 0 if done else max(0.0, min(left_s, step_s)))
        for delivery in got:
            if delivery.record.offset in given:
                broken(
                    "stream_consumer_groups.4", "after the kill a record that is held comes again", expected="once", got=delivery
                )
            given.add(delivery.record.offset)
        found += got
        if not got and (done or left_s <= 0):
            return found
