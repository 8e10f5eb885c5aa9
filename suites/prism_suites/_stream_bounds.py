"""Streams with bounds: their interfaces together, and judging what they keep."""

from collections.abc import Sequence
from typing import Any, Protocol

from prism_suites._judging import same
from prism_testkit.case import Case
from prism_testkit.interfaces import Record, StreamBasic, StreamConsumerGroups, StreamPartitioning, StreamRetention

__all__ = ["Bounded", "BoundedAndParted", "Retained", "everything", "holds", "slack_s"]


class Bounded(StreamBasic, StreamRetention, Protocol):
    """A stream with bounds, which can be trimmed; whether it has groups is another matter."""


class Retained(StreamBasic, StreamConsumerGroups, StreamRetention, Protocol):
    """A stream with bounds, which can be trimmed, and its groups."""


class BoundedAndParted(StreamConsumerGroups, StreamRetention, StreamPartitioning, Protocol):
    """A stream with bounds that may have partitions."""


def slack_s(case: Case) -> float:
    """Return by how much what is outside may be so and stay."""
    return max(0.001, case.limits.clock_resolution_s)


def holds(found: Sequence[Record], wanted: Sequence[Record], lost: str, kept: str, story: str) -> None:
    """Judge that these very records were found; ``lost`` is the promise of one that is missing, ``kept`` that of one too many."""
    offsets, expected = [record.offset for record in found], [record.offset for record in wanted]
    same(lost, [offset for offset in expected if offset not in offsets], [], f"a record is gone that is to be kept, {story}")
    same(kept, [offset for offset in offsets if offset not in expected], [], f"a record is there that should be gone, {story}")
    same("stream_retention.8", offsets, expected, f"records come twice, or not in order, {story}")
    same("stream_retention.6", list(found), list(wanted), f"a record that is kept is another now, {story}")


async def everything(records: Any) -> list[Record]:
    """Read to the end."""
    return [record async for record in records]
