"""The sweep of a claim check by an author of his own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from prism_patterns.claim_check import Swept

if TYPE_CHECKING:
    from .independent_claims import OwnClaimCheck

__all__ = ["Sweep"]

IN_A_ROW = 16
"""Removals that fail one after another, after which a sweep ends."""


@dataclass
class Sweep:
    """One sweep: what is there, then what is due of it."""

    owner: "OwnClaimCheck"
    claims: dict[str, int] = field(default_factory=dict)
    markers: dict[str, dict[str, int]] = field(default_factory=dict)
    swept: Swept = field(default_factory=Swept)
    errors: list[Exception] = field(default_factory=list)
    in_a_row: int = 0

    async def run(self) -> Swept:
        now = await self.owner.store_now()
        await self.look()
        for claim in sorted(self.claims.keys() | self.markers.keys()):
            why = self.due(claim, now)
            if why is not None and await self.remove(claim):
                self.swept = replace(self.swept, **{why: getattr(self.swept, why) + 1})
                await self.remove_markers(claim)
            elif claim not in self.claims and not await self.there(claim):
                await self.remove_markers(claim)
        self.end()
        return self.swept

    async def look(self) -> None:
        """List what is under the prefix: claims, and markers by their claim. Everything else is somebody's."""
        c = self.owner.config
        async for info in self.owner.store.list_objects(c.bucket, f"{c.prefix}/"):
            found = re.fullmatch(r"([0-9a-z]+)(?:\.acks/(.+))?", info.key[len(c.prefix) + 1 :], re.DOTALL)
            if found is None:
                continue
            claim, marker = found.groups()
            if marker is None:
                self.claims[claim] = info.last_modified_ms
            else:
                self.markers.setdefault(claim, {})[marker] = info.last_modified_ms

    def due(self, claim: str, now: int) -> str | None:
        c = self.owner.config
        if claim not in self.claims:
            return None
        if now - self.claims[claim] > (c.max_age_s + c.grace_period_s) * 1000:
            return "expired"
        return "acked" if c.cleanup == "on_ack" and self.acked(self.markers.get(claim, {}), now) else None

    def acked(self, markers: Mapping[str, int], now: int) -> bool:
        c = self.owner.config
        waited = [self.owner.marker_name(name) for name in c.consumers] or list(markers)
        if not waited or not all(name in markers for name in waited):
            return False
        return now - max(markers[name] for name in waited) > c.retention_after_ack_s * 1000

    def key(self, claim: str, marker: str | None = None) -> str:
        at = f"{self.owner.config.prefix}/{claim}"
        return at if marker is None else f"{at}.acks/{marker}"

    async def there(self, claim: str) -> bool:
        """Say whether a claim that the listing had not is there now; if it cannot be said, yes."""
        try:
            return await self.owner.store.exists(self.owner.config.bucket, self.key(claim))
        except Exception as error:
            self.failed(error)
            return True

    async def remove(self, claim: str) -> bool:
        """Remove a claim, first of all that is its; False if it was not to be removed, or not there."""
        return await self.delete(self.key(claim))

    async def remove_markers(self, claim: str) -> None:
        for marker in sorted(self.markers.get(claim, {})):
            if await self.delete(self.key(claim, marker)):
                self.swept = replace(self.swept, markers=self.swept.markers + 1)

    async def delete(self, key: str) -> bool:
        try:
            gone = await self.owner.store.delete(self.owner.config.bucket, key)
        except Exception as error:
            self.failed(error)
            return False
        self.in_a_row = 0
        return gone

    def failed(self, error: Exception) -> None:
        self.errors.append(error)
        self.in_a_row += 1
        if self.in_a_row >= IN_A_ROW:
            self.end()

    def end(self) -> None:
        if self.errors:
            first = self.errors[0]
            first.add_note(f"claims: {len(self.errors)} removals of this sweep failed; the next one tries again")
            raise first
