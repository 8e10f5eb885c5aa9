"""The sweep of a stranger's claim check."""

import re
from typing import TYPE_CHECKING

from prism_patterns.claim_check import Swept
from prism_testkit.interfaces import ObjectInfo, PrismError

from .stranger_codec import marker_name

if TYPE_CHECKING:
    from .strangers import StrangeClaimCheck

__all__ = ["OURS", "Sweep"]

OURS = re.compile(r"([0-9a-f]{32})(?:\.acks/(.+))?", re.DOTALL)
"""A claim, or one of its markers."""


class Sweep:
    """One sweep: a listing, and what follows from it."""

    def __init__(self, claims: "StrangeClaimCheck", now_ms: int) -> None:
        self.claims = claims
        self.config = claims.config
        self.now_ms = now_ms
        self.stored: dict[str, int] = {}
        self.marked: dict[str, dict[str, int]] = {}
        self.expired = self.acked = self.markers = 0
        self.errors: list[PrismError] = []

    async def run(self) -> Swept:
        async for found in self.claims.store.list_objects(self.config.bucket, f"{self.config.prefix}/"):
            self.note(found)
        for identifier in {**self.stored, **self.marked}:
            try:
                await self.decide(identifier)
            except PrismError as error:
                self.errors.append(error)
        if self.errors:
            raise self.errors[0]
        return Swept(self.expired, self.acked, self.markers)

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
        key = f"{self.config.prefix}/{identifier}"
        if identifier in self.stored:
            acked = self.is_acked(identifier)
            if not acked and not self.is_old(self.stored[identifier]):
                return
            gone = await self.claims.store.delete(self.config.bucket, key)
            self.acked += gone and acked
            self.expired += gone and not acked
        elif await self.claims.store.exists(self.config.bucket, key):
            # It was put after the listing began.
            return
        for consumer in self.marked.get(identifier, ()):
            self.markers += await self.claims.store.delete(self.config.bucket, f"{key}.acks/{consumer}")

    def is_old(self, stored_ms: int) -> bool:
        return self.now_ms - stored_ms > (self.config.max_age_s + self.config.grace_period_s) * 1000

    def is_acked(self, identifier: str) -> bool:
        if self.config.cleanup != "on_ack":
            return False
        markers = self.marked.get(identifier, {})
        wanted = [marker_name(consumer) for consumer in self.config.consumers] or list(markers)
        if not wanted or any(consumer not in markers for consumer in wanted):
            return False
        return self.now_ms - max(markers[consumer] for consumer in wanted) > self.config.retention_after_ack_s * 1000
