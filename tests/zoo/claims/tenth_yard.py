"""The yard of the freight: what lies under the prefix, and what of it is due."""

import hashlib
import json
from dataclasses import dataclass, field

from prism_patterns.claim_check import Claim, ClaimCheckConfig, Swept
from prism_testkit.interfaces import ConfigError, ObjectStorage, ObjectStorageConditional, PrismError
from prism_testkit.pattern import offers

__all__ = ["Lot", "Yard", "Yardmaster", "tag"]

_AGREED = ("compression", "checksum", "max_age_s")
_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")


def tag(consumer: str) -> str:
    """Return a consumer's name as the markers have it."""
    if len(consumer.encode()) > 100 or consumer.startswith("#"):
        return "#" + hashlib.sha256(consumer.encode()).hexdigest()[:48]
    return consumer


@dataclass
class Lot:
    """A claim and its markers, as they were listed."""

    stored_ms: int | None = None
    marks: dict[str, int] = field(default_factory=dict)


class Yard:
    def __init__(self, store: ObjectStorage, config: ClaimCheckConfig) -> None:
        self.store, self.config = store, config
        self.root = f"{config.prefix}/"

    async def now_ms(self) -> int:
        return (await self.store.put(self.config.bucket, f"{self.root}_clock", b"")).last_modified_ms

    async def mark(self, claim: Claim, consumer: str) -> None:
        await self.store.put(claim.bucket, f"{claim.key}.acks/{tag(consumer)}", b"")

    def agreement(self) -> dict[str, object]:
        return {name: getattr(self.config, name) for name in _AGREED}

    async def agree(self) -> None:
        mine, bucket, key = self.agreement(), self.config.bucket, f"{self.root}_config"
        text = json.dumps(mine).encode()
        found = await self.store.get(bucket, key)
        if found is None:
            if offers(self.store, ObjectStorageConditional):
                await self.store.put_if_absent(bucket, key, text)  # type: ignore[attr-defined]
            else:
                await self.store.put(bucket, key, text)
            found = await self.store.get(bucket, key)
        self.compare(mine, found or b"")

    def compare(self, mine: dict[str, object], found: bytes) -> None:
        where = f"{self.config.bucket!a}/{self.config.prefix!a}"
        try:
            theirs = json.loads(found)
            other = {name: (mine[name], theirs[name]) for name in _AGREED if mine[name] != theirs[name]}
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{where} has an agreement that nobody can read: {error}") from error
        if other:
            raise ConfigError(f"{where} is used otherwise: " + ", ".join(f"{k} {a!r} and {b!r}" for k, (a, b) in other.items()))

    def is_id(self, name: str) -> bool:
        return len(name) == 35 and _LETTERS.issuperset(name)

    async def lots(self) -> dict[str, Lot]:
        lots: dict[str, Lot] = {}
        async for info in self.store.list_objects(self.config.bucket, self.root):
            self.note(lots, info.key[len(self.root) :], info.last_modified_ms)
        return lots

    def note(self, lots: dict[str, Lot], name: str, at_ms: int) -> None:
        claim, acks, consumer = name.partition(".acks/")
        if not self.is_id(claim):
            return
        if not acks:
            lots.setdefault(claim, Lot()).stored_ms = at_ms
        elif consumer:
            lots.setdefault(claim, Lot()).marks[consumer] = at_ms


class Yardmaster:
    """One sweep."""

    patience = 20

    def __init__(self, yard: Yard) -> None:
        self.yard, self.config, self.store = yard, yard.config, yard.store
        self.expired = self.acked = self.markers = 0
        self.errors: list[PrismError | OSError] = []

    async def run(self) -> Swept:
        now_ms = await self.yard.now_ms()
        row = 0
        for claim, lot in (await self.yard.lots()).items():
            try:
                await self.look(claim, lot, now_ms)
                row = 0
            except (PrismError, OSError) as error:
                self.errors.append(error)
                row += 1
                if row >= self.patience:
                    break
        return self.told()

    def told(self) -> Swept:
        swept = Swept(self.expired, self.acked, self.markers)
        if self.errors:
            self.errors[0].add_note(f"{len(self.errors)} could not be removed; removed: {swept}")
            raise self.errors[0]
        return swept

    def is_old(self, lot: Lot, now_ms: int) -> bool:
        assert lot.stored_ms is not None
        return now_ms - lot.stored_ms > 1000 * (self.config.max_age_s + self.config.grace_period_s)

    def is_acked(self, lot: Lot, now_ms: int) -> bool:
        if self.config.cleanup != "on_ack":
            return False
        wanted = [tag(consumer) for consumer in self.config.consumers] or list(lot.marks)
        if not wanted or any(name not in lot.marks for name in wanted):
            return False
        return now_ms - max(lot.marks[name] for name in wanted) > 1000 * self.config.retention_after_ack_s

    async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
        key = self.yard.root + claim
        if lot.stored_ms is None:
            if await self.store.exists(self.config.bucket, key):
                return
        elif self.is_acked(lot, now_ms):
            self.acked += await self.store.delete(self.config.bucket, key)
        elif self.is_old(lot, now_ms):
            self.expired += await self.store.delete(self.config.bucket, key)
        else:
            return
        for mark in lot.marks:
            self.markers += await self.store.delete(self.config.bucket, f"{key}.acks/{mark}")
