"""A driver that frees the storage of what has expired, in the background."""

import asyncio
from contextlib import suppress

from prism_testkit.traits import Traits

from .reference import FileObjects
from .stores import Changes, Slot, Store, Version

__all__ = ["Sweeping"]

_LATE_S = 5


class Sweeping(FileObjects):
    """A task sweeps a few seconds after each deadline; it runs from ``open()`` to ``close()``."""

    traits: Traits = Traits(durability="process", ttl_reclaim_s=10.0)

    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.sweepers: set[asyncio.Event] = vars(store).setdefault("sweepers", set())
        """One event for each open client, set by every write of any of them."""
        self.task: asyncio.Task[None] | None = None
        self.swept_ms = 0
        """Deadlines up to here were swept."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        for changed in self.sweepers:
            changed.set()

    async def open(self) -> None:
        self.task = asyncio.create_task(self.sweep_for_ever())

    async def close(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def sweep_for_ever(self) -> None:
        changed = asyncio.Event()
        self.sweepers.add(changed)
        try:
            while True:
                changed.clear()
                try:
                    async with asyncio.timeout(self.pause_s()):
                        await changed.wait()
                except TimeoutError:
                    self.swept_ms = self.now_ms()
                    await self.sweep()
        finally:
            self.sweepers.discard(changed)

    def pause_s(self) -> float | None:
        """Return how long to wait for the next sweep; None as long as nothing can expire."""
        deadlines = [row.deadline_ms for rows in self.buckets().values() for row in rows.values() if row.deadline_ms is not None]
        coming = [deadline for deadline in deadlines if deadline > self.swept_ms]
        return max(0.0, (min(coming) + _LATE_S * 1000 - self.now_ms()) / 1000) if coming else None

    def expired(self) -> list[tuple[Slot, Version]]:
        buckets = self.buckets().items()
        return [((name, key), row) for name, rows in buckets for key, row in rows.items() if not self.alive(row)]

    async def sweep(self) -> None:
        for slot, _ in self.expired():
            self.apply({slot: None})
