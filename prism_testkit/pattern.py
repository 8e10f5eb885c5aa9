"""What a pattern or suite author registers. Standard library only."""

from collections.abc import Sequence
from dataclasses import dataclass

from prism_testkit.waivers import Waiver

__all__ = ["Pattern", "Suite"]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One implementation of a kind of pattern; its slots are read off the annotations of ``implementation.__init__``."""

    kind: str
    name: str
    implementation: type
    waivers: Sequence[Waiver] = ()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A package of checks. Each of its modules that is not private is one suite, named after the module."""

    package: str
