"""Members of a group: what they take and give back, and how others know that they live."""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import prism_testkit as prism
from prism_backends.cancellation import begun, ended, whole
from prism_backends.sqlite import streamlog
from prism_backends.sqlite.client import SqliteClient, Work
from prism_backends.sqlite.streamgroups import GroupRows, Held, tokens_of
from prism_backends.sqlite.waiting import Patience
from prism_backends.stream_arguments import check_deliveries, check_most
from prism_backends.streamcompany import Company, bell_of
from prism_testkit.interfaces.errors import Closed, Conflict, GroupNotFound, PrismError
from prism_testkit.interfaces.stream import Member, RecordDelivery

__all__ = ["HORIZON_S", "SqliteMember", "company_of"]

T = TypeVar("T")

_ME = "sqlite"
HORIZON_S = 4.0
"""So long after its last sign of life a member of another process counts as alive."""
_BEAT_S = HORIZON_S / 3
_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""


def company_of(client: SqliteClient) -> Company["SqliteMember"]:
    """Return what keeps the members of a driver alive.

    On a virtual clock nothing beats: whoever lives is in this process. On a real one a beat fails while a writer of another
    process keeps the file, so the horizon leaves room for two beats more.
    """

    async def beat(members: list[SqliteMember]) -> None:
        def renew(connection: sqlite3.Connection, now_s: float) -> None:
            for member in members:
                GroupRows(connection, member.names).renew(member.name, now_s + HORIZON_S)

        await client.write("stream members", renew)

    return Company(client.shared, lambda: _BEAT_S, None if client.clock.virtual else beat)


class SqliteMember(Member):
    """One stay in a group: a row, whose name changes if it was revoked and the member joined again."""

    def __init__(self, client: SqliteClient, company: "Company[SqliteMember]", names: dict[str, bytes]) -> None:
        self._client, self._company, self.names = client, company, names
        self.name = secrets.token_hex(8)
        self.place: Hashable = tuple(names.values())
        self.bell = bell_of(client.shared, names["namespace"], names["stream"])
        self.is_open = True
        self._batch = 0
        self._void: set[int] = set()
        """Receives whose deliveries, if there are any, reached nobody."""

    async def enter(self) -> None:
        """Join; `GroupNotFound` if there is no such group."""
        self._company.enter(self)
        try:
            await self._write("join", self._join)
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
            with suppress(Closed):  # the connection is; what was held comes again when the horizon is reached
                await whole(self._write("leave", lambda rows, now_s: rows.leave(self.name, now_s)))
        finally:
            self.bell.ring()

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        most = check_most(max_records, "receive", _ME)
        patience = Patience(self.bell, prism.check_timeout(timeout_s, "receive", _ME), self._client.clock.virtual)
        while True:
            self._check_open("receive")
            ahead_s = await self._client.read(self._what("receive"), self._on_rows(self._ahead_s))
            if ahead_s <= 0 and (taken := await self._take(most)):
                return taken
            if not await patience.rest(ahead_s if ahead_s > 0 else HORIZON_S):
                return []

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await self._answer("ack", deliveries, lambda rows, held, now_s: rows.ack(held))

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        delay = prism.check_timeout(delay_s, "nack", _ME)
        rounding = _ROUNDING_S if delay else 0.0
        await self._answer("nack", deliveries, lambda rows, held, now_s: rows.nack(held, now_s + delay + rounding))
        self.bell.ring()

    async def _answer(
        self, operation: str, deliveries: tuple[RecordDelivery, ...], act: Callable[[GroupRows, Held, float], None]
    ) -> None:
        """Act on what this member got, whether it still holds it or not; what it did not get, or lost, is a `Conflict`."""
        check_deliveries(deliveries, operation, _ME)
        self._check_open(operation)

        def work(rows: GroupRows, now_s: float) -> list[int]:
            alive = rows.renew(self.name, now_s + HORIZON_S)
            refused: list[int] = []
            for held in tokens_of(deliveries):
                if alive and held.member == self.name:
                    act(rows, held, now_s)
                else:
                    refused.append(held.offset)
            return refused

        refused = await self._write(operation, work) if deliveries else []
        if refused:
            raise Conflict(f"{self._what(operation)}: this member does not hold what it got at {refused[0]}")

    def _join(self, rows: GroupRows, now_s: float) -> None:
        if rows.position() is None:
            raise GroupNotFound(f"{self._what('join')}: there is no such group")
        rows.join(self.name, now_s + HORIZON_S)

    def _ahead_s(self, rows: GroupRows, now_s: float) -> float:
        """Return 0 or less if a take may find something, else in how many seconds it may, as far as one can tell."""
        position = rows.position()
        others = rows.others()
        if position is None or self.name not in others or rows.is_new(position):
            return 0.0
        dead = (until_s for name, until_s in others.items() if not self._company.is_alive(name))
        due_s = rows.next_due_s()
        return min([*dead, now_s + HORIZON_S if due_s is None else due_s]) - now_s

    async def _take(self, most: int) -> list[RecordDelivery]:
        """Take, or have taken nothing: what was taken for a caller that is cancelled is given back before that goes on."""
        self._batch += 1
        batch, void = self._batch, frozenset(self._void)
        taking = begun(self._write("receive", partial(self._deliver, void, batch, most)))
        try:
            taken = await asyncio.shield(taking)
        except BaseException:
            self._void.add(batch)
            await ended(taking)
            await ended(begun(self._give_back()))
            raise
        self._void -= void
        self._check_open("receive")  # else the leaving gave all of it back
        return taken

    def _deliver(self, void: frozenset[int], batch: int, most: int, rows: GroupRows, now_s: float) -> list[RecordDelivery]:
        self._check_open("receive")  # it may have been left meanwhile, and must not join again
        position = rows.position()
        if position is None:
            raise GroupNotFound(f"{self._what('receive')}: the group is gone")
        if not rows.renew(self.name, now_s + HORIZON_S):
            self._company.rename(self, secrets.token_hex(8))
            rows.join(self.name, now_s + HORIZON_S)
        for lost in void:
            rows.void(self.name, lost, now_s)
        for name, until_s in rows.others(self.name).items():
            if until_s <= now_s and not self._company.is_alive(name):
                rows.leave(name, now_s)
        state = streamlog.state_of(rows.connection, self.names)
        if state is not None:
            streamlog.enforce(rows.connection, self.names, state, self._client.clock.now_ms(), [])
        return rows.take(self.name, batch, position, most, now_s)

    async def _give_back(self) -> None:
        """Undo the receives that reached nobody; if that fails now, the next receive does it, or leaving."""
        void = frozenset(self._void)

        def work(rows: GroupRows, now_s: float) -> None:
            for lost in void:
                rows.void(self.name, lost, now_s)

        with suppress(PrismError):
            await self._write("receive", work)
            self._void -= void
            self.bell.ring()

    async def _write(self, operation: str, work: Callable[[GroupRows, float], T]) -> T:
        return await self._client.write(self._what(operation), self._on_rows(work))

    def _on_rows(self, work: Callable[[GroupRows, float], T]) -> Work[T]:
        return lambda connection, now_s: work(GroupRows(connection, self.names), now_s)

    def _check_open(self, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{self._what(operation)}: the member was left")

    def _what(self, operation: str) -> str:
        stream, group = (self.names[part].decode()[:40] for part in ("stream", "grp"))
        return f"{_ME}: {operation} of group {group!a} of {stream!a}"
