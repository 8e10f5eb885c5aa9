"""Clients of queues that go on while their server is killed and comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_suites._queue_taking import HELD_S
from prism_testkit.interfaces import BackendUnavailable, Conflict, OperationTimeout

__all__ = ["Outage"]

_TRIES = 200
"""How often a call is made anew until a server that is back counts as not coming back to its clients."""
_MISSES = 3
"""After so many calls that were not answered a client stops."""
_MOST = 3000
_BETWEEN_S = 0.02


class Outage:
    """Makes calls of which some meet no server, and counts the answers; ``promise`` is the one that says what they may raise."""

    def __init__(self, promise: str) -> None:
        self.promise = promise
        self.answers = 0
        self.acknowledged: list[bytes] = []
        self.attempted: list[bytes] = []
        self.taken: list[bytes] = []
        self.unknown_takes = 0
        self._reached = (0, asyncio.Event())

    async def answered(self, what: str, call: Awaitable[Any]) -> tuple[bool, Any]:
        """Make one call; return whether it was answered, and how. An error that does not say that it is away breaks the promise."""
        try:
            got = await call
        except (BackendUnavailable, OperationTimeout):
            return False, None
        except Conflict:
            got = None
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            sentence = f"{what}, around an outage of the server, raised an error that does not say so"
            broken(self.promise, sentence, expected="BackendUnavailable or OperationTimeout", got=told)
        self.answers += 1
        if self.answers >= self._reached[0]:
            self._reached[1].set()
        return True, got

    async def busy(self, slot: Any, number: int) -> int:
        """Enqueue and take until some calls were not answered; return how many."""
        misses = 0
        for index in range(_MOST):
            if index % 3 == 2:
                misses += not await self._take(slot)
            else:
                payload = b"%d.%d" % (number, index)
                self.attempted.append(payload)
                answered, _ = await self.answered("enqueue", slot.enqueue("busy", payload))
                misses += not answered
                if answered:
                    self.acknowledged.append(payload)
            if misses >= _MISSES:
                break
        return misses

    async def _take(self, slot: Any) -> bool:
        if hasattr(slot, "dequeue"):
            answered, got = await self.answered("dequeue", slot.dequeue("busy"))
            if got is not None:
                self.taken.append(got.payload)
            self.unknown_takes += not answered
            return answered
        answered, lease = await self.answered("receive", slot.receive("busy", HELD_S))
        if lease is None:
            self.unknown_takes += not answered
            return answered
        self.taken.append(lease.message.payload)  # acked, or in doubt, or held: it need not come again
        return (await self.answered("ack", slot.ack(lease)))[0]

    async def reach(self, answers: int) -> None:
        """Wait until so many calls were answered."""
        self._reached = (answers, asyncio.Event())
        await self._reached[1].wait()

    async def none_answered(self, slot: Any, held: Any) -> None:
        """Make every call there is while the server is away: each must say so."""
        for what, make in _every_call(slot, held).items():
            answered, _ = await self.answered(what, make())
            if answered:
                expected = "BackendUnavailable or OperationTimeout"
                broken(self.promise, f"{what} was answered, though the server is away", expected=expected, got="an answer")

    async def all_answered(self, slot: Any, held: Any) -> None:
        """Make every call there is, each until it is answered: the server is back."""
        for what, make in _every_call(slot, held).items():
            for _ in range(_TRIES):
                if (await self.answered(what, make()))[0]:
                    break
                await asyncio.sleep(_BETWEEN_S)
            else:
                sentence = f"the server is back, and {what} of a driver from before the outage still fails"
                broken(self.promise, sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")


def _every_call(slot: Any, held: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return how to make each call that a client offers."""
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "enqueue": lambda: slot.enqueue("probe", b"v"),
        "dequeue": lambda: slot.dequeue("nothing"),
        "peek": lambda: slot.peek("nothing"),
        "receive": lambda: slot.receive("nothing", 30.0),
        "extend": lambda: slot.extend(held, 40_000.0),
        "release": lambda: slot.release(held),
        "ack": lambda: slot.ack(held),
        "enqueue_with_priority": lambda: slot.enqueue_with_priority("probe", b"v", priority=4),
        "enqueue_delayed": lambda: slot.enqueue_delayed("probe", b"v", delay_s=1e6),
        "scheduled_count": lambda: slot.scheduled_count("probe"),
        "configure_dead_letter": lambda: slot.configure_dead_letter("configured", "dead", 3),
        "dead_letters": lambda: slot.dead_letters("configured"),
        "redrive": lambda: slot.redrive("configured"),
    }
    return {what: make for what, make in calls.items() if hasattr(slot, what) and (held is not None or what not in _LEASED)}


_LEASED = ("extend", "release", "ack")
