"""A driver of any model that is opened, drained and closed: its every call, how calls end, and cancelling one at each wait."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from inspect import Parameter, signature
from typing import Any, Protocol

from prism_suites._judging import broken, refused
from prism_testkit.case import Case
from prism_testkit.interfaces import (
    BESIDE,
    INTERFACES,
    Closed,
    Health,
    KeyValueBasic,
    Lease,
    Lifecycle,
    ObjectStorage,
    OperationTimeout,
    PubSubBasic,
    QueueBasic,
    QueueMessage,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.outcomes import Violation
from prism_testkit.signatures import methods_of
from prism_testkit.tap import offers

__all__ = [
    "ENDED",
    "ENDINGS",
    "Living",
    "Waiting",
    "asked",
    "cancelled_at",
    "end",
    "every_call",
    "expect_closed",
    "in_vain",
    "outcomes",
    "quiet",
    "turns",
]


_ENDING_S = 1.0


class LivingKeyValue(KeyValueBasic, Lifecycle, Protocol):
    """A key-value driver."""


class LivingQueue(QueueBasic, Lifecycle, Protocol):
    """A queue driver."""


class LivingPubSub(PubSubBasic, Lifecycle, Protocol):
    """A publish and subscribe driver."""


class LivingStream(StreamBasic, Lifecycle, Protocol):
    """A stream driver."""


class LivingObjectStorage(ObjectStorage, Lifecycle, Protocol):
    """An object storage driver."""


class LivingGroups(StreamConsumerGroups, Lifecycle, Protocol):
    """A stream driver with groups."""


Living = LivingKeyValue | LivingQueue | LivingPubSub | LivingStream | LivingObjectStorage
"""A slot for every driver that claims it."""

Waiting = LivingQueue | LivingPubSub | LivingGroups | LivingObjectStorage
"""A slot for those that have calls which wait until somebody else does something."""

ENDED = (Closed, OperationTimeout, asyncio.CancelledError)
"""How a call may end that was in hand when its driver was closed, or that a drain aborted."""

_STATES = ("healthy", "degraded", "unhealthy")
_FINISHING = ("ack", "nack", "extend", "release")
"""They may go on while a driver is drained."""

_NAMES = ("key", "queue", "topic", "stream", "bucket", "name", "group", "consumer", "pattern")
_VALUES: dict[str, Any] = {
    **dict.fromkeys(_NAMES, "probe"),
    **dict.fromkeys(("payload", "value", "data", "new", "expected"), b"v"),
    **dict.fromkeys(("ttl_s", "visibility_s", "seconds", "delay_s"), 60.0),
    **dict.fromkeys(("n", "stop", "max_attempts"), 1),
    **dict.fromkeys(("before", "start", "offset", "at_ms", "partition"), 0),
    "target": "dead",
    "ordering_key": "o",
    "keys": ["probe"],
    "items": {"probe": b"v"},
    "attributes": {"a": "b"},
    "lease": Lease("probe", QueueMessage("1", b"v"), 1, "1"),
}


async def _chunks() -> AsyncIterator[bytes]:
    yield b"v"


def every_call(slot: Any, name: str = "probe") -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return how to make each call of each interface that a client offers; a first step is a call.

    The arguments are legal, if ``name`` is a legal one.
    """
    protocols = {name: protocol for name, protocol in INTERFACES.items() if name not in BESIDE and offers(slot, protocol)}
    kinds = {name: kind for protocol in protocols.values() for name, kind in methods_of(protocol).items()}
    calls: dict[str, Callable[[], Awaitable[Any]]] = {}
    values = {**_VALUES, **dict.fromkeys(_NAMES, name)}
    for method, kind in kinds.items():
        owner = next(protocol for protocol in protocols.values() if hasattr(protocol, method))
        parameters = list(signature(getattr(owner, method)).parameters.values())[1:]
        wanted = [p.name for p in parameters if p.default is Parameter.empty and p.kind is not Parameter.VAR_POSITIONAL]
        if all(each in _VALUES or each == "chunks" for each in wanted):
            calls[method] = partial(_made, slot, method, kind, {each: values.get(each) for each in wanted})
    return calls


async def _made(slot: Any, method: str, kind: str, values: dict[str, Any]) -> Any:
    made = getattr(slot, method)(**{name: _chunks() if name == "chunks" else value for name, value in values.items()})
    if kind == "iterator":
        try:
            return await anext(made, None)
        finally:
            await made.aclose()
    if kind == "context":
        async with made:
            return "it was entered"
    return await made


async def expect_closed(promise: str, slot: Any, when: str, finishing: bool = True) -> None:
    """Judge that every call there is raises `Closed`, or all but those that finish something."""
    for name, make in every_call(slot).items():
        if name in _FINISHING and not finishing:
            continue
        await refused(promise, make(), Closed, f"{name} {when} is not refused with Closed")


async def in_vain(promise: str, call: Awaitable[Any], sentence: str) -> Any:
    """Await a call that must not raise, whatever state its driver is in."""
    try:
        return await call
    except Exception as error:
        raise Violation.of(promise, sentence, expected="no error", got=f"{type(error).__name__}: {error}") from error


async def asked(asking: Awaitable[Any]) -> Health:
    """Await health: it never raises, and is told as agreed."""
    health = await in_vain("lifecycle.4", asking, "health raises an error")
    if not isinstance(health, Health) or health.status not in _STATES or not isinstance(health.detail, str):
        broken("lifecycle.4", "health is told in an unknown way", expected=f"Health of {_STATES}", got=health)
    return health


ENDINGS = ("closed", "drained and closed", "drained, which was cancelled, and closed")
"""Ways to close a driver: what it had to end is ended by each."""


async def end(living: Any, how: str) -> None:
    """Close a driver in one of the ways."""
    if how != "closed":
        draining = asyncio.ensure_future(living.drain(0.0))
        await turns(0 if how == "drained and closed" else 1)
        if how != "drained and closed":
            draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
    await living.close()


async def turns(number: int) -> None:
    """Let others run."""
    for _ in range(number):
        await asyncio.sleep(0)


async def quiet(case: Case, before: "set[asyncio.Task[Any]]") -> "list[asyncio.Task[Any]]":
    """Return tasks that live and were not there before, after a few turns in which what was cancelled may end.

    As many as there are more than before: a connection may replace a task of its own by another one. Over a real server some time
    too: a client library that is told to forget a request may tell the server so in a task of its own, which ends by itself.
    """
    await turns(10)
    new = [task for task in asyncio.all_tasks() - before if not task.done()]
    if new and not case.clock.virtual:
        await asyncio.wait(new, timeout=_ENDING_S)
    return [task for task in new if not task.done()][sum(task.done() for task in before) :]


async def outcomes(promise: str, calls: "Sequence[asyncio.Task[Any]]", when: str) -> tuple[list[int], list[int]]:
    """Return which calls returned, and which were ended; another error breaks the promise."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException) and not isinstance(error, ENDED):
            told = f"{type(error).__name__}: {error}"
            broken(promise, f"a call in hand {when} ended with another error", expected="its answer, or Closed", got=told)
    returned = [number for number, each in enumerate(ended) if not isinstance(each, BaseException)]
    return returned, [number for number, each in enumerate(ended) if isinstance(each, BaseException)]


async def cancelled_at(call: Awaitable[Any], point: int) -> bool:
    """Make a call and cancel it as soon as it waits for the ``point``-th time, from 1; return whether it ended before that."""
    waits = _Waits(call, point)
    task = asyncio.ensure_future(waits.run())
    with suppress(asyncio.CancelledError):
        await task
    return not waits.reached


class _Waits:
    """Counts the waits of an awaitable, handing each on to the loop."""

    def __init__(self, call: Awaitable[Any], point: int) -> None:
        self._call, self._point = call, point
        self.reached = False

    async def run(self) -> Any:
        return await self

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._call.__await__()
        step: Callable[[], Any] = partial(steps.send, None)
        for number in itertools.count(1):
            try:
                waited = step()
            except StopIteration as ended:
                return ended.value
            if number == self._point:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield waited
                step = partial(steps.send, None)
            except BaseException as error:
                step = partial(steps.throw, error)
        return None
