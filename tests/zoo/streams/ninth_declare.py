"""The decorator that declares a mutant of the streams in segments: of the driver, its member, its books or its lanes."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .ninth_segments import Books, FileBooks, Lane, segment_backend
from .ninth_streams import SegmentMember, SegmentStreams

__all__ = ["UNUSUAL", "declaring_ninth"]


def _with(base: type, slot: str, wrong: type) -> type:
    return new_class(wrong.__name__, (base,), {}, lambda body: body.update({slot: wrong, "__module__": wrong.__module__}))


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in a right driver."""
    name = f"zoo-stream-ninth-{name}"
    if issubclass(wrong, Lane):
        wrong = _with(FileBooks, "lane_type", wrong)
    if issubclass(wrong, Books):
        return segment_backend(name, SegmentStreams, wrong, **settings)
    if issubclass(wrong, SegmentMember):
        wrong = _with(SegmentStreams, "member_type", wrong)
    return segment_backend(name, wrong, **settings)


def declaring_ninth(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``stream_``."""
    return declaring_family(into, prefix="stream_", make=_make, home=HOME)


UNUSUAL: tuple[Backend[Any], ...] = (segment_backend("zoo-stream-ninth-segments", SegmentStreams),)
"""Logs in segments, over a file of steps."""
