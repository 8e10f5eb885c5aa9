"""Takes that wait, and clients beside them, judged by whichever way a slot takes."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._queue_taking import Laws, drained, drains, empty, fill, is_message, numbered, take
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.interfaces import QueueMessage
from prism_testkit.outcomes import law

__all__ = [
    "HUGE_S",
    "SHORT_S",
    "a_late_client_sees_all",
    "ids_differ",
    "it_goes_on_beside",
    "patience_has_no_bounds",
    "short_waits_end",
    "soon",
]

HUGE_S = (1e6, 2147483.648, 4294968.0, 2147483648.0, 1e10, 1e15, 1e300, 10**12)
"""Timeouts that are finite, in seconds, milliseconds or whatever they are made into."""
_AT_ONCE_S = 3600.0
"""So much virtual time may pass where none has to: a driver may look now and then, but not once in ten thousand years."""
SHORT_S = (1e-300, 1e-9, 0.0001, 0.0004, 0.0005, 0.00099)
"""Timeouts that are not 0, and must not be taken for none that ends."""


async def soon(case: Case, call: Awaitable[Any], promise: str, sentence: str) -> Any:
    """Make a take that has nothing to wait for, or not for long, and judge that it does not wait, where time is virtual."""
    began_s = case.clock.now_s()
    got = await call
    passed_s = case.clock.now_s() - began_s
    if case.clock.virtual and passed_s > _AT_ONCE_S:
        broken(promise, sentence, expected="at once", got=f"after {passed_s:g} s")
    return got


async def patience_has_no_bounds(slot: Any, case: Case, timeout_s: float, laws: Laws) -> None:
    """A take with a huge timeout gives what is there at once, and what comes while it waits."""
    other = await case.client()
    puts = await fill(slot, "q", numbered(1))
    with case.law(laws.wait):
        got = await soon(
            case, take(slot, "q", timeout_s), laws.wait, "a take with a huge timeout does not give at once what is there"
        )
        is_message(laws.wait, got, puts[0], "a take with a huge timeout does not give what is there")
        waiting = asyncio.ensure_future(take(other, "q", timeout_s))
        await case.clock.sleep(1.0 if case.clock.virtual else 0.01)
        puts = await fill(slot, "q", [b"comes"])
        is_message(laws.wait, await waiting, puts[0], "a take with a huge timeout is not given what comes")
        await empty(slot, "q", laws.once, "a message is given twice")


async def short_waits_end(slot: Any, case: Case, timeout_s: float, laws: Laws) -> None:
    """A take with a tiny timeout of an empty queue ends, and one of a queue with a message gives it."""
    with law(laws.wait):
        got = await soon(case, take(slot, "q", timeout_s), laws.wait, "a take of an empty queue waits on when its timeout is over")
        same(laws.wait, got, None, "a take of an empty queue gives a message")
        puts = await fill(slot, "q", numbered(2))
        for put in puts:
            is_message(laws.wait, await take(slot, "q", timeout_s), put, "a take with a tiny timeout does not give what is there")


async def it_goes_on_beside(slot: Any, case: Case, waiters: int, laws: Laws) -> None:
    """While takes of one client wait, its other calls go on, and what they enqueue is given to those that wait."""
    patience_s = 1000.0 if case.clock.virtual else 10.0
    waiting = [asyncio.ensure_future(take(slot, "awaited", patience_s)) for _ in range(waiters)]
    await case.clock.sleep(1.0 if case.clock.virtual else 0.02)
    with case.law(laws.wait):
        await drains(slot, "beside", await fill(slot, "beside", numbered(3)), laws, "beside takes that wait on the same client")
        same(laws.wait, any(task.done() for task in waiting), False, "a take of an empty queue ended before its timeout")
        puts = await fill(slot, "awaited", numbered(waiters, "awaited"))
        got = await together(*waiting)
    found = sorted(message.payload for message in got if isinstance(message, QueueMessage))
    same(laws.wait, found, sorted(put.payload for put in puts), "takes that wait are not given what the same client enqueues")
    await empty(slot, "awaited", laws.once, "a message is given twice")


async def ids_differ(slots: Sequence[Any], case: Case, count: int, laws: Laws) -> None:
    """Clients that enqueue at once, one by one, and equal payloads at that, get ids that all differ."""
    one_by_one = [await slots[number % len(slots)].enqueue("q", b"same") for number in range(count)]
    case.overlap()
    at_once = await together(*(slots[number % len(slots)].enqueue("q", b"same") for number in range(count)))
    ids = [*one_by_one, *at_once]
    if len(set(ids)) < len(ids):
        twice = sorted({identity for identity in ids if ids.count(identity) > 1})
        broken(laws.once, "messages of one queue have the same id", expected="ids that differ", got=twice)
    found = [message.id for message in await drained(slots[0], "q")]
    same(laws.once, sorted(found), sorted(ids), "messages with equal payloads are lost or doubled")
    same(laws.order, found[:count], one_by_one, "messages of several clients are not given in order")


async def a_late_client_sees_all(slot: Any, case: Case, laws: Laws) -> None:
    """Opening a client changes nothing, and it sees what was enqueued and taken before it came."""
    puts = await fill(slot, "q", numbered(5), {"h": "v"})
    is_message(laws.order, await take(slot, "q"), puts[0], "a take does not give the first message")
    late = await case.client()
    is_message(laws.clients, await take(late, "q"), puts[1], "a client that comes late does not see what is there")
    is_message(laws.clients, await take(slot, "q"), puts[2], "after another client was opened a message is gone or back")
    puts += await fill(late, "q", [b"late"], {"h": "v"})
    latest = await case.client()
    with case.law(laws.clients):
        await drains(latest, "q", puts[3:], laws, "a client that comes late")
    for client in (slot, late, latest):
        await empty(client, "q", laws.clients, "a client is given what another had taken")
