"""Members of a group: what they take and give back, and how others know that they live."""

import asyncio
import json
import math
import secrets
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

import prism_testkit as prism
from prism_backends.cancellation import begun, ended, whole
from prism_backends.postgres import stream_sql as sql
from prism_backends.postgres.client import PostgresClient, Row
from prism_backends.stream_arguments import check_deliveries, check_most
from prism_backends.streamcompany import Company, bell_of
from prism_testkit.interfaces.errors import Closed, Conflict, GroupNotFound, PrismError
from prism_testkit.interfaces.stream import Member, Record, RecordDelivery

__all__ = ["HORIZON_S", "PostgresMember", "company_of", "record_of"]

_ME = "postgres"
HORIZON_S = 4.0
"""So long after its last sign of life a member of another process counts as alive."""
_BEAT_S = HORIZON_S / 3
_FIRST_PAUSE_S = 0.002
_LAST_PAUSE_S = 0.05
_LONGEST_DELAY_S = 1e12
"""What is longer than 30,000 years is cut to that."""
_MOST = 10_000
_BYTES_AT_ONCE = 8_000_000
"""A receive ends when its payloads reach this, so memory is bounded by it and one payload."""


def record_of(row: Row) -> Record:
    """Make a record of (pos, key, headers, appended_ms, payload)."""
    offset, key, headers, appended_ms, payload = row
    return Record(offset, None if key is None else key.decode(), payload, json.loads(headers), appended_ms)


def company_of(client: PostgresClient) -> Company["PostgresMember"]:
    """Return what keeps the members of a driver alive, as long as the event loop runs: it is the loop that beats."""

    async def beat(members: list[PostgresMember]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_S):  # a server that hangs may be back before this call gives up
                columns = zip(*((*member.names, member.name) for member in members), strict=True)
                await client.rows(f"{_ME}: members of streams", sql.BEAT, *columns, HORIZON_S)

    return Company(client.shared, lambda: _BEAT_S, beat)


class PostgresMember(Member):
    """One stay in a group: a row, whose name changes if it was revoked and the member joined again.

    ``names``: the bytes of namespace, stream and group. The receives of a member go to the server one after another.
    """

    def __init__(self, client: PostgresClient, company: "Company[PostgresMember]", names: tuple[bytes, bytes, bytes]) -> None:
        self._client, self._company, self.names = client, company, names
        self.place: Hashable = names
        self.name = secrets.token_hex(8)
        self.bell = bell_of(client.shared, *names[:2])
        self.is_open = True
        self._turn = asyncio.Lock()
        self._batch = 0
        self._lost: set[int] = set()
        """Receives whose deliveries, if there are any, reached nobody."""

    async def enter(self) -> None:
        """Join; `GroupNotFound` if there is no such group."""
        self._company.enter(self)
        try:
            if not (await self._run("join", sql.JOIN, HORIZON_S))[0][0]:
                raise GroupNotFound(f"{self._what('join')}: there is no such group")
        except BaseException:
            with suppress(PrismError):  # what went wrong first is the story
                await self.leave()
            raise

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
            with suppress(Closed):  # the client is; what was held comes again when the horizon is reached
                await self._run("leave", sql.LEAVE)

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        most = min(check_most(max_records, "receive", _ME), _MOST)
        loop = asyncio.get_running_loop()
        until = loop.time() + prism.check_timeout(timeout_s, "receive", _ME)
        pause_s = 0.0
        while True:
            heard = self.bell.rings
            async with self._turn:
                taken = await self._take(most) if not pause_s or await self._may_find() else []
            left_s = until - loop.time()
            if taken or left_s <= 0:
                return taken
            pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _LAST_PAUSE_S)
            await self.bell.rest(min(left_s, pause_s), heard)

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await self._answer("ack", sql.ACK, deliveries)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        delay_s = min(prism.check_timeout(delay_s, "nack", _ME), _LONGEST_DELAY_S)
        await self._answer("nack", sql.NACK, deliveries, math.ceil(delay_s * 1_000_000))
        self.bell.ring()

    async def _answer(self, operation: str, statement: str, deliveries: tuple[RecordDelivery, ...], *arguments: int) -> None:
        """Act on what this member got, whether it still holds it or not; what it did not get, or lost, is a `Conflict`."""
        check_deliveries(deliveries, operation, _ME)
        self._check_open(operation)
        mine = [delivery for delivery in deliveries if _token(delivery)[0] == self.name]
        refused = [delivery for delivery in deliveries if _token(delivery)[0] != self.name]
        if mine:
            places, batches = [each.record.offset for each in mine], [_token(each)[1] for each in mine]
            if not (await self._run(operation, statement, places, batches, *arguments))[0][0]:
                refused = list(deliveries)
        if refused:
            raise Conflict(f"{self._what(operation)}: this member does not hold what it got at {refused[0].record.offset}")

    async def _may_find(self) -> bool:
        self._check_open("receive")
        if self._lost:
            return True
        return bool((await self._run("receive", sql.LOOK, self._alive()))[0][0])

    async def _take(self, most: int) -> list[RecordDelivery]:
        """Take, or have taken nothing: what was taken for a caller that is cancelled is given back before that goes on."""
        self._check_open("receive")
        self._batch += 1
        batch, lost = self._batch, frozenset(self._lost)
        arguments = secrets.token_hex(8), HORIZON_S, self._alive(), list(lost), batch, most, _BYTES_AT_ONCE
        taking = begun(self._run("receive", sql.TAKE, *arguments))
        try:
            rows = await asyncio.shield(taking)
        except BaseException:
            self._lost.add(batch)
            await ended(taking)
            await ended(begun(self._give_back()))
            raise
        if not rows:
            raise GroupNotFound(f"{self._what('receive')}: the group is gone")
        name = rows[0]["its_member"]
        if name != self.name:
            self._company.rename(self, name)
        self._lost -= lost
        self._check_open("receive")  # else the leaving gives all of it back
        return [RecordDelivery(record_of(row[2:]), row[1], f"{name}.{batch}") for row in rows[1:]]

    async def _give_back(self) -> None:
        """Undo the receives that reached nobody; if that fails now, the next receive does it, or leaving."""
        lost = frozenset(self._lost)
        with suppress(PrismError):
            await self._run("receive", sql.VOID, list(lost))
            self._lost -= lost
            self.bell.ring()

    def _alive(self) -> list[str]:
        return list(self._company.alive(self.place))

    async def _run(self, operation: str, statement: str, *arguments: Any) -> list[Row]:
        """Run a statement on this member of its group."""
        return await self._client.rows(self._what(operation), statement, *self.names, self.name, *arguments)

    def _check_open(self, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{self._what(operation)}: the member was left")

    def _what(self, operation: str) -> str:
        stream, group = (name.decode()[:40] for name in self.names[1:])
        return f"{_ME}: {operation} of group {group!a} of {stream!a}"


def _token(delivery: RecordDelivery) -> tuple[str, int]:
    """Return the member and the receive that a token tells; no driver of ours gave out one without a number."""
    member, _, batch = delivery.token.partition(".")
    return (member, int(batch)) if batch.isdecimal() and len(batch) < 19 else ("", 0)
