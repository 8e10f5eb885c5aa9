"""Topics that keep every promise and take their time: they wait, take turns, poll, or hop to a thread."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Delivery, Message
from prism_testkit.traits import Limits, Traits

from .reference import Listener, Member, PubSub, backend, step
from .stores import Store

__all__ = ["UNUSUAL"]

T = TypeVar("T")

Method = Callable[..., Coroutine[Any, Any, T]]


def _around(method: Method[T]) -> Method[T]:
    @wraps(method)
    async def call(self: Any, *arguments: Any, **more: Any) -> T:
        driver = getattr(self, "driver", self)
        await driver.before()
        result = await method(self, *arguments, **more)
        await driver.behind()
        return result

    return call


def _before(method: Method[T]) -> Method[T]:
    @wraps(method)
    async def call(self: Any, *arguments: Any, **more: Any) -> T:
        await self.driver.before()
        return await method(self, *arguments, **more)

    return call


class _AroundListener(Listener):
    receive = _before(Listener.receive)


class _AroundMember(Member):
    receive = _before(Member.receive)
    ack = _around(Member.ack)
    nack = _around(Member.nack)


class _Around(PubSub):
    """Every effect happens in one step; `before` comes before it and `behind` after it, but never after a take."""

    listener_type = _AroundListener
    member_type = _AroundMember

    async def before(self) -> None: ...

    async def behind(self) -> None: ...

    publish = _around(PubSub.publish)
    publish_persistent = _around(PubSub.publish_persistent)
    last_message_id = _around(PubSub.last_message_id)
    enter = _around(PubSub.enter)
    join = _around(PubSub.join)


class Slow(_Around):
    """Each call takes ten seconds of the place's clock; its effect is in the middle, that of a take at the end."""

    async def before(self) -> None:
        await self.store.clock.sleep(5)

    async def behind(self) -> None:
        await self.store.clock.sleep(5)


class Suspending(_Around):
    """Lets others run many times, before and after."""

    async def before(self) -> None:
        await step(5)

    async def behind(self) -> None:
        await step(5)


class Threaded(_Around):
    """Hops to the executor, as a synchronous client library does."""

    async def before(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, bool)


class OneAtATime(_Around):
    """All calls of all clients pass one gate, first come, first served; a take that waits has passed it."""

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.gate: asyncio.Lock = vars(store).setdefault("gate", asyncio.Lock())

    async def before(self) -> None:
        async with self.gate:
            await step()


class Polling(PubSub):
    """Who waits looks every quarter of a second."""

    limits = Limits(clock_resolution_s=0.25)

    async def pause(self, *ends: float) -> None:
        await self.store.clock.sleep(min([0.25, *(max(0.0, end - self.now()) + 1e-6 for end in ends)]))


class _UndoingListener(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        message = await super().receive(timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            if message is not None:
                self.buffer.appendleft(message)
                self.driver.wake()
            raise
        return message


class _UndoingMember(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            self.give_back([delivery.message.id for delivery in found], 0)
            raise
        return found


class UndoesCancelledTakes(PubSub):
    """A receive returns a step after it took; cancelled in that step, it puts back what it has, and the delivery counts."""

    traits = Traits()
    listener_type = _UndoingListener
    member_type = _UndoingMember


class DeliversInBatches(PubSub):
    """A publish only hands its message to a pump, which delivers a few turns later all that has come till then."""

    def fan_out(self, topic: str, message: Message) -> None:
        waiting: list[tuple[list[Any], Message]] = self.store.notes.setdefault("pump", [])
        waiting.append((list(self.listeners(topic)), message))
        if len(waiting) == 1:
            self.store.notes["pumping"] = asyncio.ensure_future(self.pump(waiting))

    async def pump(self, waiting: list[tuple[list[Any], Message]]) -> None:
        await step(3)
        batch, waiting[:] = list(waiting), []
        for listeners, message in batch:
            for listener in listeners:
                listener.offer(message)
        self.wake()


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("slow", Slow),
    backend("suspending", Suspending),
    backend("threaded", Threaded),
    backend("one-at-a-time", OneAtATime),
    backend("polling", Polling),
    backend("undoes-cancelled-takes", UndoesCancelledTakes),
    backend("delivers-in-batches", DeliversInBatches),
    backend("real-clock", PubSub, clock="real"),
)
