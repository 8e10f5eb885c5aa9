"""Every queue answers a long random program as the one in memory does: same messages, attempts, refusals, and order of death."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queue_world import World, connected, play
from redis_store import name, serving

import prism_testkit as prism
from prism_backends.memory import memory
from prism_backends.sqlite import sqlite
from prism_backends.valkey import valkey
from prism_testkit.interfaces import Lease, QueueMessage
from prism_testkit.interfaces.errors import Conflict

QUEUES = ("a", "b", "c")
STEPS = 160
SEEDS = range(16)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


class Program:
    """Random operations, the same for the same seed as long as the answers are the same. ``seconds`` are those that end in time."""

    def __init__(self, world: World, seed: int, seconds: tuple[float, ...]) -> None:
        self.world, self.random, self.seconds = world, random.Random(seed), seconds
        self.leases: list[Lease] = []
        self.story: list[Any] = []
        self.ordinals: dict[str, int] = {}

    async def run(self) -> list[Any]:
        operations = (
            [self.enqueue] * 8 + [self.receive] * 10 + [self.end] * 10 + [self.dequeue] * 3 + [self.look] * 5 + [self.count]
        )
        operations += [self.pass_time] * 2 + [self.configure, self.redrive]
        if self.random.randrange(2):
            await self.told("configure", self.world.q.configure_dead_letter("a", "b", 1))
        for _ in range(STEPS):
            await self.random.choice(operations)()
        for queue in QUEUES:
            while await self.told("drain", queue, self.world.q.dequeue(queue)) is not None:
                pass
        return self.story

    async def told(self, *story: Any) -> Any:
        """Await the last part, and remember all of it in words that do not depend on the backend."""
        *words, call = story
        try:
            answer = await call
        except Conflict:
            answer = "Conflict"
        self.story.append((*words, self.plain(answer)))
        return answer

    def plain(self, answer: Any) -> Any:
        if isinstance(answer, list):
            return [self.plain(each) for each in answer]
        if isinstance(answer, Lease):
            return answer.queue, answer.attempt, self.plain(answer.message)
        if isinstance(answer, QueueMessage):
            return self.ordinals[answer.id], answer.payload, answer.headers
        return answer

    def queue(self) -> str:
        return self.random.choice(QUEUES)

    async def enqueue(self) -> None:
        number, queue, kind = len(self.ordinals), self.queue(), self.random.randrange(4)
        payload, headers = b"%d" % number, {"n": str(number)}
        if kind == 0:
            identity = await self.world.q.enqueue_delayed(queue, payload, headers, delay_s=self.random.choice(self.seconds))
        elif kind == 1:
            identity = await self.world.q.enqueue_with_priority(queue, payload, headers, priority=self.random.randrange(10))
        else:
            identity = await self.world.q.enqueue(queue, payload, headers)
        assert identity not in self.ordinals
        self.ordinals[identity] = number
        self.story.append(("enqueue", kind, queue, number))

    async def receive(self) -> None:
        queue = self.queue()
        lease = await self.told("receive", queue, self.world.q.receive(queue, self.random.choice(self.seconds)))
        if lease is not None:
            self.leases.append(lease)

    async def end(self) -> None:
        """Ack, extend or release a lease there is, or was."""
        if self.leases:
            lease, kind = self.random.choice(self.leases[-6:]), self.random.randrange(4)
            if kind == 0:
                await self.told("ack", self.ordinals[lease.message.id], self.world.q.ack(lease))
            elif kind == 1:
                seconds = self.random.choice(self.seconds)
                await self.told("extend", self.ordinals[lease.message.id], seconds, self.world.q.extend(lease, seconds))
            else:
                await self.told("release", self.ordinals[lease.message.id], self.world.q.release(lease))

    async def dequeue(self) -> None:
        queue = self.queue()
        await self.told("dequeue", queue, self.world.q.dequeue(queue))

    async def look(self) -> None:
        queue = self.queue()
        await self.told("peek", queue, self.world.q.peek(queue))
        await self.told("dead_letters", queue, self.world.q.dead_letters(queue))

    async def count(self) -> None:
        queue = self.queue()
        await self.told("scheduled_count", queue, self.world.q.scheduled_count(queue))

    async def configure(self) -> None:
        queue, target = self.random.sample(QUEUES, 2)
        most = self.random.randrange(1, 4)
        await self.told("configure", queue, target, most, self.world.q.configure_dead_letter(queue, target, most))

    async def redrive(self) -> None:
        queue = self.queue()
        await self.told("redrive", queue, self.world.q.redrive(queue))

    async def pass_time(self) -> None:
        await asyncio.sleep(self.random.choice((0, min(self.seconds), 2 * min(self.seconds))))


def told_by(backend: prism.Backend[Any], directory: Path, seed: int, seconds: tuple[float, ...]) -> list[Any]:
    stories: list[Any] = []

    async def scenario(world: World) -> None:
        stories.extend(await Program(world, seed, seconds).run())

    play(backend, directory, scenario)
    return stories


def test_sqlite_is_as_memory_while_time_passes(tmp_path: Path) -> None:
    seconds = (0.5, 1.1, 3.7, 1000)
    verdicts: set[Any] = set()
    for seed in SEEDS:
        directory = tmp_path / str(seed)
        directory.mkdir()
        wanted = told_by(memory, directory, seed, seconds)
        assert told_by(sqlite, directory, seed, seconds) == wanted
        verdicts.update((told[0], told[-1] not in (None, 0, [], "Conflict")) for told in wanted)
    # All of it happened, in both ways, or the programs are of no use.
    for operation in ("receive", "dequeue", "peek", "dead_letters", "scheduled_count", "redrive", "drain"):
        assert {(operation, True), (operation, False)} <= verdicts
    assert {("ack", False), ("extend", False), ("release", False)} <= verdicts


def test_valkey_is_as_memory_while_nothing_falls_due(tmp_path: Path, url: str) -> None:
    seconds = (10_000.0, 20_000.0)

    async def on_valkey(seed: int) -> list[Any]:
        place = prism.Place(url=url, directory=tmp_path, shared={}, clock=prism.RealClock())
        async with connected(valkey, place, name()) as world:
            program = Program(world, seed, seconds)
            program.pass_time = program.count  # type: ignore[method-assign]
            return await program.run()

    async def on_memory(world: World) -> None:
        program = Program(world, seed, seconds)
        program.pass_time = program.count  # type: ignore[method-assign]
        wanted.extend(await program.run())

    for seed in SEEDS:
        wanted: list[Any] = []
        play(memory, tmp_path, on_memory)
        assert asyncio.run(on_valkey(seed)) == wanted
