"""Mutants that keep in the driver what belongs to one read or one member."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Reading, Streams, step

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.1", "shared cursor", trap="two reads of one client that go on by turns", also="basic.14 basic.5")
class ReadsOfAClientShareTheirPlace(Streams):
    at = 0

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        self.at, end, given = start, self.stream(stream).end, 0
        while given != limit and (record := self.first(stream, self.at, end)) is not None:
            self.at, given = record.offset + 1, given + 1
            yield record


@mutant("basic.5", "shared counter", trap="two reads with limits that go on by turns", also="basic.1")
class ReadsOfAClientShareTheirLimit(Streams):
    given = 0

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, end, self.given = start, self.stream(stream).end, 0
        while self.given != limit and (record := self.first(stream, at, end)) is not None:
            at, self.given = record.offset + 1, self.given + 1
            yield record


@mutant(
    "consumer_groups.10",
    "shared number",
    trap="two members of one client that wait for different numbers",
    also="consumer_groups.1",
)
class MembersOfAClientShareTheirNumber(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.driver.__dict__["wanted"] = max_records
        return await super().receive(max_records, timeout_s)

    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(self.driver.__dict__.get("wanted", most))


@mutant("consumer_groups.10", "shared time", trap="two that wait for different times", also="consumer_groups.1")
class MembersOfAClientShareTheirTime(Member):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        self.check_open("receive")
        most, until = self.most(max_records), self.driver.__dict__
        until["until_s"] = self.driver.after(timeout_s)
        while True:
            found = self.take(most)
            if found or timeout_s <= 0 or self.driver.over(until["until_s"]):
                return found
            await self.pause(until["until_s"])
            self.check_open("receive")


@mutant("basic.2", "shared key", trap="two appends of one client at once, with different keys", also="basic.12")
class AppendsOfAClientShareTheirKey(Streams):
    key_now: str | None = None

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.key(key, "append")
        self.key_now = key
        await step()
        return await super().append(stream, payload, self.key_now, headers)


@mutant("basic.12", "shared name", trap="two appends of one client at once, to different streams", also="basic.8 basic.1")
class AppendsOfAClientShareTheirStream(Streams):
    stream_now = ""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.stream_now = self.name(stream, "append")
        await step()
        return await super().append(self.stream_now, payload, key, headers)


@mutant("consumer_groups.7", "shared delay", trap="two nacks at once, with different delays", also="consumer_groups.5")
class NacksOfAClientShareTheirDelay(Member):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.driver.__dict__["delay_s"] = self.delay(delay_s)
        await step()
        await super().nack(*deliveries, delay_s=self.driver.__dict__["delay_s"])


@mutant("consumer_groups.6", "shared deliveries", trap="two acks of one client at once", also="consumer_groups.5 consumer_groups.9")
class AcksOfAMemberShareTheirDeliveries(Member):
    acking: tuple[RecordDelivery, ...] = ()

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self.acking = deliveries
        await step()
        await super().ack(*self.acking)
