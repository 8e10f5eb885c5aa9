"""An independent model of object storage: buckets of objects, given that time is known only to an interval.

A call takes effect at one instant between its start and its return; so a deadline is an interval, and at a call an object is
present for certain, missing for certain, or either: what the call then says settles it.
"""

from dataclasses import dataclass, field
from typing import Literal

from prism_suites._keyvalue_model import Window
from prism_suites._objects_asking import Given

__all__ = ["Kept", "Namespace", "Status"]

Status = Literal["present", "missing", "either"]


@dataclass(slots=True)
class Kept:
    """One version of an object: its data, what was said of it, when it was put, what its put returned, when it ends."""

    data: bytes
    given: Given
    put: Window
    etag: str | None = None
    instant_ms: int | None = None
    deadline: Window | None = None
    touched: bool = False
    """It was given a deadline, which may change its etag."""
    freed: bool = False
    """Its put took the deadline of the version before away."""


@dataclass
class Namespace:
    """One namespace. ``etags`` remembers, of each key, which content each etag was seen with; ``gone`` why a key is missing."""

    slack_ns: int
    buckets: dict[str, dict[str, Kept]] = field(default_factory=dict)
    etags: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    gone: dict[tuple[str, str], str] = field(default_factory=dict)

    def status(self, bucket: str, key: str, now: Window) -> Status:
        """Say whether an object is present at a call; a certain expiry is carried out."""
        kept = self.buckets[bucket].get(key)
        if kept is None:
            return "missing"
        if kept.deadline is None or now.end < kept.deadline.start:
            return "present"
        if now.start >= kept.deadline.end + self.slack_ns:
            self.drop(bucket, key, "expiry")
            return "missing"
        return "either"

    def write(self, bucket: str, key: str, kept: Kept) -> None:
        """Store a version."""
        before = self.buckets[bucket].get(key)
        kept.freed = before is not None and before.deadline is not None
        self.buckets[bucket][key] = kept
        self.gone.pop((bucket, key), None)

    def drop(self, bucket: str, key: str, by: str) -> None:
        """Remove an object, if it is there."""
        if self.buckets[bucket].pop(key, None) is not None:
            self.gone[bucket, key] = by

    def remove(self, bucket: str) -> None:
        """Remove a bucket and everything in it."""
        for key in list(self.buckets[bucket]):
            self.drop(bucket, key, "delete_bucket")
        del self.buckets[bucket]

    def statuses(self, bucket: str, now: Window) -> dict[str, Status]:
        """Return the status of every object that is not missing for certain."""
        found = {key: self.status(bucket, key, now) for key in list(self.buckets[bucket])}
        return {key: status for key, status in found.items() if status != "missing"}

    def deadlines(self) -> list[Window]:
        """Return every deadline that is not yet carried out, the next one first."""
        every = (kept.deadline for objects in self.buckets.values() for kept in objects.values())
        return sorted((deadline for deadline in every if deadline is not None), key=lambda window: window.start)
