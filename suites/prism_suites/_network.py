"""Clients at work over a network that fails: what their calls may raise, and that they recover by themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.interfaces import BackendUnavailable, Conflict, OperationTimeout
from prism_testkit.private import PrivateServer, ToldProxy

__all__ = ["BETWEEN_S", "MIDST", "PATIENCE", "TRIES", "Load", "Step", "alongside", "at_work", "cut_off", "passes", "until"]

Step = Callable[[int, int], Awaitable[bool]]
"""(number of the client, number of the step) -> whether the call was answered."""

TRIES = 200
"""How often a client tries anew until a network that is whole again counts as not coming back to it."""
BETWEEN_S = 0.02
PATIENCE = 100
"""How often it is looked whether a client that is cut off has an answer nevertheless: it may give up the server, and say yes."""
_PACE_S = 0.001
"""Between the calls of a client: what it does while another waits is to stay little enough to be judged."""
_LOOKS = 2000
_LOOK_S = 0.002
MIDST = 12
"""So many calls are answered before a fault, so that it comes in the midst of them."""


async def until(condition: Callable[[], bool], looks: int = _LOOKS) -> bool:
    """Wait for what nobody announces; False if it does not come."""
    for _ in range(looks):
        if condition():
            return True
        await asyncio.sleep(_LOOK_S)
    return condition()


async def alongside(*works: Awaitable[Any]) -> None:
    """Run all until they have ended, or one of them raised; then end the others, and raise that."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


class Load:
    """Clients that make calls, one after another each, until it is over. ``promise`` says what a call may raise meanwhile.

    ``turn`` counts the faults that are over. What a client does in one turn it does to objects of that turn, so that calls of
    unknown effect, which may come at any later time, are few for each object.
    """

    def __init__(self, promise: str) -> None:
        self.promise = promise
        self.turn = 0
        self.answers = 0
        self.misses = 0
        self.under_way = 0
        self.is_over = False
        self.is_calm = True
        """No fault is in force."""
        self.reached: dict[int, int] = {}
        """The turn in which each client began the last call that was answered."""

    async def call(self, what: str, call: Awaitable[Any]) -> tuple[bool, Any]:
        """Make one call; return whether it was answered, and how. An error that says something else breaks the promise."""
        self.under_way += 1
        try:
            got = await call
        except (BackendUnavailable, OperationTimeout):
            self.misses += 1
            return False, None
        except Conflict as conflict:
            got = conflict  # needless, and legal
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            sentence = f"{what}, over a connection that failed, raised an error that does not say so"
            broken(self.promise, sentence, expected="BackendUnavailable or OperationTimeout", got=told)
        finally:
            self.under_way -= 1
        self.answers += 1
        return True, got

    async def work(self, number: int, step: Step) -> None:
        """Let client ``number`` make its steps. One that is not answered again after a fault breaks the promise."""
        self.reached[number] = -1
        index = missed = 0
        while not self.is_over:
            turn, calm = self.turn, self.is_calm
            answered = await step(number, index)
            index += 1
            if answered:
                self.reached[number], missed = turn, 0
            elif calm:
                missed += 1
            if missed > TRIES:
                sentence = "the network is whole again, and a driver from before the fault still fails"
                broken(self.promise, sentence, expected=f"an answer within {TRIES} tries", got="it is away, each time")
            await asyncio.sleep(_PACE_S if answered else BETWEEN_S)

    async def midst(self) -> bool:
        """Wait until every client was answered in this turn, and some calls more."""
        answers = self.answers
        return await until(lambda: self.answers >= answers + MIDST and set(self.reached.values()) == {self.turn})

    def next_turn(self) -> None:
        """The fault is over."""
        self.turn += 1
        self.is_calm = True


async def passes(
    case: Case, private: PrivateServer, write: Callable[[], Awaitable[Any]], read: Callable[[], Awaitable[Any]]
) -> None:
    """Give up unless calls of a client go through the proxy: a server may tell its clients an address that leads past it.

    ``write`` makes the connection; ``read`` asks for what nobody has asked for yet, and must not be answered while nothing passes.
    """
    await write()
    held = private.proxy.counts.held
    await private.proxy.hold()
    reading = asyncio.ensure_future(read())
    await until(lambda: reading.done() or private.proxy.counts.held > held)
    await until(reading.done, PATIENCE // 4)
    answered = reading.done() and reading.exception() is None
    seen = private.proxy.counts.held > held
    await private.proxy.pass_on()
    await asyncio.wait([reading])
    reading.exception()  # a driver may have given up meanwhile
    if answered or not seen:
        case.inconclusive("calls do not pass the proxy: the server tells its clients another address")


async def at_work(load: Load, steps: Sequence[Step], faults: Awaitable[list[str]]) -> list[str]:
    """Let each client make its steps while faults happen; return the faults that took no effect."""
    idle: list[str] = []

    async def meanwhile() -> None:
        idle.extend(await faults)

    await alongside(meanwhile(), *(load.work(number, step) for number, step in enumerate(steps)))
    return idle


async def cut_off(
    load: Load, proxy: ToldProxy, write: Awaitable[Any], is_there: Callable[[], Awaitable[bool]], promise: str
) -> bool:
    """Let nothing pass while a client writes, then reset and refuse its connections; return whether it met that.

    A write that is acknowledged meanwhile must be there.
    """
    held = proxy.counts.held
    await proxy.hold()
    writing = asyncio.ensure_future(write)
    met = await until(lambda: writing.done() or proxy.counts.held > held)
    await until(writing.done, PATIENCE)
    if writing.done() and writing.exception() is None and not await is_there():
        broken(promise, "a write is acknowledged that never reached the server")
    await proxy.reset()  # what is held is gone; what connects again meanwhile is reset below
    await proxy.refuse()
    await proxy.reset()
    await load.call("a write", writing)
    return met
