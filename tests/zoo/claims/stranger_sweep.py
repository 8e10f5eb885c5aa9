"""The sweep of a stranger's claim check."""

import re

from prism_patterns.claim_check import ClaimCheckConfig, Swept
from prism_testkit.interfaces import ObjectInfo, ObjectStorage, PrismError

from .stranger_codec import marker_name

__all__ = ["OURS", "Sweep"]

OURS = re.compile(r"([0-9a-v]{32})(?:\.acks/(.+))?", re.DOTALL)
"""A claim, or one of its markers."""


class Sweep:
    """One sweep: a listing, and what follows from it."""

    def __init__(self, store: ObjectStorage, config: ClaimCheckConfig, now_ms: int) -> None:
        self.store = store
        self.config = config
        self.now_ms = now_ms
        self.stored: dict[str, int] = {}
        self.marked: dict[str, dict[str, int]] = {}
        self.expired = self.acked = self.markers = 0
        self.errors: list[PrismError] = []

    async def run(self) -> Swept:
        async for found in self.store.list_objects(self.config.bucket, f"{self.config.prefix}/"):
            self.note(found)
        for identifier in self.found():
            try:
                await self.decide(identifier)
            except PrismError as error:
                self.errors.append(error)
        if self.errors:
            raise self.errors[0]
        return Swept(self.expired, self.acked, self.markers)

    def found(self) -> list[str]:
        return list({**self.stored, **self.marked})

    def note(self, found: ObjectInfo) -> None:
        match = OURS.fullmatch(found.key.removeprefix(f"{self.config.prefix}/"))
        if match is None:
            return
        identifier, consumer = match.groups()
        if consumer is None:
            self.stored[identifier] = found.last_modified_ms
        else:
            self.marked.setdefault(identifier, {})[consumer] = found.last_modified_ms

    async def decide(self, identifier: str) -> None:
        if await self.is_gone(identifier):
            for consumer in self.marked.get(identifier, ()):
                self.markers += await self.remove(f"{self.key(identifier)}.acks/{consumer}")

    def key(self, identifier: str) -> str:
        return f"{self.config.prefix}/{identifier}"

    async def remove(self, key: str) -> bool:
        return await self.store.delete(self.config.bucket, key)

    async def is_gone(self, identifier: str) -> bool:
        """Remove a claim that is due; True if there is none any more."""
        if identifier not in self.stored:
            # One that was put after the listing began may be missing in it, while its markers are not.
            return not await self.store.exists(self.config.bucket, self.key(identifier))
        acked = self.is_acked(identifier)
        if not acked and not self.is_old(identifier):
            return False
        removed = await self.remove(self.key(identifier))
        self.acked += removed and acked
        self.expired += removed and not acked
        return True

    def is_old(self, identifier: str) -> bool:
        return self.now_ms - self.stored[identifier] > self.life_s() * 1000

    def life_s(self) -> float:
        return self.config.max_age_s + self.config.grace_period_s

    def is_acked(self, identifier: str) -> bool:
        if self.config.cleanup != "on_ack":
            return False
        markers = self.marked.get(identifier, {})
        instants = self.awaited(markers)
        return bool(instants) and self.now_ms - self.counted_from(instants) > self.config.retention_after_ack_s * 1000

    def awaited(self, markers: dict[str, int]) -> list[int]:
        """Return the instants of the markers that a claim waits for, nothing if one is missing."""
        wanted = [self.name_of(consumer) for consumer in self.config.consumers] or list(markers)
        return [markers[name] for name in wanted] if all(name in markers for name in wanted) else []

    def name_of(self, consumer: str) -> str:
        return marker_name(consumer)

    def counted_from(self, instants: list[int]) -> int:
        return max(instants)
