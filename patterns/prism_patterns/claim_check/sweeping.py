"""What lies under the prefix, what of it is due, and how it is removed while others go on."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from prism_patterns.claim_check.config import ClaimCheckConfig
from prism_patterns.claim_check.contract import Swept
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
    """
    if config.cleanup == "retain":
        return Swept()
    now_ms = (await store.put(config.bucket, layout.clock, b"")).last_modified_ms
    expired = acked = markers = 0
    for name, found in (await _listed(store, config, layout)).items():
        claim = layout.root + name
        if found.stored_ms is None:
            gone = not await store.exists(config.bucket, claim)  # a listing may see the marker and miss the claim, if both are new
        elif _is_acked(found, config, now_ms):
            acked += await store.delete(config.bucket, claim)
            gone = True
        elif now_ms - found.stored_ms > (config.max_age_s + config.grace_period_s) * 1000:
            expired += await store.delete(config.bucket, claim)
            gone = True
        else:
            gone = False
        if gone:
            for marker in found.markers:
                markers += await store.delete(config.bucket, f"{claim}.acks/{marker}")
    return Swept(expired, acked, markers)


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
