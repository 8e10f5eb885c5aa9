"""Clients of streams that go on while their server is killed and comes back."""

from typing import Any

from prism_suites._outage import MISSES, MOST, Calls, Outage
from prism_suites._stream_shared import read
from prism_testkit.interfaces import AlreadyExists, Conflict

__all__ = ["StreamOutage", "every_call"]


class StreamOutage(Outage):
    """Of streams: what was appended, and what of it acknowledged."""

    def __init__(self, promise: str) -> None:
        super().__init__(promise, ("read",), (AlreadyExists, Conflict))
        self.acknowledged: list[tuple[int, bytes]] = []
        self.attempted: list[bytes] = []

    async def busy(self, slot: Any, number: int, member: Any = None) -> int:
        """Append, and read or receive, until some calls were not answered; return how many."""
        misses = 0
        for index in range(MOST):
            if index % 4 == 3:
                call = member.receive(1) if member is not None else read(slot, "busy", limit=2)
                misses += not (await self.answered("a read or receive", call))[0]
                continue
            payload = b"%d.%d" % (number, index)
            self.attempted.append(payload)
            answered, offset = await self.answered("append", slot.append("busy", payload))
            misses += not answered
            if answered:
                self.acknowledged.append((offset, payload))
            if misses >= MISSES:
                break
        return misses


async def _joined(slot: Any) -> None:
    async with slot.join("kept", "g", "probe"):
        pass


def every_call(slot: Any, member: Any = None) -> Calls:
    """Return how to make each call that a client offers."""
    calls = {
        "append": lambda: slot.append("probe", b"v"),
        "read": lambda: read(slot, "probe"),
        "latest_offset": lambda: slot.latest_offset("probe"),
        "trim": lambda: slot.trim("probe", 0),
    }
    if member is not None:
        calls |= {
            "create_group": lambda: slot.create_group("probe", "g"),
            "group_info": lambda: slot.group_info("kept", "g"),
            "join": lambda: _joined(slot),
            "receive": lambda: member.receive(1),
        }
    return {what: make for what, make in calls.items() if what in ("receive",) or hasattr(slot, what)}
