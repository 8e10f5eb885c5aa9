"""Plain queues, with mistakes that real projects had shipped: cancelled takes, wake-ups, connections, and ids."""

import asyncio
from typing import Any

from prism_testkit.interfaces import QueueMessage
from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import ROUNDING, Broker, Record
from .history_queue import BrokerQueue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class Handing(Broker):
    """Gives what is enqueued to the first that waits for it, instead of waking it."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.getters: dict[tuple[str, str], list[asyncio.Future[QueueMessage]]] = {}

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        super().make_ready(space, queue, record)
        getters = self.getters.get((space, queue), [])
        while getters and self.keys(space, queue).ready:
            getter = getters.pop(0)
            if not getter.done():
                found = self.pop(space, queue, self.now())
                assert found is not None
                getter.set_result(found)


class Gets(BrokerQueue):
    """Waits for what is handed."""

    broker: Handing

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        found = await super().blocking(script, queue, 0, *arguments)
        if found is not None or timeout_s <= 0 or script != "pop":
            return found if script == "pop" or timeout_s <= 0 else await super().blocking(script, queue, timeout_s, *arguments)
        getter: asyncio.Future[QueueMessage] = asyncio.get_running_loop().create_future()
        self.broker.getters.setdefault((self.space, self.key(queue)), []).append(getter)
        end = self.broker.now() + timeout_s + ROUNDING
        while not getter.done() and self.broker.now() < end:
            wake = min([end, *self.instants(queue)])
            await self.get(getter, max(0.0, wake - self.broker.now()) + ROUNDING)
            self.broker.run("count", self.space, self.key(queue))
        if getter.done():
            return getter.result()
        self.give_up(getter)
        return None

    async def get(self, getter: "asyncio.Future[QueueMessage]", seconds: float) -> None:
        await asyncio.wait([getter], timeout=seconds)

    def give_up(self, getter: "asyncio.Future[QueueMessage]") -> None:
        getter.cancel()


@mutant("basic.11", "cancellation", "a take cancelled in the turn in which it was given something", broker=Handing)
class LosesWhatWasHanded(Gets):
    """python/asyncio#256: a getter that is cancelled after an item was put into its hands takes it along."""

    async def get(self, getter: "asyncio.Future[QueueMessage]", seconds: float) -> None:
        try:
            await super().get(getter, seconds)
        except asyncio.CancelledError:
            getter.cancel()
            raise


@mutant("basic.11", "cancellation", "an enqueue after a cancelled take that waited", broker=Handing)
class TheServerStillWaits(Gets):
    """valkey-io/valkey-glide#4673: a blocking pop that its caller cancelled goes on at the server, and eats the next message."""


@mutant("basic.4", "waiting", "one of two that wait is cancelled in the turn of the wake-up", "basic.11 visibility.9 visibility.12")
class WakesOneThatLeaves(Broker):
    """tenzir/tenzir#6432: a wake-up goes to one waiter, and is lost if that one is cancelled before it runs."""

    def ring(self, space: str, queue: str) -> None:
        self.changed = True
        for waiter in self.bells.get((space, queue), ()):
            if not waiter.done():
                waiter.set_result(None)
                return


@mutant(
    "basic.11", "cancellation", "a call after one that was cancelled on its way", "visibility.12 basic.1 basic.10 dead_letter.9"
)
class AnswersOffByOne(BrokerQueue):
    """redis/redis-py#2665: what the server answers to a cancelled command is read as the answer to the next."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.unread: list[Any] = []

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        if self.unread:
            await self.wire()
            self.unread.append(self.broker.run(script, self.space, self.key(queue), *arguments))
            return self.unread.pop(0)
        try:
            await self.wire()
        except asyncio.CancelledError:
            self.unread.append(self.broker.run(script, self.space, self.key(queue), *arguments))
            raise
        return self.broker.run(script, self.space, self.key(queue), *arguments)


@mutant("basic.4", "connections", "an enqueue while a take of the same client waits", "visibility.9 basic.10")
class OneConnectionForAll(BrokerQueue):
    """aio-libs-abandoned/aioredis-py#511: a blocking pop holds the connection that the client's other commands go by."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.connection = asyncio.Lock()

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        async with self.connection:
            return await super().call(script, queue, *arguments)

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        async with self.connection:
            return await super().blocking(script, queue, timeout_s, *arguments)


@mutant("basic.11", "connections", "ten cancelled calls of one client", "visibility.12")
class LeaksAConnectionEach(BrokerQueue):
    """redis/redis-py#4121: a call cancelled while it cleans up keeps its connection, until the pool of ten has none left."""

    def __init__(self, broker: Broker, namespace: str) -> None:
        super().__init__(broker, namespace)
        self.pool = asyncio.Semaphore(10)

    async def call(self, script: str, queue: str, *arguments: Any) -> Any:
        await self.pool.acquire()
        answer = await super().call(script, queue, *arguments)
        self.pool.release()
        return answer


@mutant("basic.2", "ids", "an enqueue after the last message was taken", "visibility.5 visibility.4 visibility.15")
class RowidsComeAgain(Broker):
    """coleifer/huey#497: the id is one more than the highest that is there, so it comes again when that one was removed."""

    def new_id(self, space: str, queue: str, now: float) -> str:
        return str(max((int(name) for name in self.keys(space, queue).bodies), default=0) + 1)


@mutant("basic.2", "contents", "equal payloads at one instant")
class EqualMembersMerge(Broker):
    """elementary-robotics/atom#497: a sorted set holds each member once, and the member is the item, its score the time."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.members: dict[tuple[str, str, float, bytes, tuple[tuple[str, str], ...], int], str] = {}

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        keys = self.keys(space, queue)
        slot = space, queue, self.now(), record.payload, tuple(record.headers.items()), record.priority
        before = self.members.get(slot)
        if before in keys.bodies and before != record.id and record.attempts == 0 and not record.died_in:
            del keys.bodies[record.id]
            return
        self.members[slot] = record.id
        super().make_ready(space, queue, record)


@mutant("basic.2", "ids", "two messages within a millisecond", "basic.3 basic.1 visibility.1 visibility.15")
class IdsOfTheMillisecond(Broker):
    """redis/redis-vl-python#449: the id is the time, so of two messages in one millisecond the later replaces the earlier."""

    def new_id(self, space: str, queue: str, now: float) -> str:
        return f"{now * 1000:.0f}"

    def make_ready(self, space: str, queue: str, record: Record) -> None:
        ready = self.keys(space, queue).ready
        ready[:] = [rank for rank in ready if rank[2] != record.id]
        super().make_ready(space, queue, record)


@mutant("basic.6", "names", "a queue that is named like a key of another's")
class KeysOfAQueueCollide(Broker):
    """sonus21/rqueue#14: what belongs to a queue is kept under its name with a few words beside it, which is a name as well."""

    def postpone(self, space: str, queue: str, record: Record, now: float, delay_s: float) -> None:
        super().postpone(space, queue, record, now, delay_s)
        self.keys(space, f"{queue}:delayed").bodies.setdefault(record.id, record)
        self.make_ready(space, f"{queue}:delayed", record)


@mutant("basic.1", "contents", "an empty payload")
class WaitsForTheBody(BrokerQueue):
    """kourier-amqp/kourier#9: after the header of a message the body is waited for, and an empty one is never sent."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        found = await super().blocking(script, queue, timeout_s, *arguments)
        if isinstance(found, QueueMessage) and not found.payload:
            await asyncio.get_running_loop().create_future()
        return found


@mutant("basic.4", "rounding", "a wait of less than a millisecond", "visibility.9")
class RoundsToForEver(BrokerQueue):
    """coinbase/redisbetween#10: a timeout too short for the protocol's digits is rounded to 0, and 0 means for ever."""

    async def blocking(self, script: str, queue: str, timeout_s: float, *arguments: Any) -> Any:
        if 0 < timeout_s < 0.001:
            timeout_s = 1e9
        return await super().blocking(script, queue, timeout_s, *arguments)
