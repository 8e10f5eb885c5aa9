"""queues: what a client says of its lease comes late, when somebody else holds the message, and what a client waits for comes when
its connections are lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._network import Load, passes, until
from prism_suites._network_waits import WAITS_S, is_told_after_all
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, Lease, QueueBasic, QueueVisibility
from prism_testkit.private import PrivateServer
from prism_testkit.traits import Traits

_SHORT_S = 0.3
_PATIENT_S = 10.0
_TRIES = 5
"""On a slow machine a lease may have ended before anything is said of it."""

_ENDS: dict[str, Callable[[Any, Lease], Awaitable[None]]] = {
    "ack": lambda slot, lease: slot.ack(lease),
    "release": lambda slot, lease: slot.release(lease),
    "extend": lambda slot, lease: slot.extend(lease, HELD_S),
}


@check("queue_visibility.5", "queue_visibility.4", "queue_visibility.8", needs_server=True)
async def what_is_said_too_late_touches_nobody(
    queue: Annotated[QueueVisibility, Traits(lease_fencing="server")], case: Case
) -> None:
    """Who acks, releases or extends in time, and is heard by the server when the message is already another's, changes nothing for
    that one, and is not told that it did: the server judges it, with its own clock."""
    load = Load("queue_visibility.14")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await passes(case, private, lambda: one.enqueue("warm", b"v"), lambda: one.receive("unseen", 1.0))
        for what in _ENDS:
            for number in range(_TRIES):
                if await _late(case, private, load, one, other, what, number):
                    break
            else:
                case.inconclusive(f"{what} was never on its way when its lease ended")


async def _late(case: Case, private: PrivateServer, load: Load, one: Any, other: Any, what: str, number: int) -> bool:
    """Return whether the call was on its way when another client received the message."""
    name = f"{what} {number}"
    await one.enqueue(name, b"m")
    lease = await one.receive(name, _SHORT_S)
    if lease is None:
        broken("queue_visibility.1", "a message that was enqueued is not given", expected=b"m", got=None)
    held = private.proxy.counts.held
    await private.proxy.hold("up")
    ending = asyncio.ensure_future(_ENDS[what](one, lease))
    try:
        await until(lambda: ending.done() or private.proxy.counts.held > held)
        under_way = not ending.done()
        theirs = await other.receive(name, HELD_S, _PATIENT_S + case.traits.ttl_late_s)
    finally:
        await private.proxy.pass_on()
    answered, got = await load.call(what, ending)
    if theirs is None:
        broken("queue_visibility.3", "a message whose lease has ended is not given again", expected=b"m", got=None)
    if under_way and answered and not isinstance(got, Conflict):
        sentence = f"{what}, which reached the server when another client held the message, says that it was in time"
        broken("queue_visibility.5", sentence, expected="Conflict, BackendUnavailable or OperationTimeout", got=got)
    try:
        await other.ack(theirs)
    except Conflict:
        broken("queue_visibility.5", f"{what}, which reached the server late, ended the lease of who held the message by then")
    return under_way


@check("queue_basic.4", "queue_basic.13", needs_server=True)
@gauntlet(lambda limits: [{"refused": refused} for refused in (True, False)])
async def a_take_that_waits_outlives_its_connection(queue: QueueBasic, case: Case, refused: bool) -> None:
    """A take that waits, or is begun anew where it says that the server is away, is given what another client enqueues while it
    is cut off, or after its connections were reset (Q-21)."""
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await passes(case, private, lambda: one.enqueue("warm", b"v"), lambda: one.peek("unseen"))
        await is_told_after_all(
            private.proxy,
            "queue_basic.4",
            "queue_basic.13",
            lambda: one.dequeue("q", WAITS_S),
            lambda: other.enqueue("q", b"m"),
            refused=refused,
        )


@check("queue_visibility.9", "queue_visibility.14", needs_server=True)
@gauntlet(lambda limits: [{"refused": refused} for refused in (True, False)])
async def a_receive_that_waits_outlives_its_connection(queue: QueueVisibility, case: Case, refused: bool) -> None:
    """The same of a queue that leases (Q-21)."""
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await passes(case, private, lambda: one.enqueue("warm", b"v"), lambda: one.receive("unseen", 1.0))
        await is_told_after_all(
            private.proxy,
            "queue_visibility.9",
            "queue_visibility.14",
            lambda: one.receive("q", HELD_S, WAITS_S),
            lambda: other.enqueue("q", b"m"),
            refused=refused,
        )
