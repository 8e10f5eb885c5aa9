"""What lies under the prefix, what of it is due, and how it is removed while others go on."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from prism_patterns.claim_check.config import ClaimCheckConfig
from prism_patterns.claim_check.contract import Swept
from prism_testkit.interfaces.errors import PrismError
from prism_testkit.interfaces.object_storage import ObjectStorage
from prism_testkit.naming import encode_name

__all__ = ["Layout", "sweep"]

_ID = re.compile(r"[0-9a-v]{32}")
_MARKER = re.compile(r"([0-9a-v]{32})\.acks/(.+)", re.DOTALL)
_PLAIN_BYTES = 100


class Layout:
    """The names of a claim check's objects."""

    def __init__(self, config: ClaimCheckConfig) -> None:
        self.root = f"{config.prefix}/"
        self.agreement = f"{self.root}_config"
        self.clock = f"{self.root}_clock"

    def new_claim(self) -> str:
        """Return a key that was never used: 160 random bits."""
        return self.root + encode_name(secrets.token_bytes(20))

    def marker(self, claim: str, consumer: str) -> str:
        return f"{claim}.acks/{marker_name(consumer)}"


def marker_name(consumer: str) -> str:
    """Return how a consumer is called in the name of its marker; a long name by a hash, so that it fits into a key."""
    if len(consumer.encode()) <= _PLAIN_BYTES and not consumer.startswith("#"):
        return consumer
    return "#" + encode_name(hashlib.blake2b(consumer.encode(), digest_size=25).digest())


@dataclass
class _Found:
    """A claim as it was listed: when it was stored, None if it was not there, and its markers with their instants."""

    stored_ms: int | None = None
    markers: dict[str, int] = field(default_factory=dict)


async def sweep(store: ObjectStorage, config: ClaimCheckConfig, layout: Layout) -> Swept:
    """Remove what is due. The claim goes first: whoever is interrupted leaves markers, which the next sweep knows to be orphans.

    Instants are whole milliseconds, cut off, so a difference is good to one of them: what is due is more than its time ago.
    What cannot be removed is left, and the first error raised at the end; after `_PATIENCE` failures in a row at once, for then
    it is the store that is in trouble and not an object.
    """
    if config.cleanup == "retain":
        return Swept()
    return await _Sweep(store, config, layout).run()


_PATIENCE = 16


class _Sweep:
    """One sweep, what it removed so far, and what it could not remove."""

    def __init__(self, store: ObjectStorage, config: ClaimCheckConfig, layout: Layout) -> None:
        self._store, self._config, self._layout = store, config, layout
        self._swept = Swept()
        self._first: PrismError | OSError | None = None
        self._failures = self._in_a_row = 0

    async def run(self) -> Swept:
        now_ms = (await self._store.put(self._config.bucket, self._layout.clock, b"")).last_modified_ms
        for name, found in (await _listed(self._store, self._config, self._layout)).items():
            try:
                await self._decide(self._layout.root + name, found, now_ms)
            except (PrismError, OSError) as error:
                self._first = self._first or error
                self._failures += 1
                self._in_a_row += 1
                if self._in_a_row == _PATIENCE:
                    break
            else:
                self._in_a_row = 0
        if self._first is not None:
            self._first.add_note(
                f"claims that this sweep could not remove, or their markers: {self._failures}; removed: {self._swept}"
            )
            raise self._first
        return self._swept

    async def _decide(self, claim: str, found: "_Found", now_ms: int) -> None:
        bucket = self._config.bucket
        if found.stored_ms is None:
            if await self._store.exists(bucket, claim):
                return  # a listing may see the marker and miss the claim, if both are new
        elif _is_acked(found, self._config, now_ms):
            self._count(acked=await self._store.delete(bucket, claim))
        elif now_ms - found.stored_ms > (self._config.max_age_s + self._config.grace_period_s) * 1000:
            self._count(expired=await self._store.delete(bucket, claim))
        else:
            return
        for marker in found.markers:
            self._count(markers=await self._store.delete(bucket, f"{claim}.acks/{marker}"))

    def _count(self, *, expired: bool = False, acked: bool = False, markers: bool = False) -> None:
        swept = self._swept
        self._swept = Swept(swept.expired + expired, swept.acked + acked, swept.markers + markers)


def _is_acked(found: _Found, config: ClaimCheckConfig, now_ms: int) -> bool:
    if config.cleanup != "on_ack":
        return False
    wanted = [marker_name(consumer) for consumer in config.consumers] or list(found.markers)
    instants = [found.markers[name] for name in wanted if name in found.markers]
    whole = bool(instants) and len(instants) == len(wanted)
    return whole and now_ms - max(instants) > config.retention_after_ack_s * 1000


async def _listed(store: ObjectStorage, config: ClaimCheckConfig, layout: Layout) -> dict[str, _Found]:
    claims: dict[str, _Found] = {}
    async for info in store.list_objects(config.bucket, layout.root):
        name = info.key[len(layout.root) :]
        marker = _MARKER.fullmatch(name)
        if marker is not None:
            claims.setdefault(marker[1], _Found()).markers[marker[2]] = info.last_modified_ms
        elif _ID.fullmatch(name):
            claims.setdefault(name, _Found()).stored_ms = info.last_modified_ms
    return claims
