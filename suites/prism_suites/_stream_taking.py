"""Receiving as members of a group, whatever a driver does within its promises, and judging what came.

One record a receive, redelivery that takes its time, and members that stay idle are legal: so what must come is waited for, and
from several members it is taken by turns.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from prism_suites._judging import broken
from prism_suites._stream_shared import Put, is_record
from prism_testkit.case import Case
from prism_testkit.interfaces import Member, RecordDelivery, StreamBasic, StreamConsumerGroups

__all__ = [
    "FAR_S",
    "BasicAndGroups",
    "comes",
    "counted",
    "gets",
    "is_delivery",
    "nothing_comes",
    "patience_s",
    "receive",
    "shared_out",
    "take",
    "told_of",
    "waits",
]

FAR_S = tuple(2.0**bits / unit + 0.5 for bits, unit in ((31, 1000), (32, 1000), (31, 1), (32, 1)))
"""Spans of time above 31 and 32 bits of milliseconds, and of seconds: where they turn over half a second is left."""
_ROUNDS = 400


class BasicAndGroups(StreamBasic, StreamConsumerGroups, Protocol):
    """A stream that can be trimmed, and groups of it."""


async def told_of(slot: StreamConsumerGroups, stream: str, group: str, puts: Sequence[Put]) -> tuple[int, int, list[int]]:
    """Return what `group_info` tells: members, what is pending, and which of ``puts`` were not delivered yet.

    Offsets may be sparse, and a position anywhere in the gap before a record says the same.
    """
    info = await slot.group_info(stream, group)
    return info.members, info.pending, [put.offset for put in puts if put.offset >= info.position]


def patience_s(case: Case) -> float:
    """Return how long to wait for what must come, without a promise of when; a receive returns as soon as it is there."""
    return 300.0 if case.clock.virtual else 10.0


def is_delivery(promise: str, got: Any, sentence: str) -> RecordDelivery:
    """Judge the form of a delivery."""
    if not isinstance(got, RecordDelivery) or not isinstance(got.token, str):
        broken(promise, f"{sentence}: it is no delivery", expected="a RecordDelivery", got=got)
    if not isinstance(got.delivery_count, int) or got.delivery_count < 1:
        broken("stream_consumer_groups.5", "delivery_count does not count from 1", expected="1 or more", got=got.delivery_count)
    return got


def counted(case: Case, delivery: RecordDelivery, times: int, last: int = 0) -> None:
    """Judge the count of the ``times``-th delivery of a record, the one before having told ``last``."""
    count = delivery.delivery_count
    if case.traits.delivery_count == "exact" and count != times:
        broken("stream_consumer_groups.5", "delivery_count is not the number of deliveries", expected=times, got=count)
    if count <= last:
        broken("stream_consumer_groups.5", "delivery_count of a later delivery is not higher", expected=f"> {last}", got=count)


async def receive(member: Member, most: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
    """Receive, and judge what every receive promises."""
    got = await member.receive(most, timeout_s)
    if not isinstance(got, list):
        broken("stream_consumer_groups.10", "receive gives no list", expected="a list", got=got)
    if len(got) > most:
        broken("stream_consumer_groups.10", "receive gives more records than were asked for", expected=most, got=len(got))
    records = [is_delivery("stream_consumer_groups.3", delivery, "receive").record for delivery in got]
    offsets = [record.offset for record in records]
    if len({(record.partition, record.offset) for record in records}) < len(records):  # those of two partitions may be equal
        broken("stream_consumer_groups.4", "one receive gives a record twice", expected="each once", got=offsets)
    return got


async def take(case: Case, member: Member, count: int, most: int = 10) -> list[RecordDelivery]:
    """Receive until so many came, or until nothing comes any more."""
    found: list[RecordDelivery] = []
    while len(found) < count:
        got = await receive(member, min(most, count - len(found)), patience_s(case))
        if not got:
            break
        found += got
    return found


async def gets(
    case: Case,
    member: Member,
    puts: Sequence[Put],
    *,
    promise: str = "stream_consumer_groups.1",
    most: int = 10,
    story: str = "",
    times: int = 1,
) -> list[RecordDelivery]:
    """Take these records, which nobody else is given: in order if for the first time; else by ``times`` in any order."""
    told = f" ({story})" if story else ""
    got = await take(case, member, len(puts), most)
    found, wanted = [delivery.record.offset for delivery in got], [put.offset for put in puts]
    if sorted(found) != sorted(wanted):
        strange = [offset for offset in found if offset not in wanted]
        sentence = "a member is given a record that should not come" if strange else "a record does not come"
        broken(promise, f"{sentence}{told}", expected=wanted, got=found)
    if times == 1 and found != wanted:
        broken("stream_consumer_groups.3", f"first deliveries to one member are not in order{told}", expected=wanted, got=found)
    by_offset = {put.offset: put for put in puts}
    for delivery in got:
        is_record(
            "stream_consumer_groups.3", delivery.record, by_offset[delivery.record.offset], f"a record does not come whole{told}"
        )
        counted(case, delivery, times, times - 1)
    return got


async def comes(case: Case, member: Member, put: Put, promise: str, sentence: str, times: int = 1) -> RecordDelivery:
    """Take one record, which must be this one."""
    got = await receive(member, 1, patience_s(case))
    if not got or got[0].record.offset != put.offset:
        broken(promise, sentence, expected=put, got=got)
    is_record("stream_consumer_groups.3", got[0].record, put, "a record does not come whole")
    counted(case, got[0], times, times - 1)
    return got[0]


async def nothing_comes(
    case: Case, members: Member | Sequence[Member], promise: str, sentence: str, *, wait_s: float = 20.0
) -> None:
    """Judge that nothing comes, also a while later where time can be moved, and behind a receive that has waited in vain."""
    everyone = members if isinstance(members, Sequence) else [members]
    moves = case.clock.virtual and wait_s > 0
    for late in (False, True) if moves else (False,):
        if late:
            await case.advance(wait_s)
        for member in everyone:
            got = await receive(member, 10, 0.001 if moves and not late else 0)
            if got:
                broken(promise, sentence, expected=[], got=got)


async def waits(case: Case, member: Member, wait_s: float, story: str) -> None:
    """Judge that a receive of what is to give nothing waits; what comes all the same, as what was removed may, is given back."""
    began_s = case.clock.now_s()
    got = await receive(member, 3, wait_s)
    passed_s = case.clock.now_s() - began_s
    if not got and passed_s < wait_s - 1e-4:
        sentence = f"{story} a receive returns before its timeout has passed"
        broken("stream_consumer_groups.10", sentence, expected=f"{wait_s:g} s", got=f"{passed_s:g} s")
    await member.nack(*got)


async def shared_out(
    case: Case,
    members: Sequence[Member],
    offsets: Iterable[int],
    *,
    promise: str = "stream_consumer_groups.1",
    most: int = 2,
    perhaps: Iterable[int] = (),
) -> list[tuple[int, RecordDelivery]]:
    """Take these records by turns, ``perhaps`` some others too; return who was given what.

    Idle members are legal, but not all of them.
    """
    wanted, others = set(offsets), set(perhaps)
    found: list[tuple[int, RecordDelivery]] = []
    given: set[int] = set()
    rounds = 0
    while wanted - given:
        rounds += 1
        before = len(found)
        for number, member in enumerate(members):
            for delivery in await receive(member, most) if wanted - given else ():
                offset = delivery.record.offset
                if offset in given:
                    broken(
                        "stream_consumer_groups.4",
                        "a record that a member holds goes to another",
                        expected="one at a time",
                        got=offset,
                    )
                if offset not in wanted | others:
                    broken(promise, "a member is given a record that should not come", expected=sorted(wanted), got=offset)
                given.add(offset)
                found.append((number, delivery))
        if len(found) > before:
            rounds = 0
        elif rounds > _ROUNDS:
            broken(promise, "records do not come, whichever member receives", expected=sorted(wanted), got=sorted(given))
        else:
            await case.clock.sleep(1.0 if case.clock.virtual else 0.025)
    return found
