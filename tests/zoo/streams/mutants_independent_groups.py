"""Groups over tables, and over an actor, that break what is promised of members and deliveries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_testkit.interfaces import GroupInfo, GroupStart, Record, RecordDelivery
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .independent_actor import ActorMember, ActorStreams
from .independent_arguments import MAKER, whole
from .independent_declare import declaring_independent
from .independent_mailbox import Actor
from .independent_sql import SqlMember, SqlStreams
from .independent_tables import Tables

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []

mutant = declaring_independent(MUTANTS)


@mutant("consumer_groups.7", "delay of the last delivery only", trap="a nack of several with a delay")
class DelaysTheLastOfSeveral(SqlMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries[:-1])
        await super().nack(*deliveries[-1:], delay_s=delay_s)


@mutant("consumer_groups.7", "delay of 32 bits of milliseconds", trap="a delay of more than 49 days")
class DelaysIn32Bits(SqlMember):
    def delay(self, delay_s: float) -> float:
        return super().delay(delay_s) % (2**32 / 1000)


@mutant("consumer_groups.10", "wait of 31 bits of milliseconds", trap="a wait of more than 24 days")
class WaitsIn31Bits(ActorMember):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        return await super().receive(max_records, check_timeout(timeout_s, "receive", MAKER) % (2**31 / 1000))


@mutant(
    "consumer_groups.10",
    "nack that wakes nobody",
    trap="a nack while another member waits",
    also="consumer_groups.5 consumer_groups.15",
)
class NacksQuietly(SqlMember):
    def give(self, what: str, deliveries: tuple[RecordDelivery, ...], *values: float) -> None:
        waiting, self.tables.waiting = self.tables.waiting, set()
        try:
            super().give(what, deliveries, *values)
        finally:
            self.tables.waiting |= waiting


@mutant("consumer_groups.5", "count taken back", trap="a member that is left with what it holds", also="consumer_groups.14")
class LeavingTakesTheCountBack(Tables):
    def release(self, group: int, member: int) -> None:
        self.run("UPDATE pending SET times=times-1 WHERE grp=? AND member=?", group, member)
        super().release(group, member)


@mutant(
    "consumer_groups.4",
    "label taken for the member",
    trap="two members under one label, one of which leaves",
    also="consumer_groups.11",
)
class LeavesByLabel(Tables):
    def release(self, group: int, member: int) -> None:
        label = self.one("SELECT label FROM member WHERE id=?", member)
        same = "SELECT id FROM member WHERE grp=? AND label=?"
        self.run(f"UPDATE pending SET member=0, due=0 WHERE grp=? AND member IN ({same})", group, group, label)
        self.run("DELETE FROM member WHERE id=?", member)


@mutant("consumer_groups.6", "range for a list", trap="an ack of the first and the last of three", also="consumer_groups.5")
class AcksTheRange(SqlMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries)
        offsets = [delivery.record.offset for delivery in deliveries]
        if offsets and len({delivery.record.partition for delivery in deliveries}) == 1:
            self.tables.run(
                "DELETE FROM pending WHERE grp=? AND part=? AND member=? AND off BETWEEN ? AND ?",
                *(self.group, deliveries[0].record.partition, self.number, min(offsets), max(offsets)),
            )


@mutant("consumer_groups.6", "nack that puts back what is not there", trap="a nack of what was acked")
class NacksWhatWasAcked(SqlMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await super().nack(*deliveries, delay_s=delay_s)
        for delivery in deliveries:
            if delivery.token.startswith(f"{self.number}."):
                self.tables.run(
                    "INSERT OR IGNORE INTO pending(grp, part, off, times) VALUES(?,?,?,?)",
                    *(self.group, delivery.record.partition, delivery.record.offset, delivery.delivery_count),
                )


@mutant("consumer_groups.6", "ack that counts what it removed", trap="the same delivery twice in one ack")
class CountsItsAcks(SqlMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        if len({delivery.token for delivery in deliveries}) < len(deliveries):
            raise self.foreign(deliveries[0].token)
        await super().ack(*deliveries)


@mutant("consumer_groups.10", "bound of each half", trap="what comes again beside what is new", also="partitioning.10")
class BoundsEachHalf(SqlMember):
    def fresh(self, part: int, most: int) -> list[RecordDelivery]:
        held = self.tables.one("SELECT count(*) FROM pending WHERE grp=? AND member=? AND times>1", self.group, self.number)
        return super().fresh(part, most + held)


@mutant("consumer_groups.10", "bound of each partition", trap="a receive of records of several partitions", also="partitioning.10")
class BoundsEachPartition(SqlMember):
    def take(self, most: int) -> list[RecordDelivery]:
        with self.tables.writing(wakes=False):
            found = self.again(most)
            left = most - len(found)
            for part in range(self.tables.parts(self.stream) if left else 0):
                found += self.fresh(part, left)
        return found


@mutant(
    "consumer_groups.10",
    "bound before the filter",
    trap="a trimmed record before others that come again",
    also="consumer_groups.12",
)
class BoundsBeforeItLooks(SqlMember):
    def again(self, most: int) -> list[RecordDelivery]:
        now, found = self.tables.clock.now_s(), list[RecordDelivery]()
        due = self.tables.run(
            "SELECT part, off, times FROM pending WHERE grp=? AND member=0 AND due<=? ORDER BY part, off LIMIT ?",
            *(self.group, now, most),
        ).fetchall()
        for part, offset, times in due:
            for record in self.tables.rows(self.stream, part, offset, offset, 1):
                found.append(self.hold(record, times + 1))
        return found


@mutant(
    "consumer_groups.12",
    "window of offsets, not of records",
    trap="a gap longer than a receive",
    also="retention.10 consumer_groups.1",
)
class LooksAtAWindow(SqlMember):
    def fresh(self, part: int, most: int) -> list[RecordDelivery]:
        at = self.tables.one("SELECT at FROM cursor WHERE grp=? AND part=?", self.group, part)
        if not self.tables.rows(self.stream, part, at, at + max(most, 8) - 1, 1):
            return []
        return super().fresh(part, most)


@mutant("consumer_groups.10", "one wake-up for all that is left of the wait", trap="a wake-up for somebody else")
class WaitsOnce(SqlMember):
    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        whole(max_records, "max_records", 1)
        until = self.tables.clock.now_s() + check_timeout(timeout_s, "receive", MAKER)
        self.stay()
        found = self.take(max_records)
        if not found and timeout_s > 0:
            await self.tables.changed(min(until - self.tables.clock.now_s(), self.until_due()))
            self.stay()
            found = self.take(max_records)
        return found


@mutant(
    "consumer_groups.10",
    "one is woken for all",
    trap="two groups, or streams, that wait",
    also="consumer_groups.9 consumer_groups.15",
)
class WakesOne(Tables):
    def wake(self) -> None:
        if self.waiting:
            waiter = self.waiting.pop()
            if not waiter.done():
                waiter.set_result(None)


@mutant("consumer_groups.11", "delayed records that are not counted", trap="group_info during the delay of a nack")
class CountsOnlyWhatIsDue(SqlStreams):
    async def group_info(self, stream: str, group: str) -> GroupInfo:
        info = await super().group_info(stream, group)
        _, found = self.group_of(stream, group)
        delayed = self.tables.one("SELECT count(*) FROM pending WHERE grp=? AND due>?", found, self.tables.clock.now_s())
        return GroupInfo(info.members, info.pending - delayed, info.position)


@mutant("consumer_groups.11", "labels counted for members", trap="two members under one label")
class CountsLabels(SqlStreams):
    async def group_info(self, stream: str, group: str) -> GroupInfo:
        info = await super().group_info(stream, group)
        _, found = self.group_of(stream, group)
        members = self.tables.one("SELECT count(DISTINCT label) FROM member WHERE grp=?", found)
        return GroupInfo(members, info.pending, info.position)


@mutant("consumer_groups.13", "trailing blanks that SQL does not see", trap="names that differ in a blank at the end")
class PadsGroupNames(Tables):
    def group(self, stream: int | None, name: str) -> int | None:
        found: int | None = self.one("SELECT id FROM grp WHERE stream=? AND CAST(name AS TEXT)=? COLLATE RTRIM", stream, name)
        return found


@mutant(
    "consumer_groups.14", "the first of what was taken is given back", trap="a receive of several that is cancelled as they come"
)
class GivesTheFirstBack(ActorMember):
    def give_back(self, deliveries: list[RecordDelivery] | tuple[RecordDelivery, ...], due: float) -> None:
        super().give_back(deliveries[:1] if isinstance(deliveries, list) else deliveries, due)


@mutant(
    "consumer_groups.14", "member that nobody knows", trap="a join that is cancelled", also="consumer_groups.11 consumer_groups.15"
)
class JoinsThoughCancelled(ActorStreams):
    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[ActorMember]:
        self.named(stream, group, consumer)

        def do() -> ActorMember:
            self.group_of(stream, group)
            member = self.member_type(self.actor, self.space, stream, group, self.actor.next_offset(self.space) + 1)
            self.actor.write(self.space, "joined", stream, group, member=member.number)
            return member

        member = await self.actor.ask(do)
        try:
            yield member
        finally:
            member.leave()


@mutant("consumer_groups.1", "start beyond the end cut to it", trap="a group that is to start beyond the end")
class StartsAtTheEnd(SqlStreams):
    def first_of(self, stream: int, part: int, start: GroupStart) -> int:
        first = super().first_of(stream, part, start)
        return min(first, self.tables.last(stream, part) + 1) if isinstance(start, int) else first


@mutant(
    "consumer_groups.16",
    "delayed records that die with the process",
    trap="kill during the delay of a nack",
    also="consumer_groups.5",
)
class BuriesTheDelayed(Tables):
    def bury(self) -> None:
        self.run("DELETE FROM pending WHERE member=0 AND due>?", self.clock.now_s())
        super().bury()


@mutant(
    "consumer_groups.4",
    "hold that lapses, as a queue's",
    trap="a member that holds a record for six hours",
    also="consumer_groups.6",
)
class HoldsSixHours(SqlMember):
    def again(self, most: int) -> list[RecordDelivery]:
        late = self.tables.clock.now_s() - 6 * 3600
        self.tables.run("UPDATE pending SET member=0, due=0 WHERE grp=? AND member AND due<?", self.group, late)
        return super().again(most)

    def hold(self, record: Record, times: int) -> RecordDelivery:
        found = super().hold(record, times)
        self.tables.run(
            "UPDATE pending SET due=? WHERE grp=? AND part=? AND off=?",
            *(self.tables.clock.now_s(), self.group, record.partition, record.offset),
        )
        return found


@mutant("consumer_groups.7", "no delivery looked for in an empty call", trap="a nack of nothing", also="consumer_groups.6")
class NacksAtLeastOne(ActorMember):
    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        self.actor.next_offset(deliveries[0].token)
        await super().nack(*deliveries, delay_s=delay_s)


@mutant(
    "consumer_groups.12", "record gone taken for a lost lease", trap="an ack of a held record that was trimmed", also="retention.10"
)
class RefusesWhatIsGone(SqlMember):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        await super().ack(*deliveries)
        for delivery in deliveries:
            offset = delivery.record.offset
            if not self.tables.rows(self.stream, delivery.record.partition, offset, offset, 1):
                raise self.foreign(delivery.token)


@mutant(
    "consumer_groups.7",
    "timer of the first delay",
    trap="a shorter delay while a receive waits for a longer one",
    also="consumer_groups.10",
)
class WaitsForTheLongestDelay(SqlMember):
    def until_due(self) -> float:
        due = self.tables.one("SELECT max(due) FROM pending WHERE grp=? AND member=0", self.group)
        return super().until_due() if due is None else max(super().until_due(), float(due) - self.tables.clock.now_s())


@mutant("consumer_groups.10", "nothing to wait for", trap="a receive of a member without a partition", also="consumer_groups.15")
class ServesOwnersOnly(Actor):
    def serve(self) -> None:
        for waiter in self.waiters:
            group = self.view(waiter.space).stream(waiter.stream).groups[waiter.group]
            if waiter.member not in group.owners.values() and not waiter.answer.done():
                waiter.answer.set_result([])
        super().serve()
