"""Mutants whose mistake needs a small number: the first messages of a store, or several that one step deals with."""

from dataclasses import replace

from prism_testkit.interfaces import Delivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("persistent.10", "numbers as text", trap="the tenth message of a store", also="persistent.12")
class TheLastIdIsTheGreatestText(PubSub):
    def last_id(self, topic: str) -> str | None:
        return max((row.message.id for row in self.rows(topic)), default=None)


@mutant("persistent.3", "numbers as text", trap="the tenth message of a store", also="persistent.1")
class RowsStandInTheOrderOfTexts(PubSub):
    def rows(self, topic: str) -> list[Row]:
        return sorted(super().rows(topic), key=lambda row: str(row.place))


@mutant("persistent.2", "numbers as text", trap="the first hundred messages of a store", also="persistent.1 persistent.10")
class IdsHaveTwoDigits(PubSub):
    def new_persistent_id(self, topic: str, place: int) -> str:
        return f"p{place}"[:3]


@mutant(
    "persistent.7", "numbers as text", trap="a subscription behind the ninth message of a store", also="persistent.1 persistent.8"
)
class PlacesAreComparedAsTexts(Member):
    def inside(self, row: Row) -> bool:
        return str(row.place) > str(self.start().place) if self.start().place else True


@mutant("persistent.4", "batch", trap="a member leaves with two in hand", also="persistent.1 persistent.7")
class LeavingGivesBackTheFirst(Member):
    def leave(self) -> None:
        self.left = True
        self.give_back(self.held()[:1], 0)
        for identifier in self.held():
            self.driver.store.holds[self.hold_slot(identifier)] = object(), ""


@mutant("persistent.8", "batch", trap="two are given back with a delay at once", also="persistent.4")
class OfTwoGivenBackTheSecondWaitsTwice(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        for number, identifier in enumerate(identifiers):
            super().give_back([identifier], delay_s * (number + 1))


@mutant("persistent.8", "batch", trap="two are given back with a delay at once", also="persistent.4")
class OfTwoGivenBackTheSecondWaitsNot(Member):
    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers[:1], delay_s)
        super().give_back(identifiers[1:], 0)


@mutant("persistent.5", "batch", trap="three are acked at once", also="persistent.1 persistent.4")
class OfThreeTheMiddleOneIsNotAcked(Member):
    def confirm(self, identifiers: list[str]) -> None:
        super().confirm(identifiers if len(identifiers) < 3 else [*identifiers[:1], *identifiers[2:]])


@mutant("persistent.4", "batch", trap="two come again at one receive", also="persistent.14")
class OfTwoThatComeAgainTheSecondIsNotCounted(Member):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        found = super().deliver(rows)
        again = [delivery for delivery in found if delivery.delivery_count > 1]
        for delivery in again[1:]:
            self.set_marks({delivery.message.id: replace(self.mark(delivery.message.id), count=delivery.delivery_count - 1)})
        return [replace(x, delivery_count=x.delivery_count - 1) if x in again[1:] else x for x in found]


@mutant("persistent.2", "batch", trap="two messages with headers at one receive", also="persistent.1")
class OfTwoAtOnceTheSecondHasTheHeadersOfTheFirst(Member):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        found = super().deliver(rows)
        return [replace(x, message=replace(x.message, headers=dict(found[0].message.headers))) for x in found]


@mutant("persistent.2", "batch", trap="eleven messages with headers at one receive", also="persistent.1")
class BehindTenAtOnceThereAreNoHeaders(Member):
    def deliver(self, rows: list[Row]) -> list[Delivery]:
        found = super().deliver(rows)
        return [replace(x, message=replace(x.message, headers={})) if n >= 10 else x for n, x in enumerate(found)]


@mutant("persistent.1", "batch", trap="a nack and a new message at one receive", also="persistent.4 persistent.7 persistent.3")
class WhatComesAgainIsNotBesideWhatIsNew(Member):
    """A receive that finds both gives the new ones, and takes the old ones for given."""

    def next_ones(self, amount: int) -> list[Row]:
        found = super().next_ones(amount)
        new = [row for row in found if not self.mark(row.message.id).count]
        if new and len(new) < len(found):
            for row in found:
                if row not in new:
                    self.hold(row.message.id)
        return new or found
