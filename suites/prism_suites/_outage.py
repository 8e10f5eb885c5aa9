"""Clients that go on while their server is killed and comes back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from prism_suites._durable_plans import fitting
from prism_suites._judging import broken
from prism_testkit.interfaces import BackendUnavailable, Conflict, OperationTimeout

__all__ = ["Outage", "every_call"]

Maker = Callable[[], Awaitable[Any]]

_TRIES = 200
"""How often a call is made anew until a server that is back counts as not coming back to its clients."""
_MISSES = 3
"""After so many calls that were not answered a client stops."""
_MOST = 3000
_BETWEEN_S = 0.02


class Outage:
    """Makes calls of which some meet no server; counts the answers."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self.answers = 0
        self._reached = (0, asyncio.Event())

    async def answered(self, what: str, call: Awaitable[Any]) -> bool:
        """Make one call; return whether it was answered. Any error but those that say that the server is away breaks 13."""
        try:
            await call
        except (BackendUnavailable, OperationTimeout):
            return False
        except Conflict:
            return True  # needless, and legal
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            sentence = f"{what}, around an outage of the server, raised an error that does not say so"
            broken("keyvalue_basic.13", sentence, expected="BackendUnavailable or OperationTimeout", got=got)
        self.answers += 1
        if self.answers >= self._reached[0]:
            self._reached[1].set()
        return True

    async def busy(self, slot: Any, number: int) -> int:
        """Write and read two keys until some calls were not answered; return how many."""
        misses = 0
        for index in range(_MOST):
            key = f"k{(number + index // 2) % 2}"
            call = slot.get(key) if index % 3 == 2 else slot.set(key, fitting(b"%d.%d" % (number, index), self._max_payload))
            misses += not await self.answered("a call", call)
            if misses == _MISSES:
                break
        return misses

    async def reach(self, answers: int) -> None:
        """Wait until so many calls were answered."""
        self._reached = (answers, asyncio.Event())
        await self._reached[1].wait()

    async def none_answered(self, slot: Any) -> None:
        """Make every call there is while the server is away: each must say so."""
        for what, make in every_call(slot):
            before = self.answers
            await self.answered(what, make())
            if self.answers > before:
                sentence = f"{what} was answered, though the server is away"
                broken("keyvalue_basic.13", sentence, expected="BackendUnavailable or OperationTimeout", got="an answer")

    async def all_answered(self, slot: Any) -> None:
        """Make every call there is, each until it is answered: the server is back."""
        for what, make in every_call(slot):
            for _ in range(_TRIES):
                if await self.answered(what, make()):
                    break
                await asyncio.sleep(_BETWEEN_S)
            else:
                sentence = f"the server is back, and {what} of a driver from before the outage still fails"
                broken("keyvalue_basic.13", sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")


def every_call(slot: Any) -> Iterator[tuple[str, Maker]]:
    """Yield (name, how to make it) of each call that a client offers; plain and other calls never share a key."""
    calls: dict[str, Maker] = {
        "get": lambda: slot.get("plain"),
        "set": lambda: slot.set("plain", b"v"),
        "exists": lambda: slot.exists("plain"),
        "delete": lambda: slot.delete("plain"),
        "set_with_ttl": lambda: slot.set_with_ttl("lives", b"v", 1e6),
        "expire": lambda: slot.expire("lives", 1e6),
        "persist": lambda: slot.persist("lives"),
        "ttl": lambda: slot.ttl("lives"),
        "batch_set": lambda: slot.batch_set({"b1": b"v", "b2": b"v"}),
        "batch_get": lambda: slot.batch_get(["b1", "b2"]),
        "batch_delete": lambda: slot.batch_delete(["b1", "b2"]),
        "compare_and_swap": lambda: slot.compare_and_swap("swapped", None, b"v"),
        "compare_and_delete": lambda: slot.compare_and_delete("swapped", b"v"),
        "count": lambda: slot.count(),
        "count of a prefix": lambda: slot.count("none"),
        "scan": lambda: _drain(slot.scan()),
        "scan with a limit": lambda: _drain(slot.scan("none", 1)),
        "scan_keys": lambda: _drain(slot.scan_keys()),
        "transaction": lambda: _transact(slot, ("set", "t", b"v"), ("get", "other")),
        "transaction with a get alone": lambda: _transact(slot, ("get", "read")),
        "transaction with a set alone": lambda: _transact(slot, ("set", "t", b"v")),
        "transaction with a delete alone": lambda: _transact(slot, ("delete", "t")),
    }
    for what, make in calls.items():
        if hasattr(slot, what.partition(" ")[0]):
            yield what, make


async def _drain(items: Any) -> None:
    async for _ in items:
        pass


async def _transact(slot: Any, *steps: tuple[Any, ...]) -> None:
    async with slot.transaction() as transaction:
        for method, *arguments in steps:
            await getattr(transaction, method)(*arguments)
