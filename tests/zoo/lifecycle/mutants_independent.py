"""Mistakes of the lifecycle by scopes."""

import asyncio

import prism_testkit as prism
from prism_testkit.interfaces import Conflict, Drained, Health, QueueMessage
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family

from .declare import HOME
from .independent_scopes import Call, Pairs, Room, Session, Waiting, scoped

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="lifecycle.", make=scoped, home=HOME)


@mutant("3", "wrong count", trap="a call in hand ends with an error while it is drained")
class ErrorsAreCountedAsAborted(Pairs):
    """A call that ends with an error of its own counts as aborted."""

    async def commit(self, session: Session) -> None:
        session.check("commit")
        async with self.call("commit", begun=True) as call:
            await asyncio.sleep(0)
            if not session.fits():
                call.aborted = True
                raise Conflict("scoped: commit: what was read has changed")
            for key, value in session.writes.items():
                self.put(key, value)


@mutant("3", "wrong time", trap="a second drain of a shorter time while the first waits")
class DrainsShareTheFirstOnesTime(Waiting):
    """A further drain waits for the one that goes on, whatever time it has itself."""

    draining: "asyncio.Task[Drained] | None" = None

    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = prism.check_timeout(timeout_s, "drain", "scoped")
        if self.draining is None or self.draining.done():
            self.draining = asyncio.ensure_future(super().drain(timeout_s))
        return await asyncio.shield(self.draining)


@mutant("3", "wrong time", trap="two calls in hand")
class EachCallHasTheWholeTime(Waiting):
    """The time of a drain is given to one call after another."""

    async def wait(self, calls: list[Call], timeout_s: float) -> None:
        for call in calls:
            await super().wait([call], timeout_s)


@mutant("2", "nothing done", trap="the first close is cancelled")
class ClosesOnce(Waiting):
    """A close that was cancelled counts as done: the next one returns at once."""

    async def close(self) -> None:
        if self.gate == "closed":
            return
        self.gate = "closed"
        await asyncio.sleep(0)
        await self.abort([*self.calls])
        await self.end()


@mutant("1", "task left", trap="open is cancelled")
class OpenLeavesItsPulse(Waiting):
    """What an open that was cancelled had begun goes on, and the next one begins another."""

    async def open(self) -> None:
        if self.gate in ("new",):
            await self.begin()
            self.gate = "open"
        else:
            await super().open()


@mutant("4", "waits", trap="health is asked while a drain waits")
class HealthWaitsForADrainInHand(Waiting):
    """Health is told once a drain that goes on has ended."""

    async def drain(self, timeout_s: float) -> Drained:
        async with self.turn:
            return await super().drain(timeout_s)

    async def health(self) -> Health:
        async with self.turn:
            return await super().health()


@mutant("3", "wrong count", trap="a transaction is open, and nobody calls")
class TransactionsCountWhileTheyAreEntered(Pairs):
    """A transaction counts as a call for as long as it is entered."""

    def in_hand(self) -> list[Call]:
        calls = super().in_hand()
        for _ in self.sessions:
            idle = Call()
            idle.ended.set()
            calls.append(idle)
        return calls


@mutant("2", "wrong scope", trap="another driver of the namespace has a call in hand")
class CloseEndsTheWholeRoom(Waiting):
    """The calls in hand are kept with the namespace, so a close ends those of other drivers too."""

    def __init__(self, rooms: dict[str, Room], namespace: str) -> None:
        super().__init__(rooms, namespace)
        self.calls = self.room.__dict__.setdefault("calls", set())


@mutant("3", "lost message", also="2", trap="a take is aborted when it has its message")
class AbortedTakesLoseTheirMessage(Waiting):
    """A message is taken, then it is looked at how it goes; aborted in between, it is lost."""

    async def take(self, queue: str, timeout_s: float) -> QueueMessage | None:
        message = await super().take(queue, timeout_s)
        if message is not None and self.gate == "draining":
            await asyncio.sleep(0.1)
        return message


@mutant("3", "half done", also="2", trap="a commit of two writes is aborted")
class AbortedCommitsAreHalfDone(Pairs):
    """Writes take effect one after another, with a step between them."""

    async def commit(self, session: Session) -> None:
        session.check("commit")
        async with self.call("commit", begun=True):
            if not session.fits():
                raise Conflict("scoped: commit: what was read has changed")
            for key, value in session.writes.items():
                self.put(key, value)
                await asyncio.sleep(0)


@mutant("3", "effect before the check", trap="drain(nan)")
class RefusedDrainsHaveBegun(Waiting):
    """The gate is shut before the time is looked at."""

    async def drain(self, timeout_s: float) -> Drained:
        if self.gate != "closed":
            self.gate = "draining"
        return await super().drain(timeout_s)


@mutant("3", "wrong count", trap="a transaction is committed between two drains")
class CommitsAfterADrainAreCounted(Pairs):
    """What was finished after a drain began is counted by every later one."""

    def told(self, calls: list[Call]) -> Drained:
        told = super().told(calls)
        return Drained(told.completed + self.finished, told.aborted)

    finished = 0

    async def commit(self, session: Session) -> None:
        await super().commit(session)
        if self.gate == "draining":
            self.finished += 1
