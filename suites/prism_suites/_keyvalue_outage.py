"""Clients of key-values that go on while their server is killed and comes back."""

from typing import Any

from prism_suites._durable_plans import fitting
from prism_suites._outage import MISSES, MOST, Calls, Outage

__all__ = ["KeyValueOutage", "every_call"]


class KeyValueOutage(Outage):
    """Of key-values."""

    def __init__(self, max_payload: int) -> None:
        super().__init__("keyvalue_basic.13", often=("get",))
        self._max_payload = max_payload

    async def busy(self, slot: Any, number: int) -> int:
        """Write and read two keys until some calls were not answered; return how many."""
        misses = 0
        for index in range(MOST):
            key = f"k{(number + index // 2) % 2}"
            call = slot.get(key) if index % 3 == 2 else slot.set(key, fitting(b"%d.%d" % (number, index), self._max_payload))
            misses += not (await self.answered("a call", call))[0]
            if misses == MISSES:
                break
        return misses


def every_call(slot: Any) -> Calls:
    """Return how to make each call that a client offers; plain and other calls never share a key."""
    calls: Calls = {
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
    return {what: make for what, make in calls.items() if hasattr(slot, what.partition(" ")[0])}


async def _drain(items: Any) -> None:
    async for _ in items:
        pass


async def _transact(slot: Any, *steps: tuple[Any, ...]) -> None:
    async with slot.transaction() as transaction:
        for method, *arguments in steps:
            await getattr(transaction, method)(*arguments)
