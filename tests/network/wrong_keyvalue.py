"""Drivers of key-value over a real Valkey, each wrong in one way that only a network that fails shows; and one that is right."""

import asyncio
from dataclasses import replace
from typing import Any

import prism_testkit as prism
from prism_backends.valkey import ValkeyKeyValue, valkey
from prism_testkit.interfaces import BackendUnavailable, PrismError
from prism_testkit.registry import Registry

__all__ = ["DRIVERS", "prism_register_backends"]


class Right(ValkeyKeyValue):
    """As it is shipped."""


class Retries(ValkeyKeyValue):
    """Sends a command again when its connection is lost, whatever it does."""

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        for _ in range(20):
            try:
                return await super()._call(operation, name, *command)
            except BackendUnavailable:
                await asyncio.sleep(0.005)
        return await super()._call(operation, name, *command)


class RetriesSwaps(Retries):
    """Sends only swaps again, which are, one may think, safe by what they expect."""

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        if operation.startswith("compare"):
            return await super()._call(operation, name, *command)
        return await ValkeyKeyValue._call(self, operation, name, *command)


class RetriesDeletes(Retries):
    """Sends only deletes again, which are idempotent but for what they say."""

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        if operation == "delete":
            return await super()._call(operation, name, *command)
        return await ValkeyKeyValue._call(self, operation, name, *command)


class GivesUp(ValkeyKeyValue):
    """Never connects again."""

    lost: PrismError | None = None

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        if self.lost is not None:
            raise self.lost
        try:
            return await super()._call(operation, name, *command)
        except BackendUnavailable as error:
            self.lost = error
            raise


class Leaks(ValkeyKeyValue):
    """Raises what the client library raises."""

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        return await self.client.execute_command(*command)


class Remembers(ValkeyKeyValue):
    """Answers from what it read last while it does not reach the server."""

    def __init__(self, client: Any, namespace: str) -> None:
        super().__init__(client, namespace)
        self.known: dict[str, bytes | None] = {}

    async def get(self, key: str) -> bytes | None:
        try:
            self.known[key] = await super().get(key)
        except BackendUnavailable:
            if key not in self.known:
                raise
        return self.known[key]


class Impatient(Remembers):
    """Answers from what it read last when the server is slow."""

    async def get(self, key: str) -> bytes | None:
        asking = asyncio.ensure_future(ValkeyKeyValue.get(self, key))
        done, _ = await asyncio.wait([asking], timeout=0.02 if key in self.known else None)
        if not done:
            asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
            return self.known[key]
        self.known[key] = asking.result()
        return self.known[key]


class Hasty(ValkeyKeyValue):
    """Acknowledges a write before it is answered; in order, and one after another."""

    def __init__(self, client: Any, namespace: str) -> None:
        super().__init__(client, namespace)
        self.sending: asyncio.Future[Any] | None = None

    async def _call(self, operation: str, name: str, *command: Any) -> Any:
        before, answer = self.sending, asyncio.ensure_future(self._after(self.sending, operation, name, *command))
        self.sending = answer
        answer.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
        if operation == "set":
            await asyncio.sleep(0)
            return None
        del before
        return await answer

    async def _after(self, before: "asyncio.Future[Any] | None", operation: str, name: str, *command: Any) -> Any:
        if before is not None:
            await asyncio.wait([before])
        return await super()._call(operation, name, *command)


DRIVERS = {
    "right": Right,
    "retries": Retries,
    "retries-swaps": RetriesSwaps,
    "retries-deletes": RetriesDeletes,
    "gives-up": GivesUp,
    "leaks": Leaks,
    "remembers": Remembers,
    "impatient": Impatient,
    "hasty": Hasty,
}


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    for name, driver in DRIVERS.items():
        registry.add(replace(valkey, name=name, drivers=[driver]))
