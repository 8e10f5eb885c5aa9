"""Mutants that do not wake who waits while somebody else has not taken what is his."""

from prism_testkit.interfaces import Record
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Streams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("consumer_groups.10", "lost wake", trap="one waits while another group has records unread", also="consumer_groups.9")
class ABacklogOfAGroupWakesNobody(Streams):
    def insert(self, stream: str, record: Record) -> int:
        waiting = set(self.store.waiting)
        log = self.stream(stream)
        if any(group.position < log.end for group in log.groups.values()):
            self.store.waiting.clear()
        try:
            return super().insert(stream, record)
        finally:
            self.store.waiting |= waiting


@mutant("consumer_groups.10", "lost wake", trap="one waits while another group holds records", also="consumer_groups.9")
class WhatAGroupHoldsWakesNobody(Streams):
    def insert(self, stream: str, record: Record) -> int:
        waiting = set(self.store.waiting)
        if any(group.pending for group in self.stream(stream).groups.values()):
            self.store.waiting.clear()
        try:
            return super().insert(stream, record)
        finally:
            self.store.waiting |= waiting
