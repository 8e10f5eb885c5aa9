"""Clients at work over a network that fails: the faults, each with a proof that it took effect, and what calls may raise."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.interfaces import BackendUnavailable, Conflict, OperationTimeout
from prism_testkit.private import PrivateServer, ToldProxy

__all__ = ["FAULTS", "AnswersLost", "Load", "alongside", "passes", "pause_and_restart", "strike", "until"]

Step = Callable[[int, int], Awaitable[bool]]
"""(number of the client, number of the step) -> whether the call was answered."""

_TRIES = 200
"""How often a client tries anew until a network that is whole again counts as not coming back to it."""
_BETWEEN_S = 0.02
_PACE_S = 0.001
"""Between the calls of a client: what it does while another waits is to stay little enough to be judged."""
_LOOKS = 2000
_LOOK_S = 0.002
_MIDST = 12
"""So many calls are answered before a fault, so that it comes in the midst of them."""
_DELAY_S = 0.005


async def until(condition: Callable[[], bool]) -> bool:
    """Wait for what nobody announces; False if it does not come."""
    for _ in range(_LOOKS):
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
            if missed > _TRIES:
                sentence = "the network is whole again, and a driver from before the fault still fails"
                broken(self.promise, sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")
            await asyncio.sleep(_PACE_S if answered else _BETWEEN_S)

    async def midst(self) -> bool:
        """Wait until every client was answered in this turn, and some calls more."""
        answers = self.answers
        return await until(lambda: self.answers >= answers + _MIDST and set(self.reached.values()) == {self.turn})

    def next_turn(self) -> None:
        """The fault is over."""
        self.turn += 1
        self.is_calm = True


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens to a network; ``happens`` does it and returns whether it took effect."""

    name: str
    happens: Callable[[ToldProxy, Load], Awaitable[bool]]


async def _reset(proxy: ToldProxy, load: Load) -> bool:
    """Reset all connections while an answer is on its way."""
    held = proxy.counts.held
    await proxy.hold("down")
    there = await until(lambda: proxy.counts.held > held)
    return await proxy.reset() > 0 and there


async def _lose_answer(proxy: ToldProxy, load: Load) -> bool:
    lost = proxy.counts.lost_answers
    await proxy.lose_answer()
    return await until(lambda: proxy.counts.lost_answers > lost)


def _cut(size: int, direction: Any) -> Callable[[ToldProxy, Load], Awaitable[bool]]:
    async def cut(proxy: ToldProxy, load: Load) -> bool:
        before = proxy.counts.cut
        await proxy.cut_after(size, direction)
        return await until(lambda: proxy.counts.cut > before)

    return cut


async def _drop(proxy: ToldProxy, load: Load) -> bool:
    """Swallow what every client says, then reset its connection."""
    dropped = proxy.counts.dropped
    await proxy.drop()
    return await until(lambda: proxy.counts.dropped > dropped)


def _half_close(direction: Any) -> Callable[[ToldProxy, Load], Awaitable[bool]]:
    async def half_close(proxy: ToldProxy, load: Load) -> bool:
        before, misses = proxy.counts, load.misses
        closed = await proxy.half_close(direction)
        # It is noticed by who reads, who connects again, or who sends and is not answered.
        noticed = lambda: (  # noqa: E731  the counts change while it waits
            (proxy.counts.connections, proxy.counts.dropped, load.misses) != (before.connections, before.dropped, misses)
        )
        return await until(noticed) and closed > 0

    return half_close


async def _delay(proxy: ToldProxy, load: Load) -> bool:
    delayed = proxy.counts.delayed
    await proxy.delay(_DELAY_S)
    return await until(lambda: proxy.counts.delayed >= delayed + 2 * _MIDST)


async def _hold(proxy: ToldProxy, load: Load) -> bool:
    """Keep all back for a while, as a network does that drops packets and sends them again."""
    held = proxy.counts.held
    await proxy.hold()
    return await until(lambda: proxy.counts.held > held)


async def _refuse(proxy: ToldProxy, load: Load) -> bool:
    """End all connections and take no new ones."""
    refused = proxy.counts.refused
    await proxy.refuse()
    return await proxy.reset() > 0 and await until(lambda: proxy.counts.refused > refused)


FAULTS = (
    Fault("a reset with an answer on its way", _reset),
    Fault("a lost answer", _lose_answer),
    Fault("a request cut in two", _cut(20, "up")),
    Fault("an answer cut in two", _cut(2, "down")),
    Fault("nothing passes, then a reset", _drop),
    Fault("an end of what the server says", _half_close("down")),
    Fault("an end of what clients say", _half_close("up")),
    Fault("a delay", _delay),
    Fault("nothing passes, then all does", _hold),
    Fault("no new connection", _refuse),
    Fault("a second lost answer", _lose_answer),
)


async def strike(private: PrivateServer, load: Load, faults: Sequence[Fault] = FAULTS) -> list[str]:
    """Let one fault after another happen to clients at work, and each of them recover; return those that took no effect."""
    idle: list[str] = []
    proxy = private.proxy
    for fault in faults:
        took = await load.midst()
        load.is_calm = False
        took = await fault.happens(proxy, load) and took
        await proxy.pass_on()
        load.next_turn()
        if not took:
            idle.append(fault.name)
    await load.midst()
    load.is_over = True
    return idle


async def pause_and_restart(private: PrivateServer, load: Load, *, restarts: bool) -> list[str]:
    """Pause the server while every client is at work, let it go on, then restart it; return what took no effect."""
    idle: list[str] = []
    for _ in range(2):
        await load.midst()
        load.is_calm = False
        if not (await private.pause() and await until(lambda: load.under_way == len(load.reached))):
            idle.append("the pause")
        await private.resume()
        load.next_turn()
    if restarts:
        await load.midst()
        load.is_calm = False
        misses = load.misses
        await private.restart()
        load.next_turn()
        await load.midst()
        if load.misses == misses:
            idle.append("the restart")
    await load.midst()
    load.is_over = True
    return idle


async def passes(case: Case, private: PrivateServer, call: Callable[[], Awaitable[Any]]) -> None:
    """Give up unless calls go through the proxy: a server may tell its clients an address that leads past it."""
    await call()
    before = private.proxy.counts.requests
    await call()
    if private.proxy.counts.requests == before:
        case.inconclusive("calls do not pass the proxy: the server tells its clients another address")


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
