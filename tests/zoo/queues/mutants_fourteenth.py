"""Wrong queues that recover when somebody connects, as if nobody else were alive."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.backend import Place
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Connect, Row, Store, connector

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Recovering(Store):
    """Whoever connects puts right what a process left that died."""

    def recovered(self, row: Row) -> Row:
        return row

    def recover(self) -> None:
        for space in self.spaces.values():
            for queue, rows in space.queues.items():
                space.apply({(queue, name): self.recovered(row) for name, row in rows.items()})


class _FreesLeases(_Recovering):
    def recovered(self, row: Row) -> Row:
        return replace(row, token="", until=0.0) if row.token else row


class _ForgetsAttempts(_Recovering):
    def recovered(self, row: Row) -> Row:
        return replace(row, token="", until=0.0, attempts=row.attempts - 1) if row.token else row


class _EndsDelays(_Recovering):
    def recovered(self, row: Row) -> Row:
        return replace(row, due=0.0)


def _recovering(store_type: type[_Recovering]) -> Connect:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        async with connector(store_type)(place) as store:
            assert isinstance(store, _Recovering)
            store.recover()
            yield store

    return connect


@mutant("visibility.2", "recovery", trap="somebody connects while a message is leased", connect=_recovering(_FreesLeases))
class NewcomersFreeLeases(Queue):
    """At the start what is in hand goes back to its queue: its consumer must have died."""


@mutant("visibility.2", "recovery", trap="somebody connects while a message is leased", connect=_recovering(_ForgetsAttempts))
class NewcomersUndoReceives(Queue):
    """As if what is in hand had never been received."""


@mutant(
    "delayed.1", "recovery", trap="somebody connects while a message is delayed", connect=_recovering(_EndsDelays), also="delayed.2"
)
class NewcomersEndDelays(Queue):
    """The timers are those of a process, and a newcomer has none for what is there."""
