"""Members of a group: what they take and give back, and how others know that they live."""

import asyncio
import math
import secrets
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import exceptions as native

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.cancellation import begun, ended, whole
from prism_backends.redis import streamscripts as scripts
from prism_backends.redis.client import RedisClient, translated
from prism_backends.redis.streamids import name_of, record_of
from prism_backends.stream_arguments import check_deliveries, check_most
from prism_backends.streamcompany import Company
from prism_testkit.interfaces.errors import Closed, Conflict, GroupNotFound, PrismError
from prism_testkit.interfaces.stream import Member, RecordDelivery

__all__ = ["HORIZON_S", "GroupKeys", "RedisMember", "company_of", "evaluate"]

HORIZON_S = 4.0
"""So long after its last sign of life a member of another process counts as alive."""
_BEAT_S = HORIZON_S / 3
_FIRST_PAUSE_S = 0.002
_LAST_PAUSE_S = 0.05
_LONGEST_DELAY_MS = 10**15
"""What is longer than 30,000 years is cut to that: scores are floats, exact to the millisecond as far as this."""


@dataclass(frozen=True, slots=True)
class GroupKeys:
    """Where a group is on the server, and how it is called in messages."""

    keys: tuple[bytes, ...]
    called: str


async def evaluate(client: RedisClient, what: str, script: str, keys: tuple[bytes, ...], *arguments: Any) -> Any:
    """Run a script; ``what`` is for the error."""
    try:
        return await client.execute_command("EVALSHA", script, len(keys), *keys, *arguments)
    except (native.RedisError, OSError) as error:
        raise translated(error, what) from error


def company_of(client: RedisClient, backend: str) -> Company["RedisMember"]:
    """Return what keeps the members of a driver alive, as long as the event loop runs: it is the loop that beats."""

    async def beat(members: list[RedisMember]) -> None:
        keys = tuple(member.group.keys[-1] for member in members)
        names = (member.name for member in members)
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_S):  # a server that hangs may be back before this call gives up
                await evaluate(client, f"{backend}: members of streams", scripts.BEAT, keys, _milliseconds(HORIZON_S), *names)

    return Company(client.shared, lambda: _BEAT_S, beat)


class RedisMember(Member):
    """One stay in a group, under a name that changes if it was revoked and the member joined again.

    The receives of a member go to the server one after another.
    """

    def __init__(self, client: RedisClient, backend: str, company: "Company[RedisMember]", group: GroupKeys, bell: Bell) -> None:
        self._client, self._backend, self._company = client, backend, company
        self.group, self.bell = group, bell
        self.place: Hashable = group.keys
        self.name = secrets.token_hex(8)
        self.is_open = True
        self._turn = asyncio.Lock()
        self._batch = 0
        self._lost: set[int] = set()
        """Batches whose deliveries, if there are any, reached nobody."""

    async def enter(self) -> None:
        """Join; `GroupNotFound` if there is no such group."""
        self._company.enter(self)
        try:
            await self._join()
        except BaseException:
            with suppress(PrismError):  # what went wrong first is the story
                await self.leave()
            raise

    async def _join(self) -> None:
        if not await self._run(scripts.JOIN, "join"):
            raise GroupNotFound(f"{self._what('join')}: there is no such group")

    async def leave(self) -> None:
        """Give back what is held. A repeat does nothing; a cancellation waits for it."""
        if not self.is_open:
            return
        self.is_open = False
        self._company.leave(self)
        try:
            await whole(self._leave())
        finally:
            self.bell.ring()

    async def _leave(self) -> None:
        async with self._turn:  # after a receive that is on its way
            await self._run(scripts.LEAVE, "leave")

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        most = check_most(max_records, "receive", self._backend)
        loop = asyncio.get_running_loop()
        until = loop.time() + prism.check_timeout(timeout_s, "receive", self._backend)
        pause_s = _FIRST_PAUSE_S
        while True:
            async with self._turn:
                taken = await self._take(most)
            left_s = until - loop.time()
            if taken or left_s <= 0:
                return taken
            await self.bell.rest(min(left_s, pause_s))
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await self._answer(scripts.ACK, "ack", deliveries)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        delay_s = prism.check_timeout(delay_s, "nack", self._backend)
        await self._answer(scripts.NACK, "nack", deliveries, _milliseconds(delay_s))
        self.bell.ring()

    async def _answer(self, script: str, operation: str, deliveries: tuple[RecordDelivery, ...], *arguments: int) -> None:
        """Act on what this member got, whether it still holds it or not; what it did not get, or lost, is a `Conflict`."""
        check_deliveries(deliveries, operation, self._backend)
        self._check_open(operation)
        mine = [delivery for delivery in deliveries if _name_of(delivery) == self.name]
        parts = [part for each in mine for part in (name_of(each.record), each.token.partition(".")[2])]
        refused = [delivery for delivery in deliveries if _name_of(delivery) != self.name]
        if mine and not await self._run(script, operation, *arguments, *parts):
            refused = list(deliveries)
        if refused:
            offset = refused[0].record.offset
            raise Conflict(f"{self._what(operation)}: this member does not hold what it got at {offset}")

    async def _take(self, most: int) -> list[RecordDelivery]:
        """Take, or have taken nothing: what was taken for a caller that is cancelled is given back before that goes on."""
        self._check_open("receive")
        self._batch += 1
        batch = self._batch
        taking = begun(self._ask(batch, most))
        try:
            found = await asyncio.shield(taking)
        except BaseException:
            self._lost.add(batch)
            await ended(taking)
            if taking.exception() is None:
                await ended(begun(self._give_back()))
            raise
        self._check_open("receive")  # else the leaving gives all of it back
        token = f"{self.name}.{batch}"
        return [RecordDelivery(record_of(identity, fields, part), count, token) for identity, count, fields, part in found]

    async def _ask(self, batch: int, most: int) -> list[Any]:
        """Ask for deliveries in this batch, which is to be a new one, and give up those that were lost."""
        lost = frozenset(self._lost)
        status: int
        found: list[Any]
        status, *found = await self._run(scripts.TAKE, "receive", batch, most, " ".join(map(str, lost)))
        if status == -2 and self.is_open:
            self._company.rename(self, secrets.token_hex(8))
            await self._join()
            status, *found = await self._run(scripts.TAKE, "receive", batch, most, "")
        if status == -1:
            raise GroupNotFound(f"{self._what('receive')}: the group is gone")
        self._lost -= lost
        return found

    async def _give_back(self) -> None:
        """Undo the receives that reached nobody; if that fails now, the next receive does it, or leaving."""
        self._batch += 1
        with suppress(PrismError):
            await self._ask(self._batch, 0)
            self.bell.ring()

    async def _run(self, script: str, operation: str, *arguments: Any) -> Any:
        alive = " ".join(self._company.alive(self.place))
        ours = (_milliseconds(HORIZON_S), self.name, alive)
        return await evaluate(self._client, self._what(operation), script, self.group.keys, *ours, *arguments)

    def _check_open(self, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{self._what(operation)}: the member was left")

    def _what(self, operation: str) -> str:
        return f"{self._backend}: {operation} of {self.group.called}"


def _name_of(delivery: RecordDelivery) -> str:
    return delivery.token.partition(".")[0]


def _milliseconds(seconds: float) -> int:
    """Return a duration rounded up, so that nothing comes early."""
    return min(math.ceil(seconds * 1000) if seconds < _LONGEST_DELAY_MS else _LONGEST_DELAY_MS, _LONGEST_DELAY_MS)
