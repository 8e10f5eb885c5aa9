"""Mutants of the rack and of the queue over it."""

import asyncio
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from prism_testkit.interfaces import Bytes, Conflict, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_tenth import declaring
from .tenth_queue import Item, RackQueue
from .tenth_rack import Key, Look, Rack

__all__ = ["MUTANTS"]

T = TypeVar("T")
MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.5", "no settling", trap="a look when a delay or a lease is just over", also="delayed.1 visibility.3 visibility.9")
class PeeksAtWhatWas(RackQueue):
    async def peek(self, queue: str) -> QueueMessage | None:
        self.check("peek", queue)
        found = self.head(self.rack.begin(), queue)
        return None if found is None else self.message(*found)


@mutant("basic.3", "order as text", trap="more than 999 messages of one namespace", also="basic.10 visibility.1 priority.1")
class OrdersAsTextOfThreeDigits(RackQueue):
    def rank(self, queue: str, name: str, item: Item) -> Key:
        return (self.ns, "a", queue, -item.priority, f"{item.seq:03d}", name)


@mutant(
    "basic.11",
    "await behind the take",
    trap="a dequeue that waited, cancelled when it has its message",
    also="basic.2 visibility.12",
)
class BooksAfterTheTake(RackQueue):
    async def waiting(self, call: str, queue: str, timeout_s: float, body: Callable[[Look], T | None]) -> T | None:
        found = await super().waiting(call, queue, 0, body)
        if found is not None or timeout_s <= 0:
            return found
        found = await super().waiting(call, queue, timeout_s, body)
        await asyncio.sleep(0)
        return found


@mutant(
    "basic.4", "lost wake-up", trap="two that wait, one of which is cancelled when it was rung for", also="visibility.9 basic.11"
)
class RingsForOne(Rack):
    def commit(self, writes: dict[Key, Any]) -> None:
        if writes:
            self.apply(writes)
            self.log.append(writes)
            for key in writes:
                if key[1] == "a" and writes[key] is not None:
                    for ear in self.ears.get((key[0], key[2]), []):
                        if not ear.done():
                            ear.set_result(None)
                            break


@mutant(
    "delayed.5", "lost wake-up", trap="a message delayed, or a lease shortened, while somebody waits already", also="visibility.9"
)
class RingsForWhatIsAvailable(Rack):
    def commit(self, writes: dict[Key, Any]) -> None:
        if any(key[1] == "a" and value is not None for key, value in writes.items()):
            super().commit(writes)
        elif writes:
            self.apply(writes)
            self.log.append(writes)


@mutant(
    "visibility.5", "weak token", trap="a lease from before its message died and was redriven", also="visibility.4 dead_letter.5"
)
class FencesByTheAttempt(RackQueue):
    def held(self, look: Look, lease: Lease) -> Item:
        item: Item | None = look.get((self.ns, "m", lease.queue, lease.message.id))
        if item is None or not item.token or item.attempts != lease.attempt:
            raise Conflict("the lease has ended")
        return item


@mutant("delayed.1", "single precision", trap="a long delay that is no whole number of seconds", also="delayed.2")
class DelaysInSinglePrecision(RackQueue):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        return await super().enqueue_delayed(queue, payload, headers, delay_s=struct.unpack("f", struct.pack("f", delay_s))[0])


@mutant("priority.1", "order", trap="a plain message behind one of priority 0")
class PlainComesBeforeZero(RackQueue):
    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        name = await super().enqueue_with_priority(queue, payload, headers, priority=priority)

        def body(look: Look) -> None:
            item = look.get((self.ns, "m", queue, name))
            if item is not None and item.place[1] == "a":
                self.place(look, queue, name, item, (*item.place[:4], item.seq + 1_000_000, name))

        if priority == 0:
            await self.run(queue, body)
        return name


@mutant("dead_letter.6", "only what is there", trap="attempts lowered while a message is leased", also="dead_letter.1")
class LowersForWhatIsFree(RackQueue):
    def ended(self, look: Look, queue: str, name: str, item: Item) -> None:
        configured = look.get((self.ns, "c", queue))
        if configured is None or item.attempts != configured[1]:
            self.available(look, queue, name, item)
        else:
            self.dies(look, queue, name, item, configured[0])

    def outdated(self, look: Look, queue: str) -> None:
        """A delivery that failed was looked at when it did."""


@mutant(
    "dead_letter.4", "never forgotten", trap="a message that dies, is redriven, and dies again", also="dead_letter.3 dead_letter.5"
)
class ForgetsNoDeath(RackQueue):
    def remove(self, look: Look, queue: str, name: str, item: Item) -> None:
        look.drop(item.place)
        look.drop((self.ns, "m", queue, name))


@mutant("dead_letter.5", "count", trap="a dead message that somebody holds in the target")
class CountsWhatIsLeased(RackQueue):
    async def redrive(self, queue: str) -> int:
        held = await self.run(queue, lambda look: sum(bool(item.token) for _, _, item in self.dead(look, queue)))
        return held + await super().redrive(queue)


@mutant("dead_letter.4", "reset", trap="another target and the first one again", also="dead_letter.6 dead_letter.5")
class AnotherTargetForgetsTheDead(RackQueue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        def body(look: Look) -> None:
            before = look.get((self.ns, "c", queue))
            if before is not None and before[0] != target:
                for key, _ in list(look.range((self.ns, "x", queue))):
                    look.drop(key)

        if queue and target != queue and max_attempts > 0:
            await self.run(queue, body)
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant("delayed.2", "counts too much", trap="a count beside an open lease")
class CountsLeasesToo(RackQueue):
    async def scheduled_count(self, queue: str) -> int:
        self.check("scheduled_count", queue)
        return await self.run(queue, lambda look: sum(1 for _ in look.range((self.ns, "t", queue))))


@mutant("basic.12", "not kept", trap="a kill, and an enqueue into what is left", also="basic.3 visibility.13")
class NumbersBeginAgain(Rack):
    def commit(self, writes: dict[Key, Any]) -> None:
        if writes:
            self.apply(writes)
            self.log.append({key: value for key, value in writes.items() if key[1] != "n"})
            for ears in self.ears.values():
                for ear in ears:
                    if not ear.done():
                        ear.set_result(None)


@mutant("basic.10", "gives up", trap="four calls at once that were first each time", also="basic.2 visibility.2 visibility.8")
class CommitsBlindlyAtLast(RackQueue):
    async def run(self, queue: str, body: Callable[[Look], T]) -> T:
        for tries in range(4):
            look = self.rack.begin()
            self.settle(look, queue)
            self.outdated(look, queue)
            answer = body(look)
            await look.steps()
            if look.holds() or tries == 3:
                self.rack.commit(look.writes)
                return answer
        raise AssertionError


@mutant(
    "visibility.6",
    "clock of the receive",
    trap="a lease extended twice, the second time for less",
    also="visibility.3 visibility.2",
)
class ExtendsFromTheOldDeadline(RackQueue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        def body(look: Look) -> bool:
            item = self.held(look, lease)
            first = (self.ns, "e", lease.token)
            again = look.get(first)
            look.put(first, True)
            if again:
                due_ms = max(item.place[3], self.after(seconds))
                key = (self.ns, "t", lease.queue, due_ms, item.seq, lease.message.id)
                self.place(look, lease.queue, lease.message.id, item, key)
            return bool(again)

        self.seconds("extend", seconds)
        if not await self.run(lease.queue, body):
            await super().extend(lease, seconds)


@mutant("visibility.7", "attempt", trap="a lease released in the instant of its receive", also="dead_letter.1 visibility.3")
class QuickReleasesCountNothing(RackQueue):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s, timeout_s)
        if lease is not None:
            self.__dict__.setdefault("since", {})[lease.token] = self.now_ms()
        return lease

    async def release(self, lease: Lease) -> None:
        def body(look: Look) -> None:
            item = self.held(look, lease)
            quick = self.__dict__.get("since", {}).get(lease.token) == self.now_ms() and item.attempts > 2
            self.ended(look, lease.queue, lease.message.id, replace(item, token="", attempts=item.attempts - quick))

        await self.run(lease.queue, body)


@mutant(
    "dead_letter.3",
    "chain",
    trap="a message that dies in the target of another queue, and is redriven there",
    also="dead_letter.4 dead_letter.5",
)
class DeathsAreByTheFirstQueue(RackQueue):
    def dies(self, look: Look, queue: str, name: str, item: Item, target: str) -> None:
        super().dies(look, queue, name, replace(item, died_in=""), target)
        if item.died_in:
            moved = look.get((self.ns, "m", target, name))
            look.put((self.ns, "x", item.died_in, target, moved.seq, name), name)
            look.drop((self.ns, "x", queue, target, moved.seq, name))
            look.put((self.ns, "m", target, name), replace(moved, died_in=item.died_in))


@mutant(
    "visibility.11",
    "collision",
    trap="the same lease deadline of two messages, one extended to it",
    also="visibility.3 visibility.6 basic.2",
)
class OneLeaseAnInstant(RackQueue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        self.seconds("extend", seconds)

        def body(look: Look) -> None:
            item = self.held(look, lease)
            key = (self.ns, "t", lease.queue, self.after(seconds), 0, "")
            self.place(look, lease.queue, lease.message.id, item, key)

        await self.run(lease.queue, body)


@mutant("priority.3", "lost on the way", trap="a message that comes again by its deadline, behind a redrive or an extend")
class ExtendedOnesLoseTheirPriority(RackQueue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)

        def body(look: Look) -> None:
            item = self.held(look, lease)
            look.put((self.ns, "m", lease.queue, lease.message.id), replace(item, priority=0))

        await self.run(lease.queue, body)
