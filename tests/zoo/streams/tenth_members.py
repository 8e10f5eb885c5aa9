"""Members of a group over documents: what one holds is in the group's document."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from prism_testkit.interfaces import Member, Record, RecordDelivery
from prism_testkit.interfaces.errors import Closed
from prism_testkit.naming import check_timeout

from .tenth_documents import Document, Group, Pending, Where

__all__ = ["DocumentMember"]


class DocumentMember(Member):
    """A member is a number in the group's document; what it holds is there too."""

    def __init__(self, driver: Any, stream: str, group: str, number: int) -> None:
        self.driver, self.stream, self.group, self.number = driver, stream, group, number
        self.left = False

    def _of(self, document: Document) -> Group:
        group = document.groups.get(self.group)
        if self.left or group is None or self.number not in group.members:
            raise Closed(f"documents: the member of {self.group!a} was left")
        return group

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        if not isinstance(max_records, int):
            raise TypeError("documents: max_records is an int")
        if max_records < 1:
            raise ValueError(f"documents: max_records={max_records} is below 1")
        clock = self.driver.shelf.clock
        deadline = clock.now_s() + check_timeout(timeout_s, "receive", "documents")
        while True:
            version, got, due = await self.driver.change(self.stream, lambda document: self._take(document, max_records))
            now = clock.now_s()
            if got or now >= deadline:
                return got
            await self._wait(version, max(min(deadline, due) - now, 1e-6))

    async def _wait(self, version: int, within_s: float) -> None:
        await self.driver.shelf.changed(self.driver.namespace, self.stream, version, within_s)

    def _take(self, document: Document, most: int) -> tuple[Document, tuple[int, list[RecordDelivery], float]]:
        group = self._of(document)
        now = self.driver.shelf.clock.now_s()
        pending, positions, got, due = dict(group.pending), list(group.positions), list[RecordDelivery](), float("inf")
        for where in sorted(group.pending):
            one = group.pending[where]
            record = document.parts[where[0]].get(where[1])
            if record is None:
                del pending[where]
            elif not one.member and one.due > now:
                due = min(due, one.due)
            elif not one.member and len(got) < most:
                got.append(self._hold(pending, where, record, one.count + 1))
        for number in self._turns(document):
            part = document.parts[number]
            for record in part.records[part.at(positions[number]) :][: most - len(got)]:
                got.append(self._hold(pending, (number, record.offset), record, 1))
                positions[number] = record.offset + 1
        version, _ = self.driver.shelf.load(self.driver.namespace, self.stream)
        if not got:
            return document, (version, got, due)
        group = replace(group, pending=pending, positions=tuple(positions))
        return replace(document.with_group(self.group, group), turn=document.turn + 1), (version, got, due)

    def _turns(self, document: Document) -> Iterable[int]:
        """Which partitions to look at, beginning with another one each time."""
        count = len(document.parts)
        return [(document.turn + step) % count for step in range(count)]

    def _hold(self, pending: dict[Where, Pending], where: Where, record: Record, count: int) -> RecordDelivery:
        token = uuid4().hex
        pending[where] = Pending(count, token, self.number)
        return RecordDelivery(self.driver.given(record), count, token)

    def _held(self, group: Group, delivery: RecordDelivery) -> Pending | None:
        one = group.pending.get((delivery.record.partition, delivery.record.offset))
        return one if one is not None and one.member == self.number and one.token == delivery.token else None

    def _checked(self, deliveries: tuple[RecordDelivery, ...]) -> None:
        if not all(isinstance(one, RecordDelivery) for one in deliveries):
            raise TypeError("documents: what is acked or nacked is a delivery")

    async def ack(self, *deliveries: RecordDelivery) -> None:
        self._checked(deliveries)

        def step(document: Document) -> tuple[Document, None]:
            group = self._of(document)
            done = [(d.record.partition, d.record.offset) for d in deliveries if self._held(group, d)]
            if not done:
                return document, None
            left = {where: one for where, one in group.pending.items() if where not in done}
            return document.with_group(self.group, replace(group, pending=left)), None

        await self.driver.change(self.stream, step)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        delay = check_timeout(delay_s, "nack", "documents")
        self._checked(deliveries)

        def step(document: Document) -> tuple[Document, None]:
            group = self._of(document)
            due = self.driver.shelf.clock.now_s() + delay
            back = dict(group.pending)
            for delivery in deliveries:
                one = self._held(group, delivery)
                if one is not None:
                    back[delivery.record.partition, delivery.record.offset] = Pending(one.count, due=due, by=self.number)
            return document.with_group(self.group, replace(group, pending=back)), None

        await self.driver.change(self.stream, step)

    def leave(self) -> None:
        """What it holds is free at once. Nothing is awaited, so nothing can come between."""
        self.left = True
        shelf, where = self.driver.shelf, (self.driver.namespace, self.stream)
        version, document = shelf.load(*where)
        group = document.groups.get(self.group)
        if group is not None:
            shelf.swap(*where, version, document.with_group(self.group, self._without(group)))

    def _without(self, group: Group) -> Group:
        free = {w: Pending(one.count, due=one.due) if one.member == self.number else one for w, one in group.pending.items()}
        return replace(group, members=group.members - {self.number}, pending=free)
