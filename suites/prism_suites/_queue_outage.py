"""Clients of queues that go on while their server is killed and comes back."""

from typing import Any

from prism_suites._outage import MISSES, MOST, Calls, Outage
from prism_suites._queue_taking import HELD_S

__all__ = ["QueueOutage", "every_call"]


class QueueOutage(Outage):
    """Of queues, plain or with leases: what was enqueued, what of it acknowledged, what taken."""

    def __init__(self, promise: str) -> None:
        super().__init__(promise, often=("peek", "receive"))
        self.acknowledged: list[bytes] = []
        self.attempted: list[bytes] = []
        self.taken: list[bytes] = []
        self.unknown_takes = 0

    async def busy(self, slot: Any, number: int) -> int:
        """Enqueue and take until some calls were not answered; return how many."""
        misses = 0
        for index in range(MOST):
            if index % 3 == 2:
                misses += not await self._take(slot)
            else:
                payload = b"%d.%d" % (number, index)
                self.attempted.append(payload)
                answered, _ = await self.answered("enqueue", slot.enqueue("busy", payload))
                misses += not answered
                if answered:
                    self.acknowledged.append(payload)
            if misses >= MISSES:
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


def every_call(slot: Any, held: Any) -> Calls:
    """Return how to make each call that a client offers."""
    calls: Calls = {
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
