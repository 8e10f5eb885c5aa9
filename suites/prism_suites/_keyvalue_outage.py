"""Clients of key-values around an outage, as in `_outage`, and the calls that its list has not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from prism_suites import _outage
from prism_suites._judging import broken

__all__ = ["Outage"]

_TRIES, _BETWEEN_S = 200, 0.02
_AWAY = "BackendUnavailable or OperationTimeout"


class Outage(_outage.Outage):
    """Asks for the seconds left, too, and for transactions that do one thing alone."""

    async def none_answered(self, slot: Any) -> None:
        """Make every call there is while the server is away: each must say so."""
        await super().none_answered(slot)
        for what, make in _more_calls(slot):
            if await self.answered(what, make()):
                sentence = f"{what} was answered, though the server is away"
                broken("keyvalue_basic.13", sentence, expected=_AWAY, got="an answer")

    async def all_answered(self, slot: Any) -> None:
        """Make every call there is, each until it is answered: the server is back."""
        await super().all_answered(slot)
        for what, make in _more_calls(slot):
            for _ in range(_TRIES):
                if await self.answered(what, make()):
                    break
                await asyncio.sleep(_BETWEEN_S)
            else:
                sentence = f"the server is back, and {what} of a driver from before the outage still fails"
                broken("keyvalue_basic.13", sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")


def _more_calls(slot: Any) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """Yield (name, how to make it); what `_outage` has set is there once the server is back."""
    if hasattr(slot, "ttl"):
        yield "ttl", lambda: slot.ttl("lives")
    if hasattr(slot, "scan"):
        yield "scan with a limit", lambda: _drained(slot.scan("none", 1))
        yield "count of a prefix", lambda: slot.count("none")
    if hasattr(slot, "transaction"):
        for name, arguments in (("get", ("read",)), ("set", ("t", b"v")), ("delete", ("t",))):
            yield f"a transaction with a {name} alone", lambda name=name, arguments=arguments: _transact(slot, name, arguments)  # type: ignore[misc]


async def _drained(items: Any) -> None:
    async for _ in items:
        pass


async def _transact(slot: Any, name: str, arguments: tuple[Any, ...]) -> None:
    async with slot.transaction() as transaction:
        await getattr(transaction, name)(*arguments)
