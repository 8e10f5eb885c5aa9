"""Calls whose answers are lost after they had their effect."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._network import BETWEEN_S, TRIES, Load, until
from prism_testkit.private import ToldProxy

__all__ = ["ANSWERS", "AnswersLost", "Fate", "answered", "says_so_and_comes_back"]

ANSWERS = 12
"""A call of at most so many requests is met at each of its answers."""


async def answered(load: Load, what: str, make: Callable[[], Awaitable[Any]]) -> None:
    """Make a call until it is answered: the connection was reset a moment ago."""
    for _ in range(TRIES):
        if (await load.call(what, make()))[0]:
            return
        await asyncio.sleep(BETWEEN_S)
    broken(load.promise, f"the network is whole again, and {what} still fails", expected=f"an answer within {TRIES} tries")


async def says_so_and_comes_back(load: Load, proxy: ToldProxy, calls: Mapping[str, Callable[[], Awaitable[Any]]]) -> bool:
    """Judge that every call says that the server is away while connections are refused, and is answered once all passes again.

    Return whether a connection was refused meanwhile.
    """
    refused = proxy.counts.refused
    for what, make in calls.items():
        if (await load.call(what, make()))[0]:
            sentence = f"{what} is answered, though the server is not reached"
            broken(load.promise, sentence, expected="BackendUnavailable or OperationTimeout", got="an answer")
    met = proxy.counts.refused > refused
    await proxy.pass_on()
    for what, make in calls.items():
        await answered(load, what, make)
    return met


class AnswersLost:
    """Calls of which the server's answers do not arrive, one at a time: what they did is seen by others, and not by them."""

    def __init__(self, proxy: ToldProxy, load: Load) -> None:
        self._proxy = proxy
        self._load = load
        self.effects = 0
        """How many calls had their effect before their connection was reset."""

    async def lose(
        self,
        what: str,
        call: Awaitable[Any],
        after: int,
        happened: Callable[[], Awaitable[bool]],
        act: Callable[[], Awaitable[Any]] | None = None,
    ) -> "Fate":
        """Make a call whose answers are lost after the first ``after``, look whether it ``happened``, ``act``, and reset it."""
        lost = self._proxy.counts.lost_answers
        await self._proxy.drop("down", after=after)
        task = asyncio.ensure_future(call)
        try:
            await until(lambda: task.done() or self._proxy.counts.lost_answers > lost)
            finished = task.done()
            seen = not finished and await happened()
            self.effects += seen
            acted = seen and act is not None
            if seen and act is not None:
                await act()
        finally:
            await self._proxy.pass_on()
        answered, got = await self._load.call(what, task)
        return Fate(finished, seen, acted, answered, got)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a call: ``finished`` before an answer was lost; ``seen`` to have happened before its connection was reset;
    another client ``acted`` on it before that; ``answered``, and what it ``got``, a `Conflict` too."""

    finished: bool
    seen: bool
    acted: bool
    answered: bool
    got: Any
