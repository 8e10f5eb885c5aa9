"""Drivers over real servers, each wrong in one way that only a network that fails shows: the methods named, of any data model."""

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import prism_testkit as prism
from prism_backends.jetstream import jetstream
from prism_backends.jetstream.objects import JetStreamObjectStorage
from prism_backends.valkey import ValkeyPubSub, ValkeyQueue, ValkeyStream, valkey
from prism_testkit.interfaces import BackendUnavailable
from prism_testkit.registry import Registry

__all__ = ["prism_register_backends"]

Wrong = Callable[[Any, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""(driver, how its call is made) -> what it returns instead."""

_NUMBERS = itertools.count()


async def retries(driver: Any, make: Callable[[], Awaitable[Any]]) -> Any:
    """Make a call again when its connection is lost, whatever it does."""
    for _ in range(20):
        try:
            return await make()
        except BackendUnavailable:
            await asyncio.sleep(0.005)
    return await make()


async def gives_up(driver: Any, make: Callable[[], Awaitable[Any]]) -> Any:
    """Never connect again."""
    if getattr(driver, "lost", None) is not None:
        raise driver.lost
    try:
        return await make()
    except BackendUnavailable as error:
        driver.lost = error
        raise


async def leaks(driver: Any, make: Callable[[], Awaitable[Any]]) -> Any:
    """Raise what the client library raises."""
    try:
        return await make()
    except BackendUnavailable as error:
        raise error.__cause__ or ConnectionError from error


async def hasty(driver: Any, make: Callable[[], Awaitable[Any]]) -> Any:
    """Acknowledge before the server has answered."""
    sending = asyncio.ensure_future(make())
    sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
    driver.sending = [*getattr(driver, "sending", []), sending]
    return f"id-{next(_NUMBERS)}"


def wrong(base: type, how: Wrong, methods: list[str]) -> type:
    """Return a driver whose ``methods`` are wrong in one way."""

    def method(name: str) -> Callable[..., Any]:
        right = inspect.getattr_static(base, name)

        async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await how(self, lambda: right(self, *args, **kwargs))

        call.__signature__ = inspect.signature(right)  # type: ignore[attr-defined]
        call.__name__, call.__doc__ = name, right.__doc__
        return call

    return type(f"{how.__name__.title()}{base.__name__}", (base,), {name: method(name) for name in methods})


_DRIVERS: list[tuple[prism.Backend[Any], type, str, list[str], list[str]]] = [
    (valkey, ValkeyQueue, "queue", ["enqueue", "dequeue", "receive", "ack"], ["enqueue"]),
    (valkey, ValkeyStream, "stream", ["append", "latest_offset"], []),
    (valkey, ValkeyPubSub, "pubsub", ["publish_persistent", "last_message_id"], ["publish_persistent"]),
    (jetstream, JetStreamObjectStorage, "object-storage", ["put", "delete", "put_if_absent"], []),
]
"""The backend, its driver, the model, the methods that are wrong, and those that may be acknowledged early: ids can be made up."""


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    for backend, base, model, methods, early in _DRIVERS:
        for how in (retries, gives_up, leaks):
            registry.add(replace(backend, name=f"{how.__name__.replace('_', '-')}-{model}", drivers=[wrong(base, how, methods)]))
        if early:
            registry.add(replace(backend, name=f"hasty-{model}", drivers=[wrong(base, hasty, early)]))
