"""Mutants of `QueueBasic` that need a second client, a second namespace, a race or a cancellation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from prism_testkit.backend import Place
from prism_testkit.interfaces import BackendUnavailable, Bytes, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Changes, Config, Row, Store

__all__ = ["MUTANTS"]

T = TypeVar("T")

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.9: namespaces

_OTHERS = "basic.2 basic.4 basic.10 visibility.15 dead_letter.10 delayed.2"


async def _clean_all(store: Store, prefix: str) -> None:
    store.clean("")


@mutant("basic.9", "scope", trap="two namespaces", also=_OTHERS, clean=_clean_all)
class IgnoresNamespace(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, "all")


@mutant("basic.9", "truncation", trap="two namespaces of one run", also=_OTHERS, clean=_clean_all)
class CutsNamespaceAt20(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace[:20])


@mutant("basic.9", "missing condition", trap="an empty queue here, one of the same name elsewhere", also=_OTHERS)
class StealsWhenEmpty(Queue):
    """Takes from a queue of that name in any namespace when its own is empty."""

    def first(self, queue: str) -> Row | None:
        found = super().first(queue)
        for namespace in () if found else list(self.store.spaces):
            other = Queue(self.store, namespace)
            row = other.first(queue)
            if row is not None and namespace != self.namespace:
                other.remove(row)
                self.put(row)
                return row
        return found


@mutant("basic.9", "stale cache", trap="a queue of one name peeked in two namespaces", also=_OTHERS + " basic.5")
class PeekCacheForAllNamespaces(Queue):
    """A look is kept until the next change of anything, under the queue's name alone."""

    def shown(self, queue: str) -> Row | None:
        found: Row | None = self.store.notes.setdefault(queue, super().shown(queue))
        return found

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.store.notes.clear()


@mutant("basic.9", "missing condition", trap="two namespaces with delayed messages", also="delayed.2")
class CountsScheduledEverywhere(Queue):
    def scheduled(self, queue: str) -> int:
        return sum(
            super(CountsScheduledEverywhere, type(self)(self.store, name)).scheduled(queue) for name in list(self.store.spaces)
        )


@mutant(
    "basic.9", "missing condition", trap="one queue name in two namespaces, configured in one", also="dead_letter.10 dead_letter.6"
)
class ConfiguresEveryNamespace(Queue):
    """The table of configurations has no column for the namespace."""

    def config(self, queue: str) -> Config | None:
        return self.store.notes.get(("config", queue))

    def apply(self, changes: Changes) -> None:
        for (queue, _), thing in changes.items():
            if isinstance(thing, Config):
                self.store.notes["config", queue] = thing
        super().apply(changes)


@mutant("basic.9", "over-reach", trap="one of two namespaces is cleaned", also=_OTHERS, clean=_clean_all)
class CleansEveryNamespace(Queue):
    """FLUSHALL."""


# basic.10: clients


@asynccontextmanager
async def _connect_alone(place: Place) -> AsyncIterator[Store]:
    yield Store(place)


_TWO = "basic.2 basic.3 basic.4 basic.9 visibility.15 visibility.8 visibility.9 dead_letter.6 visibility.2"


@mutant("basic.10", "scope", trap="two connections", also=_TWO, connect=_connect_alone)
class PrivateStorePerConnection(Queue):
    """Each connection has queues of its own."""


@mutant(
    "basic.10", "prefetch", trap="two clients take from one queue in turn", also="basic.3 basic.2 basic.5 visibility.1 basic.12"
)
class PrefetchesTen(Queue):
    """A take brings up to ten messages, which this client gives one by one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.fetched: dict[str, list[Row]] = {}

    def pop(self, row: Row) -> QueueMessage:
        self.fetched[row.queue] = [other for other in self.rows(row.queue) if self.available(other)][:10]
        for other in self.fetched[row.queue]:
            self.remove(other)
        return self.message(self.fetched[row.queue].pop(0))

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, _ = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        if self.fetched.get(name):
            return self.message(self.fetched[name].pop(0))
        return await super().dequeue(queue, timeout_s)


@mutant("basic.10", "negative cache", trap="two clients; a queue found empty before the other one enqueues", also="basic.4 basic.9")
class RemembersEmptyQueues(Queue):
    """A client does not ask again, for a second, what was empty, until it enqueues itself."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.empty: dict[str, float] = {}

    def first(self, queue: str) -> Row | None:
        if not self.over(self.empty.get(queue, 0.0)):
            return None
        found = super().first(queue)
        if found is None:
            self.empty[queue] = self.after(1)
        return found

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for queue, _ in changes:
            self.empty.pop(queue, None)


@mutant("basic.10", "write behind", trap="another client takes right after an enqueue", also="basic.3 basic.4 basic.2")
class EnqueueIsSentLater(Queue):
    """The message is sent in the background; for the sender itself what is on its way is sent at once."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.held: list[Row] = []

    def insert(self, row: Row) -> str:
        self.flush()
        self.held.append(row)
        asyncio.get_running_loop().call_later(0.05, self.flush)
        return row.id

    def flush(self) -> None:
        held, self.held = self.held, []
        self.put(*held)

    def rows(self, queue: str) -> list[Row]:
        if self.held:
            self.flush()
        return super().rows(queue)


@mutant("basic.10", "race", trap="two takes at once", also="basic.2 visibility.8")
class LooksThenDeletes(Queue):
    """Two statements."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, timeout = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        row = await self.take(name, timeout, lambda row: row)
        if row is None:
            return None
        await step()
        return self.pop(row)


@mutant("basic.10", "race", trap="two enqueues at once", also="basic.2 basic.3 basic.5")
class ReadsAndWritesTheTail(Queue):
    """The place is read before an await and written after it, and no two rows can have the same one."""

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name = self.name(queue, "enqueue")
        data, labels = self.data(payload, "enqueue", queue), self.labels(headers, "enqueue")
        place = max((row.place for row in self.rows(name)), default=self.serial()) + 1
        await step()
        for row in self.rows(name):
            if row.place == place and not row.token:
                self.remove(row)
        return self.insert(Row(name, self.new_id(name), data, labels, place))


@mutant("basic.10", "snapshot", trap="two clients, each of which has made a call", also=_TWO + " basic.5 delayed.2")
class ReadsSnapshotOfTheLastSecond(Queue):
    """A replica that lags a second behind, for looks alone."""

    def shown(self, queue: str) -> Row | None:
        slot = self.namespace, queue, "look"
        when, _ = self.store.notes.get(slot, (0.0, None))
        if self.over(when):
            self.store.notes[slot] = self.after(1), super().shown(queue)
        return self.store.notes[slot][1]  # type: ignore[no-any-return]


# basic.11: cancellation


@mutant("basic.11", "lost on cancel", trap="a take cancelled when it has taken", also="basic.2")
class AwaitsAfterTheTake(Queue):
    """The answer is on its way."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        found = await super().dequeue(queue, timeout_s)
        if found is not None:
            await step(2)
        return found


@mutant(
    "basic.11", "lost on cancel", trap="a waiting take cancelled in the step in which its message comes", also="basic.2 basic.4"
)
class HandsToTheWaiter(Queue):
    """A message goes straight to the first take that waits for it; a take that is cancelled takes its message along."""

    def insert(self, row: Row) -> str:
        hands: list[asyncio.Future[QueueMessage]] = self.store.notes.get((self.namespace, row.queue), [])
        while hands and not row.due:
            hand = hands.pop(0)
            if not hand.done():
                hand.set_result(self.message(row))
                return row.id
        return super().insert(row)

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        found = await super().dequeue(queue)
        timeout = self.timeout(timeout_s, "dequeue")
        if found is not None or not timeout:
            return found
        hand: asyncio.Future[QueueMessage] = asyncio.get_running_loop().create_future()
        self.store.notes.setdefault((self.namespace, self.name(queue, "dequeue")), []).append(hand)
        await asyncio.wait([hand], timeout=timeout + 1e-6)
        if hand.done():
            await step()
            return hand.result()
        hand.cancel()
        return await super().dequeue(queue)


@mutant("basic.11", "wrong place", trap="a take cancelled when it has taken; two messages", also="basic.3 basic.2")
class PutsBackAtTheTail(Queue):
    """Undoes a cancelled take, at the wrong end."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        name, timeout = self.name(queue, "dequeue"), self.timeout(timeout_s, "dequeue")
        row = await self.take(name, timeout, self.pulled)
        try:
            await step()
        except asyncio.CancelledError:
            if row is not None:
                self.put(replace(row, place=self.serial()))
            raise
        return None if row is None else self.message(row)

    def pulled(self, row: Row) -> Row:
        self.remove(row)
        return row


@mutant("basic.11", "partial effect", trap="an enqueue cancelled between its two writes", also="basic.1 basic.10 basic.2")
class EnqueuesInTwoSteps(Queue):
    """The row first, with nothing in it; then what it holds."""

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        name = self.name(queue, "enqueue")
        data, labels = self.data(payload, "enqueue", queue), self.labels(headers, "enqueue")
        row = Row(name, self.new_id(name), b"", {}, self.serial(), token="being written", until=self.after(1))
        self.put(row)
        await step()
        self.put(replace(row, payload=data, headers=labels, token="", until=0.0))
        return row.id


@mutant("basic.11", "unusable driver", trap="any call after a cancelled one", also="visibility.12 dead_letter.9")
class ConnectionStaysBusy(Queue):
    """A flag that is not taken back when a call is cancelled."""

    busy = False

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        if self.busy and timeout_s <= 0:
            raise BackendUnavailable("zoo: the connection is busy")
        self.busy = timeout_s > 0
        found = await super().take(queue, timeout_s, how)
        self.busy = False
        return found


@mutant(
    "basic.11",
    "late effect",
    trap="a waiting take is cancelled, then a message comes",
    also="basic.2 basic.10 basic.4 visibility.12",
)
class CancelledTakeGoesOn(Queue):
    """The take is a task of its own, shielded from the caller."""

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        if timeout_s <= 0:
            return await super().take(queue, timeout_s, how)
        return await asyncio.shield(asyncio.ensure_future(super().take(queue, timeout_s, how)))


@mutant(
    "basic.11", "late effect", trap="a take times out in the instant in which a message comes", also="basic.2 basic.4 visibility.12"
)
class TimedOutTakeTakes(Queue):
    """After the time has run out a last take is made, and its answer not looked at."""

    async def take(self, queue: str, timeout_s: float, how: Callable[[Row], T]) -> T | None:
        found = await super().take(queue, timeout_s, how)
        if found is None and timeout_s > 0:
            task = asyncio.ensure_future(super().take(queue, 0.5, how))
            self.store.notes.setdefault("tasks", []).append(task)
        return found
