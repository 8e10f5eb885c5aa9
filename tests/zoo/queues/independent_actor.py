"""Queues of one actor: a task that owns all boxes, reads letters one after another, and answers them.

What a take is given is its own once it has said so; until then the actor does nothing else. So a take that is cancelled in between
has taken nothing, and nobody has seen the order without it.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

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
from prism_testkit.traits import Traits

from .independent_rules import Draft, Rules

__all__ = ["Actor", "ActorQueue", "Box", "Item", "Letter", "connector"]

MARGIN_S = 2e-6


@dataclass(eq=False, slots=True)
class Item:
    """A message in a box."""

    message: QueueMessage
    rank: int
    place: int
    due: float = 0.0
    attempts: int = 0
    token: int = 0
    until: float = 0.0
    origin: "Box | None" = None
    death: int = 0
    alive: bool = True

    def copy(self) -> QueueMessage:
        """Return a message whose headers are the caller's own."""
        return QueueMessage(self.message.id, self.message.payload, dict(self.message.headers))


@dataclass(eq=False)
class Letter:
    """A call: what is to be done, or which box is to give something and how long there is time."""

    answer: "asyncio.Future[Any]"
    work: Callable[[], Any] | None = None
    end: float = 0.0
    seconds: float | None = None
    kept: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(eq=False)
class Box:
    """One queue. The heaps may hold what is no longer so: each entry is compared with its item when it comes up."""

    name: str
    ready: list[tuple[int, int, Item]] = field(default_factory=list)
    delayed: list[tuple[float, int, Item]] = field(default_factory=list)
    lent: list[tuple[float, int, Item]] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    parked: deque[Letter] = field(default_factory=deque)
    target: "Box | None" = None
    most: int = 0
    serial: int = 0


class Actor:
    """The owner of all boxes of a place."""

    def __init__(self, place: prism.Place) -> None:
        self.clock = place.clock
        self.boxes: dict[tuple[str, str], Box] = {}
        self.letters: deque[tuple[Box, Letter]] = deque()
        self.bell = asyncio.Event()
        self.users = 0
        self.task: asyncio.Task[None] | None = None
        self.count = 0

    def box(self, namespace: str, name: str) -> Box:
        return self.boxes.setdefault((namespace, name), Box(name))

    def serial(self) -> int:
        self.count += 1
        return self.count

    def begin(self) -> None:
        self.users += 1
        if self.task is None:
            self.bell = asyncio.Event()
            self.task = asyncio.ensure_future(self.run())

    async def end(self) -> None:
        self.users -= 1
        if self.users == 0 and self.task is not None:
            task, self.task = self.task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.letters.clear()

    def post(self, box: Box, letter: Letter) -> None:
        self.letters.append((box, letter))
        self.bell.set()

    async def run(self) -> None:
        while True:
            for box in [*self.boxes.values()]:
                self.tick(box)
                await self.serve(box)
            if self.letters:
                box, letter = self.letters.popleft()
                if not letter.answer.done():
                    self.read(box, letter)
                continue
            self.bell.clear()
            try:
                async with asyncio.timeout(self.pause()):
                    await self.bell.wait()
            except TimeoutError:
                continue

    def pause(self) -> float | None:
        """Return how long nothing happens unless somebody writes."""
        ends = [heap[0][0] for box in self.boxes.values() for heap in (box.delayed, box.lent) if heap]
        ends += [letter.end for box in self.boxes.values() for letter in box.parked]
        return max(0.0, min(ends) - self.clock.now_s()) + MARGIN_S if ends else None

    def read(self, box: Box, letter: Letter) -> None:
        if letter.work is None:
            box.parked.append(letter)
            return
        try:
            self.tick(box)
            letter.answer.set_result(letter.work())
        except Exception as error:
            letter.answer.set_exception(error)

    def tick(self, box: Box) -> None:
        """Do what time has done."""
        now = self.clock.now_s()
        while box.delayed and box.delayed[0][0] <= now:
            _, _, item = heapq.heappop(box.delayed)
            self.make_ready(box, item)
        while box.lent and box.lent[0][0] <= now:
            until, token, item = heapq.heappop(box.lent)
            if item.alive and (item.until, item.token) == (until, token):
                self.give_back(box, item)

    def give_back(self, box: Box, item: Item) -> None:
        item.token = 0
        if box.target is not None and item.attempts >= box.most:
            self.die(box, box.target, item)
        else:
            self.make_ready(box, item)

    def make_ready(self, box: Box, item: Item) -> None:
        item.due = 0.0
        heapq.heappush(box.ready, (-item.rank, item.place, item))

    def die(self, box: Box, target: Box, item: Item) -> None:
        moved = self.moved(box, target, item)
        moved.origin, moved.death = box, moved.place

    def moved(self, box: Box, target: Box, item: Item) -> Item:
        """Put a message to the tail of another box, with attempts from 0."""
        self.drop(box, item)
        fresh = Item(item.message, item.rank, self.serial())
        target.items[item.message.id] = fresh
        self.make_ready(target, fresh)
        return fresh

    def drop(self, box: Box, item: Item) -> None:
        item.alive = False
        del box.items[item.message.id]

    def head(self, box: Box) -> Item | None:
        """Return what is next; what is no longer ready is dropped on the way."""
        while box.ready and not self.is_ready(box.ready[0][2]):
            heapq.heappop(box.ready)
        return box.ready[0][2] if box.ready else None

    def is_ready(self, item: Item) -> bool:
        return item.alive and not item.token

    async def serve(self, box: Box) -> None:
        """Give what is ready to who waits, first come, first served."""
        while box.parked:
            letter, item = box.parked[0], self.head(box)
            if letter.answer.done():
                box.parked.popleft()
            elif item is not None:
                box.parked.popleft()
                await self.give(box, letter, item)
            else:
                break
        for letter in [*box.parked]:
            if letter.end <= self.clock.now_s():
                box.parked.remove(letter)
                if not letter.answer.done():
                    letter.answer.set_result(None)

    async def give(self, box: Box, letter: Letter, item: Item) -> None:
        if letter.seconds is None:
            letter.answer.set_result(item.copy())
            if await letter.kept:
                self.drop(box, item)
            return
        until = self.clock.now_s() + letter.seconds + MARGIN_S
        token = self.serial()
        letter.answer.set_result(Lease(box.name, item.copy(), item.attempts + 1, str(token)))
        if await letter.kept:
            heapq.heappop(box.ready)
            item.attempts += 1
            item.token, item.until = token, until
            heapq.heappush(box.lent, (until, token, item))

    def put(self, box: Box, draft: Draft) -> str:
        place = self.serial()
        message = QueueMessage(f"m{place}", draft.payload, draft.headers)
        item = Item(message, draft.rank, place)
        box.items[message.id] = item
        if draft.delay_s > 0:
            item.due = self.clock.now_s() + draft.delay_s + MARGIN_S
            heapq.heappush(box.delayed, (item.due, place, item))
        else:
            self.make_ready(box, item)
        return message.id

    def shown(self, box: Box) -> QueueMessage | None:
        item = self.head(box)
        return None if item is None else item.copy()

    def held(self, box: Box, lease: Lease, call: str) -> Item:
        item = box.items.get(lease.message.id)
        if item is None or not item.token or str(item.token) != lease.token:
            raise Conflict(f"actor: {call} {box.name[:40]!a}: the lease has ended")
        return item

    def ack(self, box: Box, lease: Lease) -> None:
        self.drop(box, self.held(box, lease, "ack"))

    def extend(self, box: Box, lease: Lease, seconds: float) -> None:
        item = self.held(box, lease, "extend")
        item.until = self.clock.now_s() + seconds + MARGIN_S
        heapq.heappush(box.lent, (item.until, item.token, item))

    def release(self, box: Box, lease: Lease) -> None:
        self.give_back(box, self.held(box, lease, "release"))

    def configure(self, box: Box, target: Box, most: int) -> None:
        box.target, box.most = target, most
        for item in [i for i in box.items.values() if i.attempts >= most and not i.token]:
            self.die(box, target, item)

    def dead(self, box: Box) -> list[Item]:
        if box.target is None:
            return []
        self.tick(box.target)
        return sorted((item for item in box.target.items.values() if item.origin is box), key=lambda item: item.death)

    def redrive(self, box: Box) -> int:
        rows = [item for item in self.dead(box) if not item.token]
        for item in rows:
            assert box.target is not None
            self.moved(box.target, box, item)
        return len(rows)


class ActorQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed):
    """All five interfaces by letter."""

    traits: Traits = Traits()
    rules_type: ClassVar[type[Rules]] = Rules

    def __init__(self, actor: Actor, namespace: str) -> None:
        self.actor, self.namespace, self.rules = actor, namespace, self.rules_type()

    async def open(self) -> None:
        self.actor.begin()

    async def close(self) -> None:
        await self.actor.end()

    def box(self, queue: str) -> Box:
        return self.actor.box(self.namespace, queue)

    async def ask(self, queue: str, work: Callable[[Box], Any]) -> Any:
        box, answer = self.box(queue), asyncio.get_running_loop().create_future()
        self.actor.post(box, Letter(answer, lambda: work(box)))
        return await answer

    async def take(self, queue: str, timeout_s: float, seconds: float | None) -> Any:
        answer = asyncio.get_running_loop().create_future()
        end = self.actor.clock.now_s() + timeout_s + (MARGIN_S if timeout_s else 0)
        letter = Letter(answer, end=end, seconds=seconds)
        self.actor.post(self.box(queue), letter)
        try:
            given = await answer
        except BaseException:
            letter.kept.set_result(False)
            raise
        letter.kept.set_result(True)
        return given

    # Calls

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        return await self.put(self.rules.draft("enqueue", queue, payload, headers))

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        return await self.put(self.rules.draft("enqueue_with_priority", queue, payload, headers, rank=priority))

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        return await self.put(self.rules.draft("enqueue_delayed", queue, payload, headers, delay_s=delay_s))

    async def put(self, draft: Draft) -> str:
        name: str = await self.ask(draft.queue, lambda box: self.actor.put(box, draft))
        return name

    async def scheduled_count(self, queue: str) -> int:
        self.rules.queue(queue, "scheduled_count")
        count: int = await self.ask(queue, lambda box: len(box.delayed))
        return count

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        self.rules.queue(queue, "dequeue")
        given: QueueMessage | None = await self.take(queue, self.rules.wait(timeout_s, "dequeue"), None)
        return given

    async def peek(self, queue: str) -> QueueMessage | None:
        self.rules.queue(queue, "peek")
        shown: QueueMessage | None = await self.ask(queue, self.actor.shown)
        return shown

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.rules.queue(queue, "receive")
        seconds = self.rules.lease(visibility_s, "receive")
        lease: Lease | None = await self.take(queue, self.rules.wait(timeout_s, "receive"), seconds)
        return lease

    async def ack(self, lease: Lease) -> None:
        self.rules.queue(lease.queue, "ack")
        await self.ask(lease.queue, lambda box: self.actor.ack(box, lease))

    async def extend(self, lease: Lease, seconds: float) -> None:
        self.rules.lease(seconds, "extend")
        await self.ask(self.rules.queue(lease.queue, "extend"), lambda box: self.actor.extend(box, lease, seconds))

    async def release(self, lease: Lease) -> None:
        await self.ask(self.rules.queue(lease.queue, "release"), lambda box: self.actor.release(box, lease))

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.rules.policy(queue, target, max_attempts)
        await self.ask(queue, lambda box: self.actor.configure(box, self.box(target), max_attempts))

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        self.rules.queue(queue, "dead_letters")
        listed: list[QueueMessage] = await self.ask(queue, lambda box: [item.copy() for item in self.actor.dead(box)])
        return listed

    async def redrive(self, queue: str) -> int:
        self.rules.queue(queue, "redrive")
        count: int = await self.ask(queue, self.actor.redrive)
        return count


def connector(actor_type: type[Actor]) -> Any:
    """Return a ``connect`` with an actor for each place."""

    @asynccontextmanager
    async def connect(place: prism.Place) -> AsyncIterator[Actor]:
        if "actor" not in place.shared:
            place.shared["actor"] = actor_type(place)
        yield place.shared["actor"]

    return connect


async def clean(actor: Actor, prefix: str) -> None:
    for key in [key for key in actor.boxes if key[0].startswith(prefix)]:
        del actor.boxes[key]
