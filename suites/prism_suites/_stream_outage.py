"""Clients of streams that go on while their server is killed and comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken
from prism_suites._stream_shared import read
from prism_testkit.interfaces import AlreadyExists, BackendUnavailable, Conflict, OperationTimeout

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
        self.acknowledged: list[tuple[int, bytes]] = []
        self.attempted: list[bytes] = []
        self._reached = (0, asyncio.Event())

    async def answered(self, what: str, call: Awaitable[Any]) -> tuple[bool, Any]:
        """Make one call; return whether it was answered, and how. An error that does not say that it is away breaks the promise."""
        try:
            got = await call
        except (BackendUnavailable, OperationTimeout):
            return False, None
        except (AlreadyExists, Conflict):
            got = None
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            sentence = f"{what}, around an outage of the server, raised an error that does not say so"
            broken(self.promise, sentence, expected="BackendUnavailable or OperationTimeout", got=told)
        self.answers += 1
        if self.answers >= self._reached[0]:
            self._reached[1].set()
        return True, got

    async def busy(self, slot: Any, number: int, member: Any = None) -> int:
        """Append, and read or receive, until some calls were not answered; return how many."""
        misses = 0
        for index in range(_MOST):
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
            if misses >= _MISSES:
                break
        return misses

    async def reach(self, answers: int) -> None:
        """Wait until so many calls were answered."""
        self._reached = (answers, asyncio.Event())
        await self._reached[1].wait()

    async def none_answered(self, slot: Any, member: Any = None) -> None:
        """Make every call there is while the server is away: each must say so."""
        for what, make in _every_call(slot, member).items():
            answered, got = await self.answered(what, make())
            if answered:
                expected = "BackendUnavailable or OperationTimeout"
                broken(self.promise, f"{what} was answered, though the server is away", expected=expected, got=got)

    async def all_answered(self, slot: Any, member: Any = None) -> None:
        """Make every call there is, each until it is answered: the server is back."""
        for what, make in _every_call(slot, member).items():
            for _ in range(_TRIES):
                if (await self.answered(what, make()))[0]:
                    break
                await asyncio.sleep(_BETWEEN_S)
            else:
                sentence = f"the server is back, and {what} of a driver from before the outage still fails"
                broken(self.promise, sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")


async def _joined(slot: Any) -> None:
    async with slot.join("kept", "g", "probe"):
        pass


def _every_call(slot: Any, member: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return how to make each call that a client offers."""
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
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
