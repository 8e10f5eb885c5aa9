"""The broom of a depot: what lies under a prefix, what of it is due, and how it is removed."""

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, field

from prism_patterns.claim_check import ClaimCheckConfig, Swept
from prism_testkit.interfaces import ObjectStorage

__all__ = ["Broom", "Seen", "marker_of"]

_NAME = re.compile(r"([0-9a-z]+)(?:\.acks/(.+))?", re.DOTALL)
MOST_IN_A_ROW = 20


def marker_of(consumer: str) -> str:
    """Return the last part of the name of a consumer's markers."""
    raw = consumer.encode(errors="surrogatepass")
    return f"#{hashlib.sha256(raw).hexdigest()}" if len(raw) > 100 or consumer.startswith("#") else consumer


@dataclass
class Seen:
    """A look at the objects under a prefix: claims with the instants of their uploads, and of the acks of each."""

    claims: dict[str, int] = field(default_factory=dict)
    acks: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))


class Broom:
    """One sweep."""

    def __init__(self, store: ObjectStorage, config: ClaimCheckConfig, now_ms: int) -> None:
        self._store = store
        self._config = config
        self._now_ms = now_ms
        self._errors: list[Exception] = []
        self._row = 0
        self.expired = self.acked = self.markers = 0

    async def sweep(self) -> Swept:
        seen = await self.look()
        await self.clear(seen)
        if self._errors:
            first = self._errors[0]
            first.add_note(f"a sweep of {self._config.prefix!r} could not remove {len(self._errors)} objects")
            raise first
        return Swept(expired=self.expired, acked=self.acked, markers=self.markers)

    def root(self) -> str:
        return f"{self._config.prefix}/"

    async def look(self) -> Seen:
        seen, root = Seen(), self.root()
        async for info in self._store.list_objects(self._config.bucket, root):
            self.note(seen, info.key.removeprefix(root), info.last_modified_ms)
        return seen

    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        parts = _NAME.fullmatch(name)
        if parts is None:
            return  # the pattern's own, or somebody's
        if parts[2] is None:
            seen.claims[parts[1]] = at_ms
        else:
            seen.acks[parts[1]][parts[2]] = at_ms

    async def clear(self, seen: Seen) -> None:
        for name, stored_ms in seen.claims.items():
            old, done = self.is_old(stored_ms), self.is_done(seen.acks.get(name, {}))
            if old or done:
                await self.clear_claim(name, list(seen.acks.get(name, {})), old)
            if self.is_enough():
                return
        for name in seen.acks.keys() - seen.claims.keys():
            await self.clear_rest(name, list(seen.acks[name]))
            if self.is_enough():
                return

    def is_enough(self) -> bool:
        return self._row >= MOST_IN_A_ROW

    def is_old(self, stored_ms: int) -> bool:
        return self._now_ms - stored_ms > 1000 * (self._config.max_age_s + self._config.grace_period_s)

    def is_done(self, acks: dict[str, int]) -> bool:
        if self._config.cleanup != "on_ack":
            return False
        last_ms = self.last_ack(acks)
        return last_ms is not None and self._now_ms - last_ms > 1000 * self._config.retention_after_ack_s

    def last_ack(self, acks: dict[str, int]) -> int | None:
        """Return when the last of those who must ack did, None while somebody has not."""
        wanted = [self.marker(name) for name in self._config.consumers] or list(acks)
        return max((acks[name] for name in wanted), default=None) if all(name in acks for name in wanted) else None

    def marker(self, consumer: str) -> str:
        return marker_of(consumer)

    async def clear_claim(self, name: str, acks: list[str], old: bool) -> None:
        gone = await self.remove(self.claim_key(name))
        if gone is None:
            return  # its markers stay, or nobody would know that it is due
        self.expired += gone and old
        self.acked += gone and not old
        await self.clear_markers(name, acks)

    async def clear_markers(self, name: str, acks: list[str]) -> None:
        for consumer in acks:
            self.markers += bool(await self.remove(self.marker_key(name, consumer)))
            if self.is_enough():
                return

    async def clear_rest(self, name: str, acks: list[str]) -> None:
        """Remove markers whose claim was not seen, if it is gone indeed: it may be younger than the look."""
        if not await self._store.exists(self._config.bucket, self.claim_key(name)):
            await self.clear_markers(name, acks)

    def claim_key(self, name: str) -> str:
        return f"{self.root()}{name}"

    def marker_key(self, name: str, consumer: str) -> str:
        return f"{self.claim_key(name)}.acks/{consumer}"

    async def remove(self, key: str) -> bool | None:
        """Remove an object; say whether it was there, None if that failed."""
        try:
            gone = await self._store.delete(self._config.bucket, key)
        except Exception as error:
            self._errors.append(error)
            self._row += 1
            return None
        self._row = 0
        return gone
