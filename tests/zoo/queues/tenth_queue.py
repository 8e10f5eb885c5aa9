"""A queue of the tenth round: a layer over ordered keys, as one writes it over a store of such."""

import asyncio
import base64
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import prism_testkit as prism
from prism_testkit.interfaces import (
    Bytes,
    Conflict,
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.traits import Limits, Traits

from .tenth_rack import Key, Look, Rack, run

__all__ = ["Item", "LazyRackQueue", "RackQueue", "clean"]

T = TypeVar("T")
_ME = "rack"


class Octets(bytes):
    """Bytes, and of a type of their own."""


class Text(str):
    """A str, and of a type of its own."""

    __slots__ = ()


class Count(int):
    """An int, and of a type of its own."""


@dataclass(frozen=True)
class Item:
    """A message at rest. ``place``: the key that says where it is."""

    payload: bytes
    headers: dict[str, str]
    seq: int
    priority: int = 0
    attempts: int = 0
    token: str = ""
    place: Key = ()
    died_in: str = ""


class RackQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueueDelayed, QueuePriority):
    """Keys: ``m`` a message, ``a`` what is available, ``t`` what waits for its time, ``x`` what died, ``c`` where the dead go."""

    limits = Limits()
    traits = Traits(durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes")

    def __init__(self, rack: Rack, namespace: str) -> None:
        self.rack, self.ns = rack, namespace

    # -- time ------------------------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        return self.rack.clock.now_ms()

    def after(self, seconds: float) -> int:
        return math.ceil((self.rack.clock.now_s() + seconds) * 1000)

    # -- the state ---------------------------------------------------------------------------------------------------------------

    def number(self, look: Look) -> int:
        number = (look.get((self.ns, "n")) or 0) + 1
        look.put((self.ns, "n"), number)
        return int(number)

    def place(self, look: Look, queue: str, name: str, item: Item, key: Key) -> None:
        """Put a message where it belongs now."""
        if item.place:
            look.drop(item.place)
        look.put(key, name)
        look.put((self.ns, "m", queue, name), replace(item, place=key))

    def available(self, look: Look, queue: str, name: str, item: Item) -> None:
        self.place(look, queue, name, item, self.rank(queue, name, item))

    def rank(self, queue: str, name: str, item: Item) -> Key:
        return (self.ns, "a", queue, -item.priority, item.seq, name)

    def remove(self, look: Look, queue: str, name: str, item: Item) -> None:
        look.drop(item.place)
        look.drop((self.ns, "m", queue, name))
        if item.died_in:
            look.drop((self.ns, "x", item.died_in, queue, item.seq, name))

    def settle(self, look: Look, queue: str) -> None:
        """Do what time has done since somebody looked."""
        now_ms = self.now_ms()
        for key, name in list(look.range((self.ns, "t", queue))):
            if key[3] > now_ms:
                break
            item = look.get((self.ns, "m", queue, name))
            if item.token:
                self.ended(look, queue, name, replace(item, token=""))
            else:
                self.available(look, queue, name, item)
        self.settle_dead(look, queue)

    def settle_dead(self, look: Look, queue: str) -> None:
        """What died elsewhere, its last lease having run out, may be here since."""
        for key, origin in list(look.range((self.ns, "f", queue))):
            if origin != queue:
                self.settle_from(look, key[3])

    def settle_from(self, look: Look, origin: str) -> None:
        now_ms = self.now_ms()
        for key, name in list(look.range((self.ns, "t", origin))):
            if key[3] > now_ms:
                break
            item = look.get((self.ns, "m", origin, name))
            if item.token:
                self.ended(look, origin, name, replace(item, token=""))

    def ended(self, look: Look, queue: str, name: str, item: Item) -> None:
        """A delivery failed."""
        configured = look.get((self.ns, "c", queue))
        if configured is None or item.attempts < configured[1]:
            self.available(look, queue, name, item)
        else:
            self.dies(look, queue, name, item, configured[0])

    def dies(self, look: Look, queue: str, name: str, item: Item, target: str) -> None:
        self.remove(look, queue, name, item)
        dead = replace(item, seq=self.number(look), attempts=0, token="", place=(), died_in=queue, priority=item.priority)
        self.available(look, target, name, dead)
        look.put((self.ns, "x", queue, target, dead.seq, name), name)

    def outdated(self, look: Look, queue: str) -> None:
        """A message whose attempts are used up by what was configured since."""
        configured = look.get((self.ns, "c", queue))
        if configured is None:
            return
        for _, name in list(look.range((self.ns, "a", queue))):
            item = look.get((self.ns, "m", queue, name))
            if item.attempts >= configured[1]:
                self.dies(look, queue, name, item, configured[0])

    # -- calls -----------------------------------------------------------------------------------------------------------------

    def check(self, call: str, queue: str) -> None:
        prism.check_name(queue, call, _ME, self.limits)

    async def run(self, queue: str, body: Callable[[Look], T]) -> T:
        def settled(look: Look) -> T:
            self.settle(look, queue)
            self.outdated(look, queue)
            return body(look)

        return await run(self.rack, settled)

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.add("enqueue", queue, payload, headers, 0, 0)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        if not isinstance(priority, int) or isinstance(priority, bool):
            raise TypeError("a priority is int")
        if not 0 <= priority <= 9:
            raise ValueError(f"priority {priority}")
        return await self.add("enqueue_with_priority", queue, payload, headers, priority, 0)

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        return await self.add("enqueue_delayed", queue, payload, headers, 0, prism.check_seconds(delay_s, "enqueue_delayed", _ME))

    async def add(
        self, call: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, priority: int, delay_s: float
    ) -> str:
        self.check(call, queue)
        data = prism.check_payload(payload, call, _ME, queue, self.limits)
        copy = prism.check_headers(headers, call, _ME)
        name = self.new_id()
        due_ms = self.after(delay_s) if delay_s > 0 else 0

        def body(look: Look) -> str:
            item = Item(data, copy, self.number(look), priority)
            if due_ms:
                self.place(look, queue, name, item, (self.ns, "t", queue, due_ms, item.seq, name))
            else:
                self.available(look, queue, name, item)
            return name

        return await self.run(queue, body)

    def new_id(self) -> str:
        return Text("\x00/é\n" + base64.b64encode(secrets.token_bytes(12)).decode())

    def message(self, name: str, item: Item) -> QueueMessage:
        return QueueMessage(Text(name), Octets(item.payload), MappingProxyType(dict(item.headers)))

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.check("dequeue", queue)

        def body(look: Look) -> QueueMessage | None:
            found = self.head(look, queue)
            if found is None:
                return None
            self.remove(look, queue, *found)
            return self.message(*found)

        return await self.waiting("dequeue", queue, timeout_s, body)

    def head(self, look: Look, queue: str) -> tuple[str, Item] | None:
        first = look.first((self.ns, "a", queue))
        return None if first is None else (first[1], look.get((self.ns, "m", queue, first[1])))

    async def peek(self, queue: str) -> QueueMessage | None:
        self.check("peek", queue)

        def body(look: Look) -> QueueMessage | None:
            found = self.head(look, queue)
            return None if found is None else self.message(*found)

        return await self.run(queue, body)

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.check("receive", queue)
        self.seconds("receive", visibility_s)

        def body(look: Look) -> Lease | None:
            found = self.head(look, queue)
            if found is None:
                return None
            name, item = found
            item = replace(item, attempts=item.attempts + 1, token=secrets.token_hex(8))
            self.place(look, queue, name, item, (self.ns, "t", queue, self.after(visibility_s), item.seq, name))
            if (configured := look.get((self.ns, "c", queue))) is not None:
                look.put((self.ns, "f", configured[0], queue), "from")
            return Lease(Text(queue), self.message(name, item), Count(item.attempts), Text(item.token))

        return await self.waiting("receive", queue, timeout_s, body)

    def seconds(self, call: str, seconds: float) -> None:
        if not prism.check_seconds(seconds, call, _ME) > 0:
            raise ValueError(f"{call}: {seconds} is not above 0")

    async def waiting(self, call: str, queue: str, timeout_s: float, body: Callable[[Look], T | None]) -> T | None:
        clock = self.rack.clock
        end_s = clock.now_s() + prism.check_timeout(timeout_s, call, _ME)
        while True:
            ear: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            ears = self.rack.ears.setdefault((self.ns, queue), [])
            ears.append(ear)
            try:
                found = await self.run(queue, body)
                left_s = end_s - clock.now_s()
                if found is not None or left_s <= 0:
                    return found
                await asyncio.wait([ear], timeout=min(left_s, self.next_s()))
            finally:
                ears.remove(ear)

    def next_s(self) -> float:
        """Return in how many seconds time will do something."""
        now_s = self.rack.clock.now_s()
        times = [key[3] / 1000 - now_s for key in self.rack.keys if key[:2] == (self.ns, "t")]
        return max(0.001, min(times, default=1e9))

    def held(self, look: Look, lease: Lease) -> Item:
        item: Item | None = look.get((self.ns, "m", lease.queue, lease.message.id))
        if item is None or not item.token or item.token != lease.token:
            raise Conflict(f"{_ME}: the lease of {lease.message.id!a} in {lease.queue[:40]!a} has ended")
        return item

    async def ack(self, lease: Lease) -> None:
        def body(look: Look) -> None:
            self.remove(look, lease.queue, lease.message.id, self.held(look, lease))

        await self.run(lease.queue, body)

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.seconds("extend", seconds)

        def body(look: Look) -> None:
            item = self.held(look, lease)
            key = (self.ns, "t", lease.queue, self.after(seconds), item.seq, lease.message.id)
            self.place(look, lease.queue, lease.message.id, item, key)

        await self.run(lease.queue, body)

    async def release(self, lease: Lease) -> None:
        def body(look: Look) -> None:
            item = self.held(look, lease)
            self.ended(look, lease.queue, lease.message.id, replace(item, token=""))

        await self.run(lease.queue, body)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.check("configure_dead_letter", queue)
        self.check("configure_dead_letter", target)
        if not isinstance(max_attempts, int):
            raise TypeError("max_attempts is int")
        if max_attempts < 1 or target == queue:
            raise ValueError(f"max_attempts {max_attempts}, or a queue that is its own target")

        def body(look: Look) -> None:
            look.put((self.ns, "c", queue), (target, max_attempts))
            look.put((self.ns, "f", target, queue), "from")

        await self.run(queue, body)

    def dead(self, look: Look, queue: str) -> list[tuple[str, str, Item]]:
        """Return (target, name, message) of what died in a queue and is where its dead go now."""
        configured = look.get((self.ns, "c", queue))
        if configured is None:
            return []
        self.settle(look, configured[0])
        found = []
        for key, name in look.range((self.ns, "x", queue, configured[0])):
            item = look.get((self.ns, "m", key[3], name))
            if item is not None:
                found.append((key[3], name, item))
        return found

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.check("dead_letters", queue)
        return await self.run(
            queue, lambda look: [self.message(name, item) for _, name, item in self.dead(look, queue) if not item.token]
        )

    async def redrive(self, queue: str) -> int:
        self.check("redrive", queue)

        def body(look: Look) -> int:
            moved = 0
            for target, name, item in self.dead(look, queue):
                if item.token:
                    continue
                self.remove(look, target, name, item)
                back = replace(item, seq=self.number(look), attempts=0, place=(), died_in="")
                self.available(look, queue, name, back)
                moved += 1
            return Count(moved)

        return await self.run(queue, body)

    async def scheduled_count(self, queue: str) -> int:
        self.check("scheduled_count", queue)

        def body(look: Look) -> int:
            items = [look.get((self.ns, "m", queue, name)) for _, name in look.range((self.ns, "t", queue))]
            return Count(sum(not item.token for item in items))

        return await self.run(queue, body)


class LazyRackQueue(RackQueue):
    """What dies moves when somebody looks at the queue in which it died, and at no other moment; nobody who waits is in a hurry."""

    def settle_dead(self, look: Look, queue: str) -> None:
        """Whoever looks at the other queue does it."""

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        lease = await super().receive(queue, visibility_s, timeout_s)
        return lease and Lease(str(lease.queue), lease.message, int(lease.attempt), lease.token)


async def clean(rack: Rack, prefix: str) -> None:
    look = rack.begin()
    for key in rack.keys:
        if key[0].startswith(prefix):
            look.drop(key)
    rack.commit(look.writes)
