"""Clients that go on while their server is killed and comes back: what calls raise meanwhile, and that they are answered later."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from prism_suites._judging import broken
from prism_testkit.interfaces import BackendUnavailable, Conflict, OperationTimeout

__all__ = ["MISSES", "MOST", "Calls", "Outage"]

Calls = Mapping[str, Callable[[], Awaitable[Any]]]
"""How to make each call, by its name, and what else tells it apart behind a blank."""

MISSES = 3
"""After so many calls that were not answered a client that is busy stops,"""
MOST = 3000
"""and after so many in all."""
_TRIES = 200
"""How often a call is made anew until a server that is back counts as not coming back to its clients."""
_BETWEEN_S = 0.02
_FAILURES, _FAILING_S = 140, 1.0
"""So many calls fail, or for so long: more than there are connections, slots and permits, as a rule."""
_AWAY = "BackendUnavailable or OperationTimeout"


class Outage:
    """Makes calls of which some meet no server, and counts the answers; ``promise`` is the one that says what they may raise.

    ``often``: what is called over and over while the server is away, so that what each failed call keeps runs out: calls that write
    nothing, or too much would be in doubt. ``answers``: errors by which a call is answered.
    """

    def __init__(self, promise: str, often: Collection[str], answers: tuple[type[Exception], ...] = (Conflict,)) -> None:
        self.promise = promise
        self._often, self._answers = often, answers
        self._answered = 0
        self._reached = (0, asyncio.Event())

    async def answered(self, what: str, call: Awaitable[Any]) -> tuple[bool, Any]:
        """Make one call; return whether it was answered, and how. An error that does not say that it is away breaks the promise."""
        got: Any = None
        try:
            got = await call
        except (BackendUnavailable, OperationTimeout):
            return False, None
        except self._answers:
            pass
        except Exception as error:
            sentence = f"{what}, around an outage of the server, raised an error that does not say so"
            broken(self.promise, sentence, expected=_AWAY, got=f"{type(error).__name__}: {error}")
        self._answered += 1
        if self._answered >= self._reached[0]:
            self._reached[1].set()
        return True, got

    async def reach(self, answers: int) -> None:
        """Wait until so many calls were answered."""
        self._reached = (answers, asyncio.Event())
        await self._reached[1].wait()

    async def none_answered(self, calls: Calls) -> None:
        """Make every call while the server is away, some over and over: each must say so."""
        loop = asyncio.get_running_loop()
        for what, make in calls.items():
            until_s = loop.time() + _FAILING_S
            for _ in range(_FAILURES if what.partition(" ")[0] in self._often else 1):
                answered, got = await self.answered(what, make())
                if answered:
                    broken(self.promise, f"{what} was answered, though the server is away", expected=_AWAY, got=got)
                if loop.time() > until_s:
                    break

    async def all_answered(self, calls: Calls) -> None:
        """Make every call, each until it is answered: the server is back."""
        for what, make in calls.items():
            for _ in range(_TRIES):
                if (await self.answered(what, make()))[0]:
                    break
                await asyncio.sleep(_BETWEEN_S)
            else:
                sentence = f"the server is back, and {what} of a driver from before the outage still fails"
                broken(self.promise, sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")
