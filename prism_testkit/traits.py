"""What a backend claims beyond its interfaces: traits (behaviour) and limits (numbers). Every claim is verified by a suite."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

__all__ = ["NO_LIMIT", "Limits", "Traits"]

NO_LIMIT = sys.maxsize
"""As ``max_payload``: the store sets no limit. Nothing can be made of that size, so nothing is over it."""

Survival = Literal["yes", "no"] | float
"""Survives SIGKILL, does not, or with so many seconds of lag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Claimed behaviour; the defaults claim least. Used in ``Annotated[KeyValueBasic, Traits(durability="process")]`` as a need.

    ``durability``: what of the acknowledged writes survives: ``none``, ``process`` (SIGKILL of the writer or of the server) or
    ``power`` (loss of power too: what promises say of SIGKILL with ``process`` holds then as well). That is shown where Python
    writes the files of a store: of a file what was synced by fsync(2) is left, of a directory the names that it had when it was
    synced itself. Elsewhere the check is inconclusive and says "claimed, not shown".
    ``sharing``: who may use one place at once, clients of one process or ``processes``; with a server that goes without saying.
    ``lease_fencing``: who judges whether an ack comes in time: the server when it arrives, however long it was on its way, or the
    client when it is called; with ``client`` no suite holds an ack back until somebody else has the message.
    ``compaction``: how soon what `compact` supersedes is gone: when it returns, within so many seconds, or some time (None).
    ``retention_lag_s``: seconds until what is outside of a stream's bounds is gone by itself; None: not before it is enforced.
    ``ttl_late_s``: seconds by which an expired entry may still be seen. ``ttl_reclaim_s``: seconds until its storage is free.
    """

    durability: Literal["none", "process", "power"] = "none"
    sharing: Literal["clients", "processes"] = "clients"
    ack_survives_kill: Survival = "no"
    lease_survives_kill: Survival = "no"
    attempts_survive_kill: Survival = "no"
    member_timeout_s: float | None = None
    group_parallelism: Literal["record", "partition"] = "partition"
    lease_fencing: Literal["server", "client"] = "client"
    delivery_count: Literal["exact", "lower_bound"] = "lower_bound"
    compaction: Literal["immediate"] | float | None = None
    retention_lag_s: float | None = None
    ttl_late_s: float = 0.0
    ttl_reclaim_s: float | None = None

    def unmet(self, need: "Traits") -> Iterator[str]:
        """Yield a sentence for each trait of ``need``, other than its defaults, that this claim does not reach."""
        for field in fields(self):
            wanted, has = getattr(need, field.name), getattr(self, field.name)
            if wanted != field.default and not _reaches(field.name, has, wanted):
                yield f"needs {field.name}={wanted!r}, claims {has!r}"


_LADDERS: dict[str, tuple[object, ...]] = {
    "durability": ("none", "process", "power"),
    "sharing": ("clients", "processes"),
    "group_parallelism": ("partition", "record"),
    "lease_fencing": ("client", "server"),
    "delivery_count": ("lower_bound", "exact"),
}


def _reaches(name: str, has: object, wanted: object) -> bool:
    ladder = _LADDERS.get(name)
    if ladder is not None:
        return ladder.index(has) >= ladder.index(wanted)
    return _seconds(has) <= _seconds(wanted)


def _seconds(value: object) -> float:
    """Order survival and lag: ``yes`` and ``immediate`` are 0 s, ``no`` and None are for ever."""
    if isinstance(value, int | float):
        return float(value)
    return 0.0 if value in ("yes", "immediate") else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Numbers, each probed at -1, 0 and +1. ``max_payload`` and ``max_name`` are bytes, ``clock_resolution_s`` seconds.

    A time may be rounded by up to ``clock_resolution_s``, towards late, never towards early; no clock is asked more finely than
    by the millisecond, so that one who counts whole ones, rounded down, is not early. ``max_payload`` may be `NO_LIMIT`,
    as that of object storage is: the strategies then make payloads of up to ``strategies.payloads.WIDEST`` bytes, and a check of
    "the largest" chooses a size itself.
    """

    max_payload: int = 1_000_000
    max_name: int = 512
    clock_resolution_s: float = 0.001

    def __post_init__(self) -> None:
        if self.max_name < 64:
            raise ValueError(f"Limits(max_name={self.max_name}): names of 64 bytes must be accepted; encode or hash longer ones")
        if self.max_payload < 64:
            raise ValueError(
                f"Limits(max_payload={self.max_payload}): payloads of 64 bytes must be accepted; the suites' own take as many"
            )
        if not 0 <= self.clock_resolution_s < math.inf:
            raise ValueError(f"Limits(clock_resolution_s={self.clock_resolution_s}): must be a number of seconds, 0 or more")
