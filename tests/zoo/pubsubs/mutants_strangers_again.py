"""More mutants that nobody who knew the checks would write: iterations, delays, and answers that are shared."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _member(wrong: type[Member]) -> type[PubSub]:
    return type(wrong.__name__, (PubSub,), {"member_type": wrong, "__module__": wrong.__module__})


class _BeginsAnew(Listener):
    def __aiter__(self) -> AsyncIterator[Message]:
        self.buffer.clear()
        return self


@mutant("basic.9", "missing step", trap="messages published between the entry and the iteration", also="basic.1")
class IterationBeginsWithWhatIsNew(PubSub):
    listener_type = _BeginsAnew


@mutant("persistent.10", "ties in order", trap="the tenth message", also="persistent.2")
class LastIdIsTheLargestAsText(PubSub):
    def last_id(self, topic: str) -> str | None:
        return max(self.space().topics.get(topic, {}), default=None)


class _MaxOfEach(Member):
    def next_ones(self, amount: int) -> list[Row]:
        again = [row for row in self.driver.rows(self.topic) if self.mark(row.message.id).count]
        rows = super().next_ones(10**9)
        return [row for row in rows if row in again][:amount] + [row for row in rows if row not in again][:amount]


@mutant(
    "persistent.9", "wrong count", trap="a receive of one while one comes again and one is new", also="persistent.4 persistent.3"
)
class MaxIsOfEachSort(PubSub):
    member_type = _MaxOfEach


class _Answers(Member):
    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.answer: list[Delivery] = []

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        found = await super().receive(max_messages, timeout_s)
        self.answer[:] = found
        return self.answer


@mutant(
    "persistent.2",
    "shared answer",
    trap="the answer of a receive looked at after the next",
    also="persistent.5 persistent.9 persistent.4",
)
class ReceivesGiveOneList(PubSub):
    member_type = _Answers


class _CountsReceives(Member):
    """The count is of what it gave, so a message that comes again to another member begins at 1."""

    def __init__(self, driver: PubSub, topic: str, name: str) -> None:
        super().__init__(driver, topic, name)
        self.counts: dict[str, int] = {}

    def delivery(self, row: Row, count: int, token: str) -> Delivery:
        self.counts[row.message.id] = self.counts.get(row.message.id, 0) + 1
        return super().delivery(row, self.counts[row.message.id], token)


@mutant("persistent.4", "wrong count", trap="a message that comes again to another member", also="persistent.7")
class CountsAreOfTheMember(PubSub):
    member_type = _CountsReceives


class _AcksByPayload(Member):
    def confirm(self, identifiers: list[str]) -> None:
        rows = {row.message.id: row for row in self.driver.rows(self.topic)}
        payloads = {rows[i].message.payload for i in identifiers}
        also = [r.message.id for r in rows.values() if r.message.payload in payloads and self.mark(r.message.id).count]
        super().confirm(list(dict.fromkeys([*identifiers, *also])))


@mutant("persistent.5", "aliasing", trap="two messages of one payload delivered, one of them acked", also="persistent.4")
class AcksAreOfThePayload(PubSub):
    """Duplicates are recognised, and confirmed with the first."""

    member_type = _AcksByPayload


class _NacksAll(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        if delay_s > 0 and identifiers:
            due = {i: self.mark(i).due for i in identifiers}
            marks: dict[str, Any] = self.driver.space().marks.get((self.topic, self.name), {})
            late = {i: replace(mark, due=max(due.values())) for i, mark in marks.items() if not self.driver.over(mark.due)}
            self.set_marks(late)


@mutant("persistent.8", "shared timer", trap="two delays that overlap, the second longer")
class OneTimerForAllDelays(PubSub):
    """It is set anew by each nack with a delay."""

    member_type = _NacksAll
