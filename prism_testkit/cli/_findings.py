"""What `prism doctor` says: one thing that is missing, and the one command or edit that cures it."""

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``cure`` is one command to paste, or one edit to make. A `remark` is worth knowing, but nothing is wrong."""

    what: str
    cure: str
    remark: bool = False
