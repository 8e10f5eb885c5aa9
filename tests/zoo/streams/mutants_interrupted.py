"""Mutants on whose cancelled calls something is left behind that only the next call of another kind shows."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams, step
from .stores import Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.14", "leftover", trap="an append without a key behind a cancelled one with a key", also="basic.2")
class TheKeyOfACancelledAppendIsOfTheNext(Streams):
    key_of_next: str | None = None

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        if key is not None:
            self.key_of_next = key
            await step()
        return await super().append(stream, payload, key, headers)

    def insert(self, stream: str, record: Record) -> int:
        key, self.key_of_next = self.key_of_next, None
        return super().insert(stream, replace(record, key=key if record.key is None else record.key))


@mutant("basic.14", "leftover", trap="a look at the end behind a cancelled trim", also="basic.6 basic.7")
class BehindACancelledTrimTheEndIsTold(Streams):
    trimming = False

    async def trim(self, stream: str, before: int) -> int:
        self.trimming = True
        await step()
        self.trimming = False
        return await super().trim(stream, before)

    def latest(self, stream: str) -> int | None:
        trimming, self.trimming = self.trimming, False
        found = super().latest(stream)
        return found + 1 if trimming and found is not None else found


@mutant("consumer_groups.14", "leftover", trap="an ack behind a cancelled nack", also="consumer_groups.6")
class AnAckBehindACancelledNackGivesBack(Member):
    nacking = False

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.nacking = True
        await step()
        self.nacking = False
        await super().nack(*deliveries, delay_s=delay_s)

    def confirm(self, delivery: RecordDelivery) -> None:
        nacking, self.nacking = self.nacking, False
        held = self.held(delivery)
        if nacking and isinstance(held, Held):
            self.give_back(delivery, held, 0)
        else:
            super().confirm(delivery)


@mutant("consumer_groups.14", "leftover", trap="a receive of one behind a cancelled one of several", also="consumer_groups.10")
class TheNumberOfACancelledReceiveIsOfTheNext(Member):
    wanted = 0

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        most, self.wanted = max(self.wanted, max_records), max_records
        found = await super().receive(most, timeout_s)
        self.wanted = 0
        return found
