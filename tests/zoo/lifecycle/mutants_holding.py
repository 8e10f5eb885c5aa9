"""Wrong ends of what is held between two calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Closed, Deliveries, KeyValueTransaction
from tests.zoo.declare import Mutant

from .declare import declaring
from .holding import Durable, Holder, Transaction, Transactions

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("2", "missing step", "a transaction that is open when it is closed")
class ClosedTransactionsCommit(Transactions):
    async def commit(self, transaction: Transaction) -> None:
        transaction.commit()


@mutant("2", "wrong error", "a transaction that is open when it is closed")
class ClosedTransactionsEndInSilence(Transactions):
    async def commit(self, transaction: Transaction) -> None:
        if self.state != "closed":
            transaction.commit()


@mutant("2", "partial effect", "a transaction that is open when it is closed")
class ClosedTransactionsAreFlushed(Transactions):
    async def commit(self, transaction: Transaction) -> None:
        transaction.commit()
        transaction.check()


@mutant("2", "missing step", "a transaction that is open when it is closed")
class ClosedTransactionsStillRead(Transactions):
    class transaction_type(Transaction):  # noqa: N801  it takes the place of an attribute
        async def get(self, key: str) -> bytes | None:
            return self.writes[key] if key in self.writes else self.driver.values.get(key)


@mutant("2", "lock", "a transaction that is open when it is closed")
class ClosedTransactionsKeepTheirLock(Transactions):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        self.client.data[f"locked/{self.namespace}"] = True
        async with super().transaction() as made:
            yield made
        self.client.data.pop(f"locked/{self.namespace}")

    async def _set(self, key: str, value: bytes) -> None:
        if f"locked/{self.namespace}" in self.client.data:
            raise TimeoutError("it is locked")
        await super()._set(key, value)


@mutant("3", "wrong count", "a transaction that is open when it is drained")
class OpenTransactionsAreInHand(Transactions):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[KeyValueTransaction]:
        body = asyncio.ensure_future(asyncio.get_running_loop().create_future())
        self.in_hand.add(body)
        try:
            async with super().transaction() as made:
                yield made
        finally:
            self.in_hand.discard(body)
            body.cancel()


@mutant("3", "partial effect", "a transaction that is open when it is drained")
class DrainedTransactionsCommitNothing(Transactions):
    async def commit(self, transaction: Transaction) -> None:
        if self.state != "draining":
            await super().commit(transaction)


@mutant("3", "truncation", "a scan that goes on while it is drained")
class DrainedScansEndEarly(Transactions):
    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key in super().scan_keys(prefix, limit):
            yield key
            if self.state == "draining":
                return


@mutant("2", "missing step", "a scan that goes on after close")
class ClosedScansGoOn(Transactions):
    def step(self) -> None:
        pass


@mutant("2", "truncation", "a scan that goes on after close")
class ClosedScansEndEarly(Transactions):
    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        try:
            async for key in super().scan_keys(prefix, limit):
                yield key
        except Closed:
            if self.state != "closed" or not self.session:
                raise
            self.session = object()


@mutant("2", "missing step", "a member that holds messages when it is closed")
class ClosedMembersKeepWhatTheyHold(Durable):
    async def leave(self) -> None:
        pass

    def exit(self, holder: Holder) -> None:
        if self.state != "closed":
            super().exit(holder)


@mutant("2", "missing step", "a member that holds messages when it is closed")
class ClosedMembersStillAck(Durable):
    class _Acking(Holder):
        async def ack(self, *deliveries: object) -> None:
            for delivery in deliveries:
                self.held.pop(delivery.token, None)  # type: ignore[attr-defined]

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: object = "new") -> AsyncIterator[Deliveries]:
        async with super().subscribe_durable(topic, name, start) as made:
            made.__class__ = self._Acking
            yield made


@mutant("2", "scope", "another driver's member holds a message when one is closed", also="3")
class ClosingOneFreesWhatAllHold(Durable):
    @property
    def everybody(self) -> list[Holder]:
        found: list[Holder] = self.client.data.setdefault(f"holders/{self.namespace}", [])
        return found

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: object = "new") -> AsyncIterator[Deliveries]:
        async with super().subscribe_durable(topic, name, start) as made:
            assert isinstance(made, Holder)
            self.everybody.append(made)
            yield made

    async def leave(self) -> None:
        await super().leave()
        for holder in self.everybody:
            holder.ready.extendleft(reversed(holder.held.values()))
            holder.held.clear()
