"""A known failure, as data: it replays its witness, shows as its own mark, and fails the run when it no longer fails."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Waiver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One promise that a backend or a pattern is known to break.

    ``kind``: ``upstream`` (the store's fault), ``todo`` (ours, to be mended) or ``never`` (will stay). ``witness`` is the path
    of a witness file, relative to the file that registers the backend. ``tries`` is how often a race's witness is replayed
    before the waiver is called inconclusive.
    """

    promise: str
    kind: Literal["upstream", "todo", "never"]
    reason: str
    witness: str
    link: str = ""
    tries: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("upstream", "todo", "never"):
            raise ValueError(f"Waiver({self.promise!r}): kind must be 'upstream', 'todo' or 'never', not {self.kind!r}")
        for name in ("promise", "reason", "witness"):
            if not getattr(self, name):
                raise ValueError(f"Waiver({self.promise!r}): {name} must not be empty; a waiver states what, why and which case")
        if self.tries < 1:
            raise ValueError(f"Waiver({self.promise!r}): tries={self.tries} must be at least 1")
