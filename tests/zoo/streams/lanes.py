"""A member of a group that covers several partitions: it is one of `Member` in each of them, with one identity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from prism_testkit.interfaces import RecordDelivery

from .reference import Member, Streams
from .stores import Change, Held

if TYPE_CHECKING:
    from .newer import NewerStreams

__all__ = ["LaneMember"]


class LaneMember(Member):
    """What it is to the group is kept with the first partition, what it holds with that of the record."""

    def __init__(self, driver: Streams, stream: str, group: str, consumer: str) -> None:
        self.newer = cast("NewerStreams", driver)
        self.whole = stream
        names = self.newer.lanes(stream)
        super().__init__(driver, names[0], group, consumer)
        self.parts = [self.newer.part_type(driver, name, group, consumer) for name in names]

    def enter(self) -> None:
        super().enter()
        for part in self.parts:
            part.id, part.given = self.id, self.given

    def leave(self) -> None:
        self.left = True
        changes = [Change(part.stream, self.group, offset=offset, held=part.freed(one)) for part, offset, one in self.kept()]
        self.driver.apply(*changes, Change(self.stream, self.group, leave=self.id))

    def kept(self) -> list[tuple[Member, int, Held]]:
        """Return what this member holds."""
        groups = [(part, self.driver.stream(part.stream).groups.get(self.group)) for part in self.parts]
        return [(part, offset, one) for part, group in groups if group for offset, one in group.pending.items() if part.holds(one)]

    def ordered(self) -> Sequence[Member]:
        """Return the partitions in the order in which a receive looks at them."""
        return self.parts

    def take(self, most: int) -> list[RecordDelivery]:
        found = list[RecordDelivery]()
        for part in self.ordered():
            found += part.take(most - len(found))
        return found

    def part(self, delivery: RecordDelivery) -> Member:
        return self.parts[delivery.record.partition]

    def held(self, delivery: RecordDelivery) -> Held | None:
        return self.part(delivery).held(delivery) if delivery.record.partition < len(self.parts) else None

    def confirm(self, delivery: RecordDelivery) -> None:
        self.part(delivery).confirm(delivery)

    def give_back(self, delivery: RecordDelivery, held: Held, delay_s: float) -> None:
        self.part(delivery).give_back(delivery, held, delay_s)

    def instants(self) -> list[float]:
        return [instant for part in self.parts for instant in part.instants()]
