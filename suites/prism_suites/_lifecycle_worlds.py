"""What the checks of a lifecycle do in the same way with each data model: writes that can be counted, and calls that wait.

``living`` is the driver that is drained or closed. ``other`` is a second one of the same namespace and connection, which has to go
on; what it sees is the truth.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.interfaces import AlreadyExists, KeyValueBasic, PubSubBasic, QueueBasic, StreamBasic, StreamConsumerGroups
from prism_testkit.outcomes import law
from prism_testkit.tap import offers

__all__ = ["BEGINS_S", "HOUR_S", "World", "waiting_in", "world_of"]

HOUR_S = 3600.0
"""How long a call waits that is not to end by itself."""
BEGINS_S = 30.0
"""How long, of virtual time, calls are given to get as far as they can."""
_PATIENCE_S = 1.0


def data(number: int) -> bytes:
    return b"write %d" % number


class World:
    """One model. Numbers name writes, and calls that wait."""

    waits = True
    """There are calls that wait until something comes."""

    first = 0
    """The number of the first call that waits, where several worlds share a namespace."""
    living: Any
    before: "set[asyncio.Task[Any]]"
    """The tasks that there were before ``living`` was opened."""

    def __init__(self, case: Case, other: Any, stack: AsyncExitStack) -> None:
        self.case, self.other, self.stack = case, other, stack

    def called(self, number: int) -> str:
        """Return the name of what a call waits for."""
        return f"wait {self.first + number}"

    @property
    def patience_s(self) -> float:
        """How long to look for what has to be there."""
        return 100.0 if self.case.clock.virtual else _PATIENCE_S

    async def watch(self) -> None:
        """Prepare ``other`` for what is written."""

    async def set_up(self, calls: int) -> None:
        """Prepare ``living`` for writes, and for so many calls that wait."""

    async def write(self, driver: Any, number: int) -> None:
        """Write; what returned is there."""
        raise NotImplementedError

    async def written(self, most: int) -> list[int]:
        """Return what ``other`` finds of the writes below ``most``, in order, what is doubled twice."""
        raise NotImplementedError

    async def wait(self, number: int, seconds: float = HOUR_S) -> Any:
        """Wait for what `feed` gives; None after ``seconds``."""
        raise NotImplementedError

    async def feed(self, number: int) -> None:
        """Let a call that waits have what it waits for."""

    async def accounted(self, number: int, returned: bool) -> bool:
        """Return whether what was fed is where it must be after ``living`` was closed: with the call if it returned, or left."""
        raise NotImplementedError


class _KeyValue(World):
    waits = False

    async def write(self, driver: Any, number: int) -> None:
        await driver.set(f"w{number}", data(number))

    async def written(self, most: int) -> list[int]:
        found = [(number, await self.other.get(f"w{number}")) for number in range(most)]
        return [number for number, value in found if value == data(number)]


class _Queue(World):
    async def write(self, driver: Any, number: int) -> None:
        await driver.enqueue("w", data(number))

    async def written(self, most: int) -> list[int]:
        found = []
        while (message := await self.other.dequeue("w")) is not None:
            found.append(int(message.payload.split()[1]))
        return sorted(found)

    async def wait(self, number: int, seconds: float = HOUR_S) -> Any:
        return await self.living.dequeue(self.called(number), seconds)

    async def feed(self, number: int) -> None:
        await self.other.enqueue(self.called(number), b"fed")

    async def accounted(self, number: int, returned: bool) -> bool:
        left = await self.other.dequeue(self.called(number), 0 if returned else self.patience_s)
        return (left is None) == returned


class _PubSub(World):
    """What a subscription was given, and nobody received, is for nobody else."""

    async def watch(self) -> None:
        self._heard = await self.stack.enter_async_context(self.other.subscribe("w"))

    async def set_up(self, calls: int) -> None:
        self._waiting = [
            await self.stack.enter_async_context(self.living.subscribe(self.called(number))) for number in range(calls)
        ]

    async def write(self, driver: Any, number: int) -> None:
        await driver.publish("w", data(number))

    async def written(self, most: int) -> list[int]:
        await self.other.publish("w", b"the last")
        found: list[int] = []
        while (message := await self._heard.receive(self.patience_s)) is not None and message.payload != b"the last":
            found.append(int(message.payload.split()[1]))
        dropped: set[int] = set(range(most)) - set(found) if self._heard.gaps else set()  # a buffer may hold 16, and says so
        if message is None and not dropped:
            broken("lifecycle.2", "another driver's subscription no longer receives", expected="the last message", got=None)
        return sorted([*found, *dropped])

    async def wait(self, number: int, seconds: float = HOUR_S) -> Any:
        return await self._waiting[number].receive(seconds)

    async def feed(self, number: int) -> None:
        await self.other.publish(self.called(number), b"fed")

    async def accounted(self, number: int, returned: bool) -> bool:
        return True


class _Stream(World):
    async def set_up(self, calls: int) -> None:
        self.waits = offers(self.living, StreamConsumerGroups)
        self._waiting = []
        for number in range(calls if self.waits else 0):
            with suppress(AlreadyExists):
                await self.living.create_group(self.called(number), "g")
            self._waiting.append(await self.stack.enter_async_context(self.living.join(self.called(number), "g", "c")))

    async def write(self, driver: Any, number: int) -> None:
        await driver.append("w", data(number))

    async def written(self, most: int) -> list[int]:
        return sorted([int(record.payload.split()[1]) async for record in self.other.read("w")])

    async def wait(self, number: int, seconds: float = HOUR_S) -> Any:
        return await self._waiting[number].receive(1, seconds) or None

    async def feed(self, number: int) -> None:
        await self.other.append(self.called(number), b"fed")

    async def accounted(self, number: int, returned: bool) -> bool:
        # Nothing was acked, so it comes again to whoever takes the place of the member.
        async with self.other.join(self.called(number), "g", "another") as member:
            again = await member.receive(1, self.patience_s + (self.case.traits.member_timeout_s or 0.0))
            return [delivery.record.payload for delivery in again] == [b"fed"]


class _ObjectStorage(World):
    """A call that waits is an upload whose source does. Feeding it lets the source end, so its end is the call's."""

    async def set_up(self, calls: int) -> None:
        await self.other.create_bucket("b")
        self._gates = [asyncio.Event() for _ in range(calls)]

    async def write(self, driver: Any, number: int) -> None:
        await driver.put("b", f"w{number}", data(number))

    async def written(self, most: int) -> list[int]:
        found = [(number, await self.other.get("b", f"w{number}")) for number in range(most)]
        return [number for number, value in found if value == data(number)]

    async def _source(self, number: int, seconds: float) -> AsyncIterator[bytes]:
        yield b"fe"
        try:
            async with asyncio.timeout(seconds):
                await self._gates[number].wait()
        except TimeoutError:
            yield b"-"
        yield b"d"

    async def wait(self, number: int, seconds: float = HOUR_S) -> Any:
        return await self.living.put_stream("b", self.called(number), self._source(number, seconds))

    async def feed(self, number: int) -> None:
        self._gates[number].set()

    async def accounted(self, number: int, returned: bool) -> bool:
        return await self.other.get("b", self.called(number)) in ([b"fed"] if returned else [None, b"fed"])


_WORLDS = (
    (KeyValueBasic, _KeyValue),
    (QueueBasic, _Queue),
    (PubSubBasic, _PubSub),
    (StreamBasic, _Stream),
    (StreamConsumerGroups, _Stream),
)


@asynccontextmanager
async def world_of(case: Case, other: Any, *, calls: int = 0, living: Any = None, first: int = 0) -> AsyncIterator[World]:
    """Enter the world of the model that ``other`` has, with another driver beside it, unless one is given.

    What the living driver entered is left at the end, when it is closed perhaps, and that raises nothing.
    """
    made = next((world for protocol, world in _WORLDS if offers(other, protocol)), _ObjectStorage)
    with law("lifecycle.2"):
        async with AsyncExitStack() as stack:
            world = made(case, other, stack)
            world.first = first
            await world.watch()
            world.before = asyncio.all_tasks()
            world.living = await case.whole() if living is None else living
            await world.set_up(calls)
            yield world


async def waiting_in(
    world: World, calls: int, seconds: Callable[[int], float] = lambda number: HOUR_S, begun: int | None = None
) -> "list[asyncio.Task[Any]]":
    """Begin calls that wait, and let them get as far as they can, or go ``begun`` turns; none if the model has none that wait."""
    if not world.waits:
        return []
    case = world.case
    tasks = [asyncio.ensure_future(world.wait(number, seconds(number))) for number in range(calls)]
    for _ in range(begun or 0):
        await asyncio.sleep(0)
    if begun is None:
        await case.clock.sleep(BEGINS_S if case.clock.virtual else 0.02)
    return tasks
