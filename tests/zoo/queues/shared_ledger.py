"""The queues of `independent_ledger`, correct for any number of processes: each reads what the others wrote, one at a time.

Whoever looks or writes holds a lock, on a file that is never replaced. The clients of one process share nothing but the bells.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from prism_testkit.interfaces import Lease, QueueMessage
from prism_testkit.traits import Traits

from .independent_ledger import LedgerQueue, Shelf
from .independent_rules import Draft
from .independent_sum import Entry, Ledger, Line, Sum

__all__ = ["SharedLedger", "SharedQueue"]

T = TypeVar("T")


class SharedLedger(Ledger):
    """A ledger that is read and written with its lock alone."""

    depth = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; who holds it may ask for it again."""
        if self.depth:
            yield
            return
        with (self.folder / f"{self.namespace}.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.depth = 1
            try:
                yield
            finally:
                self.depth = 0

    def stamp(self) -> tuple[int, int] | None:
        if not self.sum_path.exists():
            return None
        with self.sum_path.open("rb") as file:
            return int(file.read(40).partition(b":")[2].partition(b",")[0]), 0  # it begins with its generation

    def read(self) -> Sum:
        with self.locked():
            return super().read()

    def write(self, *lines: Line) -> None:
        with self.locked():
            super().write(*lines)


class SharedQueue(LedgerQueue):
    """Every call looks and writes in one go; only who waits lets others do so meanwhile."""

    ledger_type: ClassVar[type[SharedLedger]] = SharedLedger
    traits = Traits(
        durability="process",
        sharing="processes",
        ack_survives_kill="yes",
        lease_survives_kill="yes",
        attempts_survive_kill="yes",
    )

    def __init__(self, shelf: Shelf, namespace: str) -> None:
        super().__init__(shelf, namespace)
        self.ledger: SharedLedger = self.ledger_type(shelf.folder, namespace)

    def put(self, draft: Draft) -> str:
        with self.ledger.locked():
            return super().put(draft)

    async def take(self, queue: str, timeout_s: float, how: Callable[[Entry], T]) -> T | None:
        end = self.instant(timeout_s)
        while True:
            with self.ledger.locked():
                self.tidy(queue)
                entry = self.next(queue)
                if entry is not None:
                    return how(entry)
            if timeout_s <= 0 or self.now() >= end:
                return None
            await self.listen(queue, end)

    async def peek(self, queue: str) -> QueueMessage | None:
        with self.ledger.locked():
            return await super().peek(queue)

    async def ack(self, lease: Lease) -> None:
        with self.ledger.locked():
            await super().ack(lease)

    async def extend(self, lease: Lease, seconds: float) -> None:
        with self.ledger.locked():
            await super().extend(lease, seconds)

    async def release(self, lease: Lease) -> None:
        with self.ledger.locked():
            await super().release(lease)

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        with self.ledger.locked():
            await super().configure_dead_letter(queue, target, max_attempts)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        with self.ledger.locked():
            return await super().dead_letters(queue)

    async def redrive(self, queue: str) -> int:
        with self.ledger.locked():
            return await super().redrive(queue)
