"""Mutants that are wrong from some message of a page or a sweep on."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Config, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("dead_letter.2", "paging", trap="101 dead messages with headers", also="dead_letter.4")
class DeadLettersOfTheSecondPageHaveNoHeaders(Queue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        found = await super().dead_letters(queue)
        return [message if number < 100 else replace(message, headers={}) for number, message in enumerate(found)]


@mutant("dead_letter.2", "paging", trap="eleven dead messages, each with a payload of its own", also="dead_letter.4")
class DeadLettersOfTheSecondTenHaveThePayloadsOfTheFirst(Queue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        found = await super().dead_letters(queue)
        return [replace(message, payload=found[number % 10].payload) for number, message in enumerate(found)]


class _Revives(Queue):
    """The dead go back in pages."""

    page = 100

    def revive(self, queue: str) -> int:
        rows = [row for row in self.dead(queue) if not row.token or self.lapsed(row)]
        for number, row in enumerate(rows):
            moved = self.revived(row, queue)
            self.move(row, moved if number < self.page else self.later(row, moved))
        return len(rows)

    def later(self, row: Row, moved: Row) -> Row:
        """Return what is brought back of one that is on no first page."""
        return moved


@mutant("dead_letter.5", "paging", trap="101 dead messages that are redriven, and fail again", also="dead_letter.1")
class TheSecondPageIsRedrivenWithItsAttempts(_Revives):
    def later(self, row: Row, moved: Row) -> Row:
        return replace(moved, attempts=1)


@mutant("dead_letter.5", "batch", trap="two dead messages that are redriven, and fail again", also="dead_letter.1")
class TheSecondIsRedrivenWithItsAttempts(_Revives):
    page = 1

    def later(self, row: Row, moved: Row) -> Row:
        return replace(moved, attempts=1)


@mutant("dead_letter.5", "batch", trap="two dead messages with headers that are redriven", also="dead_letter.2 dead_letter.10")
class TheSecondIsRedrivenWithoutHeaders(_Revives):
    page = 1

    def later(self, row: Row, moved: Row) -> Row:
        return replace(moved, headers={})


@mutant("dead_letter.5", "paging", trap="101 dead messages with headers that are redriven", also="dead_letter.2 dead_letter.10")
class TheSecondPageIsRedrivenWithoutHeaders(_Revives):
    def later(self, row: Row, moved: Row) -> Row:
        return replace(moved, headers={})


@mutant("dead_letter.1", "sweep", trap="two leases that end at one look", also="visibility.8 visibility.3")
class OfTwoLeasesThatEndTogetherOneIsNotCounted(Queue):
    def settle(self, queue: str) -> None:
        lapsed = sorted(filter(self.lapsed, self.rows(queue)), key=lambda row: row.until)
        for number, row in enumerate(lapsed):
            self.put(replace(self.ended(row, row.until), attempts=row.attempts - (number > 0)))
        self.bury(queue)


@mutant("visibility.1", "sweep", trap="two leases of messages with headers end at one look", also="visibility.3 visibility.15")
class OfTwoLeasesThatEndTogetherHeadersAreLost(Queue):
    def settle(self, queue: str) -> None:
        lapsed = sorted(filter(self.lapsed, self.rows(queue)), key=lambda row: row.until)
        for row in lapsed:
            ended = self.ended(row, row.until)
            self.put(replace(ended, headers={}) if len(lapsed) > 1 else ended)
        self.bury(queue)


@mutant("visibility.3", "sweep", trap="eleven leases that end at one look", also="visibility.9 visibility.8")
class ALookEndsTenLeases(Queue):
    """Those behind have to wait for one that finds none."""

    def settle(self, queue: str) -> None:
        lapsed = sorted(filter(self.lapsed, self.rows(queue)), key=lambda row: row.until)
        for row in lapsed[:10]:
            self.put(self.ended(row, row.until))
        for row in lapsed[10:]:
            self.put(replace(row, until=self.deadline(1.0)))
        self.bury(queue)


@mutant(
    "visibility.3", "sweep", trap="two leases that end at one look, and a third that does not", also="visibility.4 visibility.2"
)
class TwoLeasesThatEndTakeAThird(Queue):
    def settle(self, queue: str) -> None:
        held = sorted((row for row in self.rows(queue) if row.token), key=lambda row: row.until)
        lapsed = [row for row in held if self.lapsed(row)]
        for row in held[: len(lapsed) + (len(lapsed) > 1)]:
            self.put(self.ended(row, row.until))
        self.bury(queue)


@mutant("dead_letter.6", "sweep", trap="eleven messages that a new configuration finds too old", also="dead_letter.1")
class AConfigurationBuriesTen(Queue):
    """The attempts of the others begin anew."""

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        name = self.name(queue, "configure_dead_letter")
        if self.config(name) is None and max_attempts >= 1:
            config = Config(target, max_attempts)
            for row in [row for row in self.rows(name) if self.doomed(row, config)][10:]:
                self.put(replace(row, attempts=0))
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant("delayed.1", "sweep", trap="two delayed messages that are due at one look, and a third that is not", also="delayed.4")
class TwoThatAreDueTakeAThird(Queue):
    def settle(self, queue: str) -> None:
        late = sorted((row for row in self.rows(queue) if row.due), key=lambda row: row.due)
        due = [row for row in late if not self.delayed(row)]
        if due:
            for row in late[: len(due) + (len(due) > 1)]:
                self.put(replace(row, due=0.0))
        super().settle(queue)


@mutant("delayed.4", "sweep", trap="two delayed messages with headers that are due at one look", also="delayed.1")
class OfTwoThatAreDueHeadersAreOne(Queue):
    def settle(self, queue: str) -> None:
        due = [row for row in self.rows(queue) if row.due and not self.delayed(row)]
        for row in due:
            self.put(replace(row, due=0.0, headers=due[0].headers))
        super().settle(queue)


class _Unlimited(Queue):
    """Headers of one way to enqueue are not looked at."""

    way = "enqueue_delayed"

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        texts = isinstance(headers, dict) and all(isinstance(text, str) for pair in headers.items() for text in pair)
        if operation == self.way and texts and headers is not None:
            return dict(headers)
        return super().labels(headers, operation)


@mutant("delayed.4", "missing check", trap="headers over their limit, delayed", also="basic.7 visibility.15")
class HeadersOfTheDelayedHaveNoLimit(_Unlimited):
    pass


@mutant("priority.4", "missing check", trap="headers over their limit, with a priority", also="basic.7")
class HeadersOfAPriorityHaveNoLimit(_Unlimited):
    way = "enqueue_with_priority"
