"""Mutants whose refusals leave something behind that only the next call shows."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Conflict, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Noting(Queue):
    @property
    def left(self) -> dict[str, object]:
        """What a refused call left behind."""
        found: dict[str, object] = self.store.notes.setdefault(("left", self.namespace), {})
        return found


@mutant("basic.8", "leftover", trap="the next message behind one that is too large", also="basic.1 basic.2 basic.3 basic.7")
class TheHeadersOfWhatIsRefusedComeWithTheNext(_Noting):
    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        kept = self.left.pop("headers", None)
        try:
            return await super().enqueue(queue, payload, headers if kept is None else {**dict(headers or {}), "refused": "1"})
        except Exception:
            self.left["headers"] = headers
            raise


@mutant("priority.2", "leftover", trap="the next message behind a priority that is none", also="priority.1 basic.1 basic.8")
class APriorityThatIsRefusedIsOfTheNext(_Noting):
    def rank(self, priority: int, operation: str) -> int:
        try:
            return super().rank(priority, operation)
        except (ValueError, TypeError):
            self.left["priority"] = 9
            raise

    def insert(self, row: Row) -> str:
        kept = self.left.pop("priority", None)
        return super().insert(row if kept is None else replace(row, priority=9))


@mutant("delayed.3", "leftover", trap="the next message behind a delay that is none", also="delayed.1 basic.1 basic.8")
class ADelayThatIsRefusedIsOfTheNext(_Noting):
    def delay(self, delay_s: float, operation: str) -> float:
        try:
            return super().delay(delay_s, operation)
        except (ValueError, TypeError):
            self.left["delay"] = True
            raise

    def insert(self, row: Row) -> str:
        kept = self.left.pop("delay", None)
        return super().insert(row if kept is None else replace(row, due=self.after(60.0)))


@mutant("visibility.5", "leftover", trap="the next receive behind a stale call", also="visibility.1 visibility.9")
class AReceiveBehindAConflictFindsNothing(_Noting):
    def held(self, lease: Lease, operation: str) -> Row:
        try:
            return super().held(lease, operation)
        except Conflict:
            self.left["conflict"] = True
            raise

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        if self.left.pop("conflict", None) and timeout_s <= 0:
            return None
        return await super().receive(queue, visibility_s, timeout_s)


@mutant("dead_letter.6", "leftover", trap="a configuration that is refused", also="dead_letter.1")
class ARefusedConfigurationTakesTheOldOne(_Noting):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        try:
            await super().configure_dead_letter(queue, target, max_attempts)
        except ValueError:
            self.space().configs.pop(queue, None)
            raise


@mutant("visibility.10", "order of steps", trap="a receive for a time that is none", also="visibility.1 visibility.6")
class WhatIsRefusedIsLeasedForAMinute(_Noting):
    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        except ValueError:
            row = self.first(queue) if queue in self.space().queues else None
            if row is not None:
                self.lease(row, 60.0)
            raise


@mutant("visibility.6", "order of steps", trap="an extension by a time that is none", also="visibility.10")
class ARefusedExtensionEndsTheLease(_Noting):
    async def extend(self, lease: Lease, seconds: float) -> None:
        try:
            await super().extend(lease, seconds)
        except ValueError:
            row = self.space().queues.get(lease.queue, {}).get(lease.message.id)
            if row is not None and row.token == lease.token:
                self.put(self.ended(row, self.now()))
            raise


@mutant("basic.4", "leftover", trap="a take behind one for a name that is none", also="basic.1 basic.8")
class ATakeBehindARefusedOneFindsNothing(_Noting):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        if self.left.pop("refused", None):
            return None
        try:
            return await super().dequeue(queue, timeout_s)
        except Exception:
            self.left["refused"] = True
            raise
