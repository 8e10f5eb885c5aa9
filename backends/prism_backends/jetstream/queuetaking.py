"""How an entry of a queue is taken: one look after another, the first entry changed before anybody else does, or nothing done."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

from nats.aio.msg import Msg

from prism_backends.cancellation import begun, ended
from prism_backends.jetstream.cells import GONE
from prism_backends.jetstream.queueentries import Entry
from prism_backends.jetstream.queuelooks import Looks
from prism_backends.jetstream.queuetable import Table
from prism_backends.nats.client import FAILURES, NatsClient, translated
from prism_backends.nats.connection import TIMEOUT_S, Subscription
from prism_backends.takers import Takers

__all__ = ["Taken", "Taking"]

Taken = tuple[Entry, int]
Changed = Callable[[Entry], bytes]
PutBack = Callable[[Entry, int], Coroutine[Any, Any, None]]

_LONGEST_PAUSE_S = 1.0
"""How long a take that waits trusts that it is told."""


class Taking:
    """The takes of one driver; those of one queue by one process look one after another."""

    def __init__(self, table: Table, looks: Looks, client: NatsClient, namespace: str) -> None:
        self._table, self._looks, self._client = table, looks, client
        self._takers = Takers.of(client.shared, namespace)

    def turn(self, name: str) -> asyncio.Lock:
        """Return what is held by who looks for the first message of a queue."""
        return self._takers.turn(name)

    async def take(self, what: str, name: str, timeout_s: float, changed: Changed, put_back: PutBack) -> Taken | None:
        """Return the first entry as it was, and the sequence of the state into which it was ``changed``."""
        ear: list[Subscription] = []

        async def attempt() -> tuple[Taken | None, float]:
            async with self.turn(name):
                found, due_ns = await self._claimed(what, name, changed, put_back)
            if found is not None:
                return found, math.inf
            if timeout_s and not ear:
                ear.append(await self._listen(what, name))
                return None, self._client.clock.now_s()  # look again, for what happened before it listened
            ahead_s = math.inf if due_ns is None else (due_ns - self._table.clock.earliest_ns()) / 1e9
            return None, self._client.clock.now_s() + ahead_s

        try:
            return await self._takers.first(name, attempt, timeout_s, self._client.clock, _LONGEST_PAUSE_S)
        finally:
            for subscription in ear:
                await subscription.end()

    async def _claimed(self, what: str, name: str, changed: Changed, put_back: PutBack) -> tuple[Taken | None, int | None]:
        """Take for good, or have taken nothing: what is taken for a caller that is cancelled is put back before that goes on."""
        claiming = begun(self._claim(what, name, changed))
        try:
            await asyncio.wait([claiming])
        except asyncio.CancelledError:
            await ended(claiming)
            if claiming.exception() is None and (taken := claiming.result()[0]) is not None:
                putting = begun(put_back(*taken))
                await ended(putting)
                putting.result()
            raise
        return claiming.result()

    async def _claim(self, what: str, name: str, changed: Changed) -> tuple[Taken | None, int | None]:
        refused = 0
        while True:
            found, due_ns = await self._looks.first(what, name)
            if found is None:
                return None, due_ns
            if found.sequence == refused:  # it was replaced, and is still there since a kill came in between
                await self._table.forget(what, found.subject, refused)
            sequence = await self._table.change(what, found.subject, found.sequence, changed(found))
            self._looks.forget(name, found)
            if sequence is not None:
                return (found, sequence), None
            refused = found.sequence

    async def _listen(self, what: str, name: str) -> Subscription:
        def heard(message: Msg) -> None:
            if (message.headers or {}).get("Nats-Msg-Size") != str(len(GONE)):
                self._takers.ring(name)

        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await (await self._client.connection()).subscribe(self._table.wake(name), heard)
        except FAILURES as error:
            raise translated(error, what) from error
