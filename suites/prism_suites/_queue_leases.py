"""Leases as a check knows them: when one was given, and until when it holds for certain."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_model import Window
from prism_suites._queue_taking import HELD_S, Put, fill, is_message
from prism_suites._queue_times import Times
from prism_testkit.interfaces import Conflict, Lease, QueueBasic
from prism_testkit.outcomes import Inconclusive
from prism_testkit.tap import offers

__all__ = ["ENDINGS", "Held", "conflicts", "end", "given_to_nobody", "is_available", "lease", "one_leased"]

ENDINGS = ("ack", "release", "deadline")


@dataclass(slots=True)
class Held:
    """A lease and the interval in which its deadline lies."""

    lease: Lease
    put: Put
    deadline: Window
    cost_ns: int = 0
    """How long the receive took: nearer to the deadline than that, a look may outlast the lease."""


async def lease(
    times: Times,
    slot: Any,
    queue: str,
    put: Put | None,
    seconds: float = HELD_S,
    *,
    attempt: int = 1,
    promise: str = "queue_visibility.1",
) -> Held:
    """Receive a message that must be there, and judge the lease; ``put`` None takes whichever comes."""
    got, now = await times.during(slot.receive(queue, seconds))
    if not isinstance(got, Lease):
        broken(promise, "receive does not give a message that is available", expected=put or "a lease", got=got)
    wanted = put or Put(got.message.id, got.message.payload, dict(got.message.headers))
    is_message(promise, got.message, wanted, "a message is not received as it was enqueued")
    if got.queue != queue or not isinstance(got.token, str):
        broken("queue_visibility.1", "a lease does not name its queue", expected=queue, got=got)
    if got.attempt != attempt or isinstance(got.attempt, bool):
        counted = "queue_visibility.1" if attempt == 1 else "queue_visibility.3"
        which = counted if promise.startswith("queue_visibility") else promise
        broken(
            which,
            "the attempt of a lease is not the number of deliveries since the enqueue, the redrive or the death",
            expected=attempt,
            got=got.attempt,
        )
    return Held(got, wanted, now.after(seconds), now.end - now.start)


async def one_leased(
    times: Times,
    slot: Any,
    queue: str = "q",
    seconds: float = HELD_S,
    payload: bytes = b"held",
    *,
    bare: bool = False,
    before: int = 0,
) -> Held:
    """Enqueue a message, ``bare`` without headers, and lease it, after it was leased and released so many times ``before``."""
    (put,) = await fill(slot, queue, [payload], None if bare else {"h": "v"})
    for attempt in range(1, before + 1):
        await slot.release((await lease(times, slot, queue, put, HELD_S, attempt=attempt)).lease)
    return await lease(times, slot, queue, put, seconds, attempt=before + 1)


async def given_to_nobody(times: Times, slots: Any, held: Held, story: str, promise: str = "queue_visibility.2") -> None:
    """Judge that no kind of take gives a leased message, where the lease was valid for certain when the take returned."""
    for slot in slots:
        kinds = [("receive", slot.receive(held.lease.queue, HELD_S))]
        if offers(slot, QueueBasic):
            kinds.append(("dequeue", slot.dequeue(held.lease.queue)))
        for kind, call in kinds:
            if held.cost_ns and times.now_ns() + held.cost_ns >= held.deadline.start:
                call.close()
                continue
            got, now = await times.during(call)
            if got is not None and times.is_present(held.deadline, now):
                broken(promise, f"{kind} gives a message whose lease is valid ({story})", expected=None, got=got)
            if got is not None:
                raise Inconclusive("a call took so long that the lease may have ended meanwhile")


async def is_available(times: Times, slot: Any, held: Held, attempt: int, story: str, promise: str = "queue_visibility.3") -> Held:
    """Judge that a message can be received, as it was enqueued, and say how often it was."""
    got, now = await times.during(slot.receive(held.lease.queue, HELD_S))
    if got is None:
        broken(promise, f"a message is not available again ({story})", expected=held.put, got=None)
    is_message(promise, got.message, held.put, f"a message comes again changed ({story})")
    same(promise, got.attempt, attempt, f"a message that comes again does not count its deliveries ({story})")
    return Held(got, held.put, now.after(HELD_S), now.end - now.start)


async def conflicts(slot: Any, ended: Lease, story: str, promise: str = "queue_visibility.5", *, extend_s: float = 5.0) -> None:
    """Judge that nothing can be done with a lease that has ended."""
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "extend": lambda: slot.extend(ended, extend_s),
        "release": lambda: slot.release(ended),
        "ack": lambda: slot.ack(ended),
        "a second ack": lambda: slot.ack(ended),
    }
    for name, make in calls.items():
        await refused(promise, make(), Conflict, f"{name} of a lease that has ended is not refused by Conflict ({story})")


async def end(times: Times, slot: Any, held: Held, ending: str) -> bool:
    """End a lease; False where it ends by time and time cannot be moved."""
    if ending == "deadline":
        return await times.past(held.deadline)
    await getattr(slot, ending)(held.lease)
    return True
