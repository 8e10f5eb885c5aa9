"""Mutants of strangers, the third round: the instants at which things are looked at, and who is woken."""

from collections.abc import AsyncIterator, Mapping

from prism_testkit.interfaces import Bytes, GroupInfo, Record, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, Streams
from .stores import Acked, Held, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.1", "wrong instant", trap="an append between the call of a read and its first step", also="basic.12")
class EndIsOfTheCall(Streams):
    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        return self._until(stream, start, limit, self.stream(stream).end if isinstance(stream, str) else 0)

    async def _until(self, stream: str, start: int, limit: int | None, end: int) -> AsyncIterator[Record]:
        async for record in super().read(stream, start, limit):
            if record.offset >= end:
                return
            yield record


class _WakesOne(Store):
    def wake(self) -> None:
        waiter = next((waiter for waiter in self.waiting if not waiter.done()), None)
        if waiter is not None:
            waiter.set_result(None)


@mutant("consumer_groups.10", "lost wake-up", trap="members of two groups that wait", also="consumer_groups.9", store=_WakesOne)
class OneOfThoseWhoWaitIsWoken(Streams):
    """It should be all."""


class _LeavesQuietly(Member):
    def leave(self) -> None:
        waiting, self.driver.store.waiting = self.driver.store.waiting, set()
        try:
            super().leave()
        finally:
            self.driver.store.waiting = waiting


@mutant(
    "consumer_groups.5", "lost wake-up", trap="a member that holds something is left while another waits", also="consumer_groups.10"
)
class LeavingWakesNobody(Streams):
    member_type = _LeavesQuietly


@mutant("consumer_groups.11", "wrong count", trap="a record nacked with a delay that is not over")
class PendingIsWhatIsHeld(Streams):
    def info(self, stream: str, group: str) -> GroupInfo:
        found = self.group(stream, group)
        return GroupInfo(
            len(found.members), sum(held.member > 0 or self.over(held.due) for held in found.pending.values()), found.position
        )


class _LastOfMany(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries)
        if len(deliveries) > 1:
            offsets = sorted(delivery.record.offset for delivery in deliveries)
            for offset, held in list(self.state().pending.items()):
                if offsets[0] < offset < offsets[-1] and self.holds(held):
                    self.put(offset, Acked())


@mutant("consumer_groups.6", "range", trap="an ack of the first and the last of three", also="consumer_groups.5")
class AckOfSeveralIsARange(Streams):
    member_type = _LastOfMany


class _CountsFrom(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        freed = super().freed(held, delay_s)
        return freed if not self.left else Held(max(0, freed.count - 1), due=freed.due)


@mutant("consumer_groups.5", "wrong count", trap="a record that comes again because its member was left")
class LeavingDoesNotCount(Streams):
    member_type = _CountsFrom


@mutant("basic.2", "shared default", trap="a record without headers, after one of the same key with headers")
class HeadersOfTheKeyAreKept(Streams):
    """A key's headers are its last ones: without any they are left as they were."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        slot = self.namespace, stream, key
        if headers is None and key is not None:
            headers = self.store.notes.get(slot)
        offset = await super().append(stream, payload, key, headers)
        if headers is not None and key is not None:
            self.store.notes[slot] = dict(headers)
        return offset
