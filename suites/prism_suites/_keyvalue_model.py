"""An independent model of a key-value store: what each key may look like, given that time is known only to an interval.

A call takes effect at one instant between its start and its return. So a deadline is an interval, and at a call a key is
present for certain, missing for certain, or either; what a call then says settles it. Times are whole nanoseconds.
"""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Held", "Model", "Status", "Window"]

Status = Literal["present", "missing", "either"]


@dataclass(frozen=True, slots=True)
class Window:
    """When a call took effect: between its start and its return."""

    start: int
    end: int

    def after(self, ttl_s: float) -> "Window":
        """Return the interval in which something that begins in this one ends ``ttl_s`` later."""
        length = round(ttl_s * 1e9)
        return Window(self.start + length, self.end + length)


@dataclass(slots=True)
class Held:
    """What a key holds: its value, when it ends, which operation wrote it, and which took an earlier deadline away."""

    value: bytes
    deadline: Window | None = None
    by: str = "set"
    freed_by: str = ""
    given_s: float = 0.0


@dataclass
class Model:
    """One namespace. ``gone`` remembers which operation removed a name that was once there."""

    slack_ns: int
    held: dict[str, Held] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)

    def status(self, name: str, now: Window) -> Status:
        """Say whether a name is present at a call; a certain expiry is carried out."""
        held = self.held.get(name)
        if held is None:
            return "missing"
        if held.deadline is None or now.end < held.deadline.start:
            return "present"
        if now.start >= held.deadline.end + self.slack_ns:
            self.drop(name, "expiry")
            return "missing"
        return "either"

    def write(self, name: str, value: bytes, by: str) -> None:
        """Store a value without expiry."""
        before = self.held.get(name)
        freed = by if before is not None and before.deadline is not None else ""
        self.held[name] = Held(value, None, by, freed)
        self.gone.pop(name, None)

    def drop(self, name: str, by: str) -> None:
        """Remove a name, if it is there."""
        if self.held.pop(name, None) is not None:
            self.gone[name] = by

    def limit(self, name: str, deadline: Window, given_s: float) -> None:
        """Give a name that is there a deadline."""
        held = self.held[name]
        held.deadline, held.given_s, held.freed_by = deadline, given_s, ""

    def certain(self, prefix: str, now: Window) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return what begins with ``prefix``: (present for certain, either)."""
        sure: dict[str, bytes] = {}
        maybe: dict[str, bytes] = {}
        for name in list(self.held):
            status = self.status(name, now)
            if status != "missing" and name[: len(prefix)] == prefix:
                (sure if status == "present" else maybe)[name] = self.held[name].value
        return sure, maybe

    def deadlines(self) -> list[Window]:
        """Return every deadline that is still ahead or not yet carried out."""
        return sorted((h.deadline for h in self.held.values() if h.deadline is not None), key=lambda window: window.start)
