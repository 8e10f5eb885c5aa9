"""A member of a durable subscription: what it takes, confirms and gives back."""

import asyncio
import json
import math
import secrets
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.cancellation import begun, ended, whole
from prism_backends.postgres import pubsub_sql as sql
from prism_backends.postgres.client import PostgresClient, Row
from prism_backends.postgres.presence import HORIZON_S, Subscribed, process_of
from prism_backends.pubsub_arguments import check_most, tokens_of
from prism_backends.streamcompany import Company
from prism_testkit.interfaces.errors import Closed, PrismError
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message

__all__ = ["Member"]

_ME = "postgres"
_LOOK_S = 1.0
"""How long one who waits trusts that it is woken."""
_MOST_BYTES = 4_000_000
"""One receive takes no more after so many: what comes is held in memory."""
_LONGEST_DELAY_S = 1e12


class Member(Deliveries):
    """One member. A token is ``member.take.seq``: a take is one receive, so that all of it can be put back.

    The name changes if it was taken for dead and joined again; what it held is then somebody else's.
    """

    def __init__(
        self,
        client: PostgresClient,
        company: Company[Subscribed],
        bell: Bell,
        names: tuple[bytes, bytes, bytes],
        topic: str,
        is_new: bool,
    ) -> None:
        self._client, self._company, self.bell = client, company, bell
        self.names: tuple[bytes, ...] = names
        self.place: Hashable = names
        self.name = secrets.token_hex(8)
        self.is_open = True
        self._topic, self._is_new = topic, is_new
        self._turn = asyncio.Lock()  # one take at a time, and none behind a leave
        self._number = 0
        self._lost: set[int] = set()
        """Takes whose deliveries, if there are any, reached nobody."""

    async def enter(self) -> None:
        """Make the subscription if there is none, and join it."""
        self._company.enter(self)
        await self._run("subscribe_durable", sql.ENTER, process_of(self._client), HORIZON_S, self._is_new)

    async def leave(self) -> None:
        """Give back what is held, each message to its old turn. A repeat does nothing.

        What goes wrong here only costs time: the messages of one that gives no sign of life are given back by the next one.
        """
        if not self.is_open:
            return
        self.is_open = False
        self._company.leave(self)
        try:
            await whole(self._leave())
        finally:
            self.bell.ring()

    async def _leave(self) -> None:
        async with self._turn:
            with suppress(PrismError):
                await self._run("leave", sql.LEAVE)

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self._check_open("receive")
        most = check_most(max_messages, _ME)
        loop = asyncio.get_running_loop()
        until = loop.time() + prism.check_timeout(timeout_s, "receive", _ME)
        may_find, due_s = True, 0.0
        while True:
            heard = self.bell.rings
            is_last = loop.time() >= until
            async with self._turn:
                if not may_find:
                    may_find, due_s = await self._look()
                found = await self._take(most) if may_find else []
            self._check_open("receive")
            if found or is_last:
                return found
            if may_find:  # what it was is somebody else's now; from here on it looks before it takes
                may_find = False
                continue
            await self.bell.rest(min(max(0.0, until - loop.time()), max(0.0, due_s), _LOOK_S), heard)

    async def ack(self, *deliveries: Delivery) -> None:
        self._check_open("ack")
        takes, numbers = self._held(tokens_of(deliveries, "ack", _ME))
        if numbers and (await self._run("ack", sql.ACK, takes, numbers))[0][0]:
            self.bell.ring()

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self._check_open("nack")
        delay_s = min(prism.check_timeout(delay_s, "nack", _ME), _LONGEST_DELAY_S)
        takes, numbers = self._held(tokens_of(deliveries, "nack", _ME))
        if numbers:
            await self._run("nack", sql.NACK, takes, numbers, math.ceil(delay_s * 1_000_000))
            self.bell.ring()

    def _held(self, tokens: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return take and number for each token of this member; those of others it does not hold."""
        parts = [token.split(".") for token in tokens]
        mine = [(int(part[1]), int(part[2])) for part in parts if part[0] == self.name]
        return [take for take, _ in mine], [number for _, number in mine]

    def _check_open(self, operation: str) -> None:
        if not self.is_open:
            raise Closed(f"{_ME}: {operation} {self._topic[:40]!a}: the subscription was left")

    async def _look(self) -> tuple[bool, float]:
        """Return whether a take may find something, and in how many seconds one may."""
        self._check_open("receive")
        alive = list(self._company.alive(self.place))
        may_find, due_s = (await self._run("receive", sql.LOOK, alive))[0]
        ahead_s = math.inf if due_s is None else due_s
        return may_find or ahead_s <= 0 or bool(self._lost), ahead_s

    async def _take(self, most: int) -> list[Delivery]:
        """Take, or have taken nothing: what was taken for a caller that is cancelled is given back before that goes on."""
        self._check_open("receive")
        self._number += 1
        number, lost = self._number, frozenset(self._lost)
        alive = list(self._company.alive(self.place))
        arguments = secrets.token_hex(8), process_of(self._client), HORIZON_S, alive, list(lost), number, most, _MOST_BYTES
        taking = begun(self._run("receive", sql.TAKE, *arguments))
        try:
            rows = await asyncio.shield(taking)
        except BaseException:
            self._lost.add(number)
            await ended(taking)
            await ended(begun(self._give_back()))
            raise
        self._lost -= lost
        if not rows:  # there was a `clean`
            return []
        name = rows[0]["its_member"]
        if name != self.name:
            self._company.rename(self, name)
        return [self._delivery(name, number, *row[1:]) for row in rows[1:]]

    async def _give_back(self) -> None:
        """Undo the takes that reached nobody; if that fails now, the next take does it, or leaving."""
        lost = frozenset(self._lost)
        with suppress(PrismError):
            await self._run("receive", sql.UNDO, list(lost))
            self._lost -= lost
            self.bell.ring()

    def _delivery(self, name: str, take: int, count: int, seq: int, headers: str, payload: bytes) -> Delivery:
        return Delivery(Message(str(seq), self._topic, payload, json.loads(headers)), count, f"{name}.{take}.{seq}")

    async def _run(self, operation: str, statement: str, *arguments: Any) -> list[Row]:
        what = f"{_ME}: {operation} {self._topic[:40]!a}"
        return await self._client.rows(what, statement, *self.names, self.name, *arguments)
