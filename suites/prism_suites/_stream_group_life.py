"""A life of a group, as any may have: one that was moved, or that covers partitions, leads it like every other."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._noticing import is_noticed
from prism_suites._stream_taking import patience_s, receive, take
from prism_testkit.case import Case
from prism_testkit.interfaces import RecordDelivery

__all__ = ["lives_as_any"]

_DELAY_S = 1e6
"""Longer than all of it takes, however slow calls are."""
_SHORT_S, _LONG_S = 5.0, 10_000.0
_PLACES = 3
_TURNS = (0, 2, 5)


def _payloads(deliveries: list[RecordDelivery]) -> list[bytes]:
    return sorted(delivery.record.payload for delivery in deliveries)


def _counted(case: Case, promise: str, deliveries: list[RecordDelivery], times: int, story: str) -> None:
    if case.traits.delivery_count == "exact":
        found = [delivery.delivery_count for delivery in deliveries]
        same(promise, found, [times] * len(found), f"{story}: deliveries are not counted as in any group")


async def _wakes_when_due(case: Case, member: Any, put: Callable[[], Awaitable[Any]], promise: str, story: str) -> None:
    """Let who waits be given what was put off for a short while, when that is over, and not when it has waited long enough."""
    await put()
    got = await take(case, member, 1)
    await member.nack(*got, delay_s=_SHORT_S)
    began_s = case.clock.now_s()
    again = await receive(member, 1, _LONG_S)
    passed_s = case.clock.now_s() - began_s
    same(promise, _payloads(again), [b"due"], f"{story}: what was put off does not come to who waits")
    if passed_s > _LONG_S / 2:
        sentence = f"{story}: what was put off for {_SHORT_S:g} s comes to who waits {_LONG_S:g} s only when that is over"
        broken(promise, sentence, expected=f"after {_SHORT_S:g} s", got=f"after {passed_s:g} s")
    await member.ack(*again)


async def lives_as_any(
    case: Case,
    slots: tuple[Any, Any],
    put: Callable[[int, bytes], Awaitable[Any]],
    promise: str,
    story: str,
    stream: str,
    group: str,
) -> None:
    """Lead it: a group to which nothing is to come now. ``put`` appends a payload, to a place that depends on a number.

    Who waits is woken wherever a record comes; what is put off holds up nobody; what is given back, or was held by who left, comes
    again, counted; what is acked does not.
    """
    slot, other = slots
    async with slot.join(stream, group, "c") as member:
        same(promise, _payloads(await receive(member, 5)), [], f"{story}: something comes, where nothing is to come")
        for number, turns in enumerate(_TURNS if case.clock.virtual else ()):
            got = await is_noticed(
                case,
                promise,
                turns,
                lambda seconds: member.receive(5, seconds),
                lambda number=number: put(number, b"woken"),  # type: ignore[misc]
                story,
            )
            await member.ack(*got)
        for number in range(6):
            await put(number, b"%d" % number)
        got = await take(case, member, 6)
        same(promise, _payloads(got), [b"%d" % number for number in range(6)], f"{story}: records do not come")
        _counted(case, promise, got, 1, story)
        by_payload = {delivery.record.payload: delivery for delivery in got}
        late, back, held, *acked = (by_payload[b"%d" % number] for number in range(6))
        await member.ack(*acked)
        await member.nack(late, delay_s=_DELAY_S)
        await member.nack(back)
        again = await receive(member, 1, patience_s(case))
        same(promise, _payloads(again), [back.record.payload], f"{story}: what was given back does not come")
        _counted(case, promise, again, 2, story)
        await member.ack(*again)
        for number in range(6):  # behind what is put off, and what is held
            await put(number, b"behind %d" % number)
        behind = await take(case, member, 6)
        same(promise, _payloads(behind), [b"behind %d" % number for number in range(6)], f"{story}: others are held up")
        await member.ack(*behind)
        same(promise, (await other.group_info(stream, group)).pending, 2, f"{story}: group_info does not count what is pending")
        async with other.join(stream, group, "second"):
            found = (await slot.group_info(stream, group)).members
            same(promise, found, 2, f"{story}: group_info does not count two members")
        for number in range(_PLACES if case.clock.virtual else 0):
            await _wakes_when_due(case, member, lambda number=number: put(number, b"due"), promise, story)  # type: ignore[misc]
    if case.clock.virtual:
        await case.advance(_DELAY_S + 10.0)
    wanted = sorted([held.record.payload, *([late.record.payload] if case.clock.virtual else [])])
    async with other.join(stream, group, "d") as member:
        last = await take(case, member, len(wanted))
        found = [payload for payload in _payloads(last) if payload != late.record.payload or case.clock.virtual]
        same(promise, found, wanted, f"{story}: what was held does not come again")
        _counted(case, promise, last, 2, story)
        await member.ack(*last)
