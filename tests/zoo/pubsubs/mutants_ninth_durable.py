"""Mistakes of durable subscriptions and keys over rows: what is folded, held, delayed, and left while it waits."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

from prism_testkit.interfaces import Deliveries, Delivery, Message, Start
from prism_testkit.naming import check_name
from tests.zoo.declare import Mutant

from .ninth_declare import declaring_ninth
from .ninth_driver import MAKER, Grip, RowPubSub
from .ninth_rows import FileRows, Key, Rows

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_ninth(MUTANTS)


@_mutant(
    "ordering.2",
    "all that is marked is acked",
    trap="what is behind was acked before what waits was delivered",
    also="ordering.1 ordering.4 ordering.11 ordering.3 ordering.5 persistent.1",
)
class FoldsOverWhatWaits(Grip):
    """Where every message that was delivered is acked, the last of them is where the subscription stands."""

    def confirm(self, numbers: list[int]) -> None:
        super().confirm(numbers)
        space = self.driver.space
        marks = list(self.rows.range("mark", space, self.topic, self.name))
        if marks and all(acked for _, (_, _, acked) in marks):
            place = ("name", space, self.topic, self.name)
            self.rows.commit({**dict.fromkeys(key for key, _ in marks), place: marks[-1][0][4]})


@_mutant("persistent.10", "sorted as text", trap="sixteen messages", also="ordering.1")
class FindsTheLastByText(RowPubSub):
    async def last_message_id(self, topic: str) -> str | None:
        check_name(topic, "last_message_id", MAKER)
        return max((f"{key[3]:x}" for key, _ in self.rows.range("message", self.space, topic)), default=None)


@_mutant("persistent.1", "a page of the past", trap="more than 256 messages before the first entry", also="ordering.6 persistent.3")
class BeginsTwoHundredBack(RowPubSub):
    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        check_name(topic, "subscribe_durable", MAKER)
        check_name(name, "subscribe_durable", MAKER)
        if start == "earliest" and self.rows.get("name", self.space, topic, name) is None:
            self.rows.commit({("name", self.space, topic, name): max(0, self.following(topic)[0] - 257)})
        async with super().subscribe_durable(topic, name, start) as grip:
            yield grip


@_mutant(
    "persistent.1",
    "removed when it is idle",
    trap="all acked, left, published to, entered again",
    also="persistent.5 persistent.13",
)
class ForgetsTheIdle(RowPubSub):
    """A subscription that has nothing to give and no member is removed, once another is entered."""

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        done: set[tuple[str, str]] = self.rows.__dict__.setdefault("done", set())
        for other in [other for other in done if other != (topic, name)]:
            self.rows.commit({("name", self.space, *other): None})
            done.discard(other)
        async with super().subscribe_durable(topic, name, start) as grip:
            yield grip
        if self.rows.get("name", self.space, topic, name) == self.following(topic)[0] - 1 > 1:
            done.add((topic, name))


@_mutant(
    "persistent.7", "takes before it looks", trap="a member leaves that holds two while its receive waits", also="persistent.4"
)
class TakesWhileItLeaves(Grip):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self.check_here()
        try:
            return await super().receive(max_messages, timeout_s)
        finally:
            if self.left:
                self.take(max_messages)


@_mutant("persistent.5", "so many variables", trap="an ack of more than 100", also="ordering.1")
class AcksAHundred(Grip):
    async def ack(self, *deliveries: Delivery) -> None:
        await super().ack(*deliveries[:100])


@_mutant("persistent.12", "no namespace in a key", trap="the same place held in another namespace", also="ordering.8 persistent.7")
class HoldsAcrossNamespaces(Grip):
    """What is held is known by topic, name and number."""

    @property
    def _across(self) -> dict[tuple[str, str, int], Grip]:
        found: dict[tuple[str, str, int], Grip] = self.rows.__dict__.setdefault("across", {})
        return found

    def wanted(self) -> Iterator[tuple[int, Message]]:
        for number, message in super().wanted():
            holder = self._across.get((self.topic, self.name, number))
            if holder is None or holder.left or holder.driver.space == self.driver.space:
                yield number, message

    def take(self, most: int) -> list[Delivery]:
        found = super().take(most)
        for delivery in found:
            self._across[self.topic, self.name, int(delivery.token.split("/")[1])] = self
        return found

    def mine(self, deliveries: tuple[Delivery, ...]) -> tuple[list[int], bool]:
        held, strange = super().mine(deliveries)
        for number in held:
            self._across.pop((self.topic, self.name, number), None)
        return held, strange


@_mutant("ordering.6", "looks at a page", trap="more than 300 of a key before what is free", also="persistent.9 persistent.13")
class LooksAtThreeHundred(Grip):
    def wanted(self) -> Iterator[tuple[int, Message]]:
        base = self.rows.get("name", self.driver.space, self.topic, self.name)
        rows = self.rows.range("message", self.driver.space, self.topic, after=base)
        page = [key[3] for key, _ in rows if not (self.rows.get(*self.mark(key[3])) or (0, 0, False))[2]][:300]
        last = page[-1] if page else 0
        return ((number, message) for number, message in super().wanted() if number <= last)


@_mutant("ordering.7", "a name of its own for none", trap="the key null", also="ordering.2 ordering.3")
class KeepsNoKeyAsNull(RowPubSub):
    def store(self, message: Message, key: str | None) -> str:
        return super().store(message, None if key == "null" else key)


@_mutant("persistent.5", "in the log when it is folded", trap="an ack behind what is not acked, then a kill")
class LogsFoldsOnly(FileRows):
    def commit(self, changes: Mapping[Key, object]) -> None:
        places = [key for key in changes if key[0] == "name"]
        if places and all(self.get(*key) == changes[key] for key in places):
            Rows.commit(self, changes)
        else:
            super().commit(changes)


@_mutant(
    "persistent.9", "its own delays", trap="a member gives back for later, and another waits", also="persistent.4 persistent.8"
)
class WaitsForItsOwnDelays(Grip):
    def give_back(self, numbers: list[int], due: float) -> None:
        self.__dict__.setdefault("late", set()).update(numbers)
        super().give_back(numbers, due)

    def dues(self) -> Iterator[float]:
        now = self.rows.clock.now_s()
        for number in self.__dict__.get("late", ()):
            due = (self.rows.get(*self.mark(number)) or (0, 0.0))[1]
            if due > now:
                yield due - now


class _Lines(Grip):
    """A member that says itself whether a message holds its key."""

    def holds_its_key(self, count: int, due: float, now: float) -> bool:
        raise NotImplementedError

    def wanted(self) -> Iterator[tuple[int, Message]]:
        now, busy = self.rows.clock.now_s(), set[str]()
        base = self.rows.get("name", self.driver.space, self.topic, self.name)
        for key, (message, ordering) in self.rows.range("message", self.driver.space, self.topic, after=base):
            count, due, acked = self.rows.get(*self.mark(key[3])) or (0, 0.0, False)
            if acked:
                continue
            if self.mark(key[3]) not in self.rows.holds and due <= now and ordering not in busy:
                yield key[3], message
            if ordering is not None and self.holds_its_key(count, due, now):
                busy.add(ordering)


@_mutant("ordering.4", "only once", trap="a delay of what was given back before", also="ordering.2 ordering.3")
class ForgetsTheKeyOfWhatIsDelayed(_Lines):
    """A message that came more than once does not hold its key while it is delayed."""

    def holds_its_key(self, count: int, due: float, now: float) -> bool:
        return count <= 1 or due <= now


@_mutant("ordering.3", "only while it lasts", trap="a delay is over, and more than one is asked for", also="ordering.2 ordering.4")
class ForgetsTheKeyOfWhatWasDelayed(_Lines):
    """A message whose delay is over does not hold its key until it is delivered."""

    def holds_its_key(self, count: int, due: float, now: float) -> bool:
        return due == 0.0 or due > now


@_mutant("ordering.4", "whoever leaves", trap="a delay while another member leaves", also="persistent.8")
class EndsDelaysAsAMemberLeaves(Grip):
    """Who leaves gives back what is delayed, too, whoever delayed it."""

    def leave(self) -> None:
        super().leave()
        late = [(key, mark) for key, mark in self.rows.range("mark", self.driver.space, self.topic, self.name) if mark[1]]
        self.rows.commit({key: (mark[0], 0.0, mark[2]) for key, mark in late})


class _LeftByItsDriver(Grip):
    def leave(self) -> None:
        """Nothing: the driver sees to it."""


@_mutant(
    "persistent.7",
    "what it held when it began to leave",
    trap="a member leaves as a message comes to its receive",
    also="persistent.4",
)
class LeavesInTwoSteps(RowPubSub):
    """What a member holds is looked up in a step, and given back in another, when it has left."""

    grip_type = _LeftByItsDriver

    @asynccontextmanager
    async def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AsyncIterator[Deliveries]:
        manager = super().subscribe_durable(topic, name, start)
        grip = await manager.__aenter__()
        assert isinstance(grip, Grip)
        try:
            yield grip
        finally:
            await manager.__aexit__(None, None, None)
            held = [mark[4] for mark, (member, _) in self.rows.holds.items() if member is grip]
            await asyncio.sleep(0)
            grip.left = True
            if still := [number for number in held if self.rows.holds.get(grip.mark(number), (None,))[0] is grip]:
                grip.give_back(still, 0.0)
            self.rows.ring()


@_mutant(
    "ordering.8", "held elsewhere", trap="what is older than a new subscription is held in another", also="ordering.2 ordering.3"
)
class NewWaitsForWhatIsHeldElsewhere(Grip):
    """A key waits for messages from before the subscription that others hold."""

    def wanted(self) -> Iterator[tuple[int, Message]]:
        space, topic = self.driver.space, self.topic
        base = self.rows.get("name", space, topic, self.name)
        older = [mark[4] for mark in self.rows.holds if mark[1:3] == (space, topic) and mark[4] <= base and mark[3] != self.name]
        held = {(self.rows.get("message", space, topic, number) or (None, None))[1] for number in older} - {None}
        for number, message in super().wanted():
            if self.rows.get("message", space, topic, number)[1] not in held:
                yield number, message
