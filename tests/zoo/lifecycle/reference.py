"""A correct lifecycle, written from the contract: each call is a task of its own, which drain and close wait for or cancel.

It begins with a keeper, a task that runs as long as the driver is open, and a session, which stands for a connection. Each step
that a mutant gets wrong is a method of its own. `models` puts data models over it.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import prism_testkit as prism
from prism_testkit.interfaces import Closed, Drained, Health, Lifecycle

__all__ = ["Client", "Life", "backend"]

State = Literal["new", "open", "draining", "closed"]


@dataclass(eq=False)
class Client:
    """One connection. The data of a place is shared by all."""

    data: dict[str, Any]
    clock: prism.Clock
    sessions: set[object] = field(default_factory=set)
    closed: bool = False
    task: "asyncio.Task[Any] | None" = None
    """What the connection itself has running."""

    async def run(self, task: "asyncio.Task[Any] | None") -> None:
        """Let this run in the place of what does, until the connection is closed."""
        old, self.task = self.task, task
        if old is not None:
            old.cancel()
            await asyncio.gather(old, return_exceptions=True)


class Life(Lifecycle):
    """Begin, be asked, drain, close."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace, self.clock = client, namespace, client.clock
        self.state: State = "new"
        self.in_hand: set[asyncio.Task[Any]] = set()
        self.session = object()
        self.keeper: asyncio.Task[None] | None = None
        self.opening = asyncio.Lock()
        self.closing: asyncio.Task[None] | None = None

    # -- open

    async def open(self) -> None:
        if self.state == "closed":
            raise Closed("zoo: open: it is closed")
        async with self.opening:
            if self.state == "new":
                try:
                    await self.begin()
                    self.now_open()
                except BaseException:
                    await self.give_up()
                    raise

    def now_open(self) -> None:
        if self.state == "closed":  # meanwhile
            raise Closed("zoo: open: it is closed")
        if self.state == "new":
            self.state = "open"

    async def begin(self) -> None:
        self.client.sessions.add(self.session)
        await asyncio.sleep(0)
        self.keeper = asyncio.ensure_future(self.keep())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def give_up(self) -> None:
        """Undo what a `begin` that failed had done."""
        self.client.sessions.discard(self.session)
        await self.stop_keeper()

    async def keep(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def stop_keeper(self) -> None:
        keeper, self.keeper = self.keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    # -- calls

    def admit(self, operation: str) -> None:
        """Raise `Closed` unless a new call is taken."""
        if self.state in ("draining", "closed"):
            raise Closed(f"zoo: {operation}: it is {self.state}")

    async def call(self, operation: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Make a call as a task of its own."""
        try:
            self.admit(operation)
        except BaseException:
            work.close()
            raise
        task = asyncio.ensure_future(work)
        self.in_hand.add(task)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            self.in_hand.discard(task)
        if task.cancelled():
            self.told_aborted(operation)
        return task.result()

    def told_aborted(self, operation: str) -> None:
        raise Closed(f"zoo: {operation}: aborted, for it is {self.state}")

    # -- drain

    async def drain(self, timeout_s: float) -> Drained:
        timeout_s = self.check_timeout(timeout_s)
        self.refuse_new()
        calls = self.to_drain()
        if calls:
            await self.wait_for(calls, timeout_s)
            await self.abort(calls)
        return self.drained(calls)

    def check_timeout(self, timeout_s: float) -> float:
        return prism.check_timeout(timeout_s, "drain", "zoo")

    def refuse_new(self) -> None:
        if self.state != "closed":
            self.state = "draining"

    def to_drain(self) -> "list[asyncio.Task[Any]]":
        return list(self.in_hand)

    async def wait_for(self, calls: "list[asyncio.Task[Any]]", timeout_s: float) -> None:
        await asyncio.wait(calls, timeout=timeout_s)

    async def abort(self, calls: "list[asyncio.Task[Any]]") -> None:
        for task in calls:
            task.cancel()
        if calls:
            await asyncio.wait(calls)

    def drained(self, calls: "list[asyncio.Task[Any]]") -> Drained:
        aborted = sum(task.cancelled() for task in calls)
        return Drained(len(calls) - aborted, aborted)

    # -- close

    async def close(self) -> None:
        self.state = "closed"
        if self.closing is None:
            self.closing = asyncio.ensure_future(self.end())
        await asyncio.shield(self.closing)

    async def end(self) -> None:
        await self.abort(list(self.in_hand))
        await asyncio.sleep(0)  # who made these calls hears of it
        await self.wait_for_open()
        await self.leave()
        await self.stop_keeper()
        self.client.sessions.discard(self.session)

    async def wait_for_open(self) -> None:
        """Let an open that goes on end, for what it begins has to be ended too."""
        async with self.opening:
            pass

    async def leave(self) -> None:
        """Leave what was entered."""

    # -- health

    async def health(self) -> Health:
        if self.state in ("draining", "closed"):
            return Health("unhealthy", f"it is {self.state}")
        return Health("healthy")


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[Client]:
    client = Client(place.shared, place.clock)
    try:
        yield client
    finally:
        await client.run(None)


async def clean(client: Client, prefix: str) -> None:
    for key in [key for key in client.data if key.partition("/")[2].startswith(prefix)]:
        del client.data[key]


def backend(name: str, driver: type, **settings: Any) -> prism.Backend[Client]:
    """Return a backend of one driver."""
    return prism.Backend(name=name, connect=connect, drivers=[driver], clean=clean, **settings)
